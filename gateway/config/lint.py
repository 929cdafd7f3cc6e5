"""What a set of rules says that its writer may not have meant: warnings, never reasons to refuse it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil

from gateway.config.node import Node
from gateway.config.overlap import (
    Every,
    demanded,
    examples_of,
    excludes,
    holds_at,
    implies,
    impossible,
    least_of,
    shape_of,
    words_held,
)
from gateway.config.pairs import Compatible, Implied
from gateway.domain.problem import Problem
from gateway.domain.rule import AllOf, Condition, Leaf, Rule, Split, Step
from gateway.domain.words import Mode


def warnings_of(rules: Sequence[Rule], chains: Mapping[str, Node]) -> tuple[Problem, ...]:
    """Give all warnings for rules in the order in which they are tried, those that are off included."""
    on = [rule for rule in rules if rule.mode is not Mode.OFF]
    shapes = {rule.name: shape_of(rule.when) for rule in on}
    live = [rule for rule in on if rule.mode is Mode.LIVE]
    apart = [rule for rule in live if rule.for_embeddings]  # no request is seen by these and by others
    others = [rule for rule in live if not rule.for_embeddings]
    found = (
        *(_dead(others, shapes), _ties(others, shapes), _no_catch_all(others)),
        *(_dead(apart, shapes), _ties(apart, shapes)),
        *(_routes(on), _windows(on, shapes), _incapable(on, shapes), _unused(chains, rules)),
    )
    return tuple(sorted(problem for problems in found for problem in problems))


def _dead(live: Sequence[Rule], shapes: Mapping[str, Every]) -> Iterator[Problem]:
    """A rule is dead when its conditions exclude each other, or an earlier rule takes every request that it would."""
    demands = {rule.name: demanded(shapes[rule.name]) for rule in live}
    earlier = Implied()
    for rule in live:
        before = [live[place] for place in earlier.by(shapes[rule.name])]
        earlier.add(shapes[rule.name])
        if impossible(shapes[rule.name]):
            yield _at(
                rule, f"rule '{rule.name}' can never match: its conditions exclude each other", "loosen one of them"
            )
            continue
        mine = {leaf.feature for leaf in rule.leaves}
        examples = examples_of(shapes[rule.name])
        wider = (each for each in before if demands[each.name] <= mine and holds_at(shapes[each.name], examples))
        cover = next((each for each in wider if implies(shapes[rule.name], shapes[each.name])), None)
        if cover is not None:
            where = f"'{cover.name}' ({cover.file}:{cover.mark.line})"
            yield _at(
                rule,
                f"rule '{rule.name}' can never match: {where} is tried first and takes all it would",
                f"raise its priority above {cover.priority}, or remove it",
            )


def _ties(live: Sequence[Rule], shapes: Mapping[str, Every]) -> Iterator[Problem]:
    """Rules of one priority in different files are ordered by the files' names; it matters where both may match."""
    for _, group in groupby(live, key=lambda rule: rule.priority):
        same = list(group)
        earlier = Compatible()
        for rule in same:
            before = (same[place] for place in earlier.beside(shapes[rule.name]))
            others = (each for each in before if each.file != rule.file)
            rival = next((each for each in others if not excludes(shapes[rule.name], shapes[each.name])), None)
            earlier.add(shapes[rule.name])
            if rival is not None:
                message = (
                    f"rule '{rule.name}' has the priority of '{rival.name}' in {rival.file}: the file names decide"
                )
                yield _at(rule, message, "larger priorities are tried first; give one of them another")


def _no_catch_all(live: Sequence[Rule]) -> Iterator[Problem]:
    if live and not any(_catches_all(rule.when) for rule in live):
        message = "no rule is a catch-all: a request for 'auto' that no rule takes is refused with 404"
        yield _at(live[-1], message, "add a rule without 'when' and with the lowest priority")


def _catches_all(condition: Condition) -> bool:
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    return all(isinstance(part, Leaf) and part.name == "model" and part.test("auto") for part in parts)


def _routes(rules: Sequence[Rule]) -> Iterator[Problem]:
    """A model that stands in a chain twice is asked again after it has failed; one step has nothing after it.

    Few have the same embedding model at a second account, so that one step is no sign of a slip there.
    """
    for rule in rules:
        models = [place.model for place in rule.route.places if isinstance(place, Step)]
        twice = sorted({model for model in models if models.count(model) > 1})
        if twice:
            hint = f"for another try say {{model: {twice[0]}, tries: 2}}"
            yield _at(rule, f"the route of rule '{rule.name}' has model '{twice[0]}' twice", hint)
        if len(rule.route.places) == 1 and rule.mode is Mode.LIVE and not rule.for_embeddings:
            hint = "add a second model, so that a failure has somewhere to go"
            yield _at(rule, f"the route of rule '{rule.name}' has one step: nothing answers when it fails", hint)


def _windows(rules: Sequence[Rule], shapes: Mapping[str, Every]) -> Iterator[Problem]:
    """A model whose window the input alone fills can answer nothing that the rule takes."""
    for rule in rules:
        least = ceil(least_of(shapes[rule.name], "estimated_tokens"))
        known = {step.model: step.window_tokens for place in rule.route.places for step in _steps(place)}
        small = {model: window for model, window in known.items() if window is not None and window <= least}
        if small:
            windows = ", ".join(f"'{model}' ({window})" for model, window in small.items())
            which = "no model" if len(small) == len(known) else "not every model"
            message = f"rule '{rule.name}' takes inputs of {least} tokens and more, and {which} of its route holds them"
            yield _at(rule, message, f"the window is too small: {windows}")


def _incapable(rules: Sequence[Rule], shapes: Mapping[str, Every]) -> Iterator[Problem]:
    """A model that does not take what the rule asks for is passed over for every request that the rule takes."""
    for rule in rules:
        lacks = {step.model: step.lacks for place in rule.route.places for step in _steps(place)}
        for words in words_held(shapes[rule.name], "has"):
            lacking = [model for model, lacked in lacks.items() if words <= lacked]
            if lacking:
                which = "no model" if len(lacking) == len(lacks) else "not every model"
                message = (
                    f"rule '{rule.name}' takes requests with {' or '.join(sorted(words))}, and {which} of its route"
                )
                hint = (
                    f"passed over as incapable: {', '.join(map(repr, lacking))}; what a model takes is said by takes:"
                )
                yield _at(rule, f"{message} takes those", hint)


def _steps(place: Step | Split) -> tuple[Step, ...]:
    return (place,) if isinstance(place, Step) else tuple(step for step, _ in place.arms)


def _unused(chains: Mapping[str, Node], rules: Sequence[Rule]) -> Iterator[Problem]:
    used = {rule.route.name for rule in rules}
    for name, node in chains.items():
        if name not in used:
            yield node.problem(f"no rule uses chain '{name}'", "name it under route:, or remove it", at_key=True)


def _at(rule: Rule, message: str, hint: str) -> Problem:
    return Problem(rule.file, rule.mark.line, rule.mark.column, message, hint)
