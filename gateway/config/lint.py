"""What a set of rules says that its writer may not have meant: warnings, never reasons to refuse it."""

from collections.abc import Mapping
from itertools import pairwise

from gateway.config.node import Node
from gateway.domain.problem import Problem
from gateway.domain.rule import AllOf, AnyOf, Condition, Leaf, Rule, Split, Step
from gateway.domain.words import Mode


def warnings_of(rules: tuple[Rule, ...], chains: Mapping[str, Node]) -> tuple[Problem, ...]:
    """Give all warnings for rules in the order in which they are tried."""
    live = [rule for rule in rules if rule.mode is Mode.LIVE]
    return tuple(
        sorted((*_shadowed(live), *_ties(live), *_no_catch_all(live), *_repeats(rules), *_unused(chains, rules)))
    )


def _shadowed(live: list[Rule]) -> list[Problem]:
    """A rule is dead when every request that it would take is taken by an earlier one."""
    found = []
    for position, rule in enumerate(live):
        cover = next((earlier for earlier in live[:position] if implies(rule.when, earlier.when)), None)
        if cover is not None:
            found.append(
                _at(
                    rule,
                    f"rule '{rule.name}' can never match: '{cover.name}' is tried first and takes all it would",
                    f"raise its priority above {cover.priority}, or remove it ({cover.file}:{cover.mark.line})",
                )
            )
    return found


def implies(narrow: Condition, wide: Condition) -> bool:
    """Say whether `wide` surely holds whenever `narrow` does. False means only that it cannot be seen from the text."""
    if _key(narrow) == _key(wide):
        return True
    match narrow, wide:
        case _, AllOf():
            return all(implies(narrow, part) for part in wide.parts)
        case AnyOf(), _:
            return bool(narrow.parts) and all(implies(part, wide) for part in narrow.parts)
        case AllOf(), _:
            return any(implies(part, wide) for part in narrow.parts) or _any_part(narrow, wide)
        case _, AnyOf():
            return _any_part(narrow, wide)
        case Leaf(), Leaf():
            return _narrower(narrow, wide)
        case _:
            return False


def _any_part(narrow: Condition, wide: Condition) -> bool:
    return isinstance(wide, AnyOf) and any(implies(narrow, part) for part in wide.parts)


def _key(condition: Condition) -> object:
    """Give what makes two conditions the same: what they read and what they want, not their compiled tests."""
    match condition:
        case Leaf():
            return (condition.feature, condition.wanted)
        case AllOf() | AnyOf():
            return (type(condition), tuple(_key(part) for part in condition.parts))
        case _:
            return (type(condition), _key(condition.part))


_BOUNDS = {"gt": (1, 1), "gte": (1, 0), "lt": (-1, 1), "lte": (-1, 0)}


def _narrower(narrow: Leaf, wide: Leaf) -> bool:
    """Compare two leaves on one feature: values against a list, a value or bound against a bound."""
    if narrow.feature != wide.feature or narrow.private:
        return False
    if (values := _values(narrow.wanted)) is not None:
        return (
            all(wide.test(value) for value in values)
            if narrow.feature not in ("has", "tags", "at")
            else _subset(values, wide)
        )
    bound, other = _bound(narrow.wanted), _bound(wide.wanted)
    if bound is None or other is None or bound[0] != other[0]:
        return False
    side, limit, strict = bound
    _, wide_limit, wide_strict = other
    return side * limit > side * wide_limit or (limit == wide_limit and strict >= wide_strict)


def _values(wanted: str) -> list[str] | None:
    """Give the words of a value or a list of values; None for operators and numbers."""
    words = wanted[1:-1].split(", ") if wanted.startswith("[") else [wanted]
    return words if all(word and word[0].isalpha() and " " not in word for word in words) else None


def _subset(values: list[str], wide: Leaf) -> bool:
    others = _values(wide.wanted)
    return others is not None and set(values) <= set(others)


def _bound(wanted: str) -> tuple[int, float, int] | None:
    word, _, limit = wanted.partition(" ")
    try:
        side, strict = _BOUNDS[word]
        return side, float(limit), strict
    except (KeyError, ValueError):
        return None


def _ties(live: list[Rule]) -> list[Problem]:
    """Rules of one priority that stand in different files are ordered by the files' names, which a rename changes."""
    found = []
    for earlier, rule in pairwise(live):
        if rule.priority == earlier.priority and rule.file != earlier.file:
            message = (
                f"rule '{rule.name}' has the priority of '{earlier.name}' in {earlier.file}: the file names decide"
            )
            found.append(_at(rule, message, "larger priorities are tried first; give one of them another"))
    return found


def _no_catch_all(live: list[Rule]) -> list[Problem]:
    if not live or any(_catches_all(rule.when) for rule in live):
        return []
    last = live[-1]
    message = "no rule is a catch-all: a request for 'auto' that no rule takes is refused with 404"
    return [_at(last, message, "add a rule without 'when' and with the lowest priority")]


def _catches_all(condition: Condition) -> bool:
    return isinstance(condition, AllOf) and all(
        isinstance(part, Leaf) and part.name == "model" and part.test("auto") for part in condition.parts
    )


def _repeats(rules: tuple[Rule, ...]) -> list[Problem]:
    """A model that stands in a chain twice is asked again after it has failed."""
    found = []
    for rule in rules:
        models = [place.model for place in rule.route.places if isinstance(place, Step)]
        twice = sorted({model for model in models if models.count(model) > 1})
        if twice:
            hint = f"for another try say {{model: {twice[0]}, tries: 2}}"
            found.append(_at(rule, f"the route of rule '{rule.name}' has model '{twice[0]}' twice", hint))
        if len(rule.route.places) == 1 and not isinstance(rule.route.places[0], Split) and rule.mode is Mode.LIVE:
            hint = "add a second model, so that a failure has somewhere to go"
            found.append(
                _at(rule, f"the route of rule '{rule.name}' has one step: nothing answers when it fails", hint)
            )
    return found


def _unused(chains: Mapping[str, Node], rules: tuple[Rule, ...]) -> list[Problem]:
    used = {rule.route.name for rule in rules}
    return [
        node.problem(f"no rule uses chain '{name}'", "name it under route:, or remove it", at_key=True)
        for name, node in chains.items()
        if name not in used
    ]


def _at(rule: Rule, message: str, hint: str) -> Problem:
    return Problem(rule.file, rule.mark.line, rule.mark.column, message, hint)
