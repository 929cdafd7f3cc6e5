"""Which rules an edit of the files touched: those that decide otherwise, or send elsewhere, than they did."""

from collections.abc import Hashable, Mapping
from typing import assert_never

from gateway.domain.registry import Model
from gateway.domain.rule import AllOf, AnyOf, Condition, Leaf, Not, Route, Rule, Step
from gateway.domain.shift import Edit
from gateway.domain.snapshot import Snapshot


def edits(before: Snapshot, after: Snapshot, ts: float) -> list[Edit]:
    """Give an edit for each rule that is another one, is new, or is gone; a rule that only moved is the same."""
    old, new = ({rule.name: rule for rule in each.rules} for each in (before, after))
    generation = f"{before.label} -> {after.label}"
    found = [
        Edit(ts, name, generation, f"{rule.file}:{rule.mark.line}")
        for name, rule in new.items()
        if name not in old or _shape(rule, after.models) != _shape(old[name], before.models)
    ]
    return found + [Edit(ts, name, generation, rule.file) for name, rule in old.items() if name not in new]


def _shape(rule: Rule, models: Mapping[str, Model]) -> Hashable:
    asked = frozenset((name, models[name].upstream, models[name].provider) for name in _names(rule.route))
    route = repr((rule.route.places, rule.route.deadline_s, sorted(rule.route.fall_back_on), rule.route.hedge))
    return rule.priority, rule.mode, rule.tags, rule.affinity, _condition(rule.when), route, asked


def _names(route: Route) -> set[str]:
    return {
        step.model
        for place in route.places
        for step in ((place,) if isinstance(place, Step) else tuple(arm for arm, _ in place.arms))
    }


def _condition(when: Condition) -> Hashable:
    match when:
        case Leaf():
            return when.name, when.wanted
        case AllOf() | AnyOf():
            return type(when).__name__, tuple(map(_condition, when.parts))
        case Not():
            return "Not", _condition(when.part)
        case _:
            assert_never(when)
