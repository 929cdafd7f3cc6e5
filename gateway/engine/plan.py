"""Find out, once for all requests, which rules a request may pass over unseen and what its row keeps of them.

Most conditions say what a feature has to be: a category, a header, a word of the text. A rule with such a condition
needs a look only from requests with such a value, so that all rules on one feature cost one look-up together. Nothing
is decided here: a rule that is passed over would not have held, and would have had nothing computed but what is.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, assert_never

from gateway.domain.plan import Index, Lookup, Places, Plan
from gateway.domain.request import AUTO
from gateway.domain.rule import AllOf, AnyOf, Condition, Leaf, Not, Rule, leaves
from gateway.engine.features import STANDING, WORD_SETS, Features
from gateway.engine.reading import Reading

UNSEEN = "-"
"""The bit of a private condition that nothing hung on, so that nobody looked."""

Guard = frozenset[tuple[str, Any]]
"""Features with values, of which a request must have one for a condition to hold."""


def places_for(plan: Plan, features: Features) -> Iterator[int]:
    """Give the positions of all rules that may hold, in order; what is not asked for is not looked up."""
    index = plan.auto if features["model"] == AUTO else plan.named
    found: list[int] = []
    for feature, places in index.singles:
        found += places.get(features[feature], ())
    for lookup in index.sets:
        if not lookup.keys.isdisjoint(features[lookup.feature]):
            found += _found(lookup, features)
    for feature, limits, rules in index.above:
        if (number := features[feature]) is not None:
            found += rules[: bisect_right(limits, number)]
    for feature, limits, rules in index.below:
        if (number := features[feature]) is not None:
            found += rules[bisect_left(limits, number) :]
    ahead: Sequence[int] = sorted({*index.always, *found}) if found else index.always
    for start, lookup in index.later:
        here = bisect_left(ahead, start)
        yield from ahead[:here]
        ahead = ahead[here:]
        if found := _found(lookup, features):
            ahead = sorted({*ahead, *found})
    yield from ahead


def _found(lookup: Lookup, features: Features) -> list[int]:
    value = features[lookup.feature]
    members = value.words if isinstance(value, Reading) else value if lookup.many else {value}
    return [place for key in lookup.keys & members for place in lookup.places[key]]


def plan_of(rules: Sequence[Rule]) -> Plan:
    """Make the Plan of rules in the order in which they are tried."""
    guards = _chosen([_guards(rule) for rule in rules])
    mentioned = [position for position, rule in enumerate(rules) if not rule.implied]
    return Plan(
        auto=_index_of(rules, range(len(rules)), guards),
        named=_index_of(rules, mentioned, guards),
        kept=_kept(rules),
        private=tuple(
            (position, _bits_passed_over(rule, guard))
            for position, (rule, guard) in enumerate(zip(rules, guards, strict=True))
            if rule.private
        ),
    )


def _chosen(choices: Sequence[Sequence[Guard]]) -> list[Guard | None]:
    """Choose a guard for each rule: the one whose values the fewest rules ask for."""
    asked = Counter(value for guards in choices for guard in guards for value in guard)

    def crowd(guard: Guard) -> int:
        return sum(asked[value] for value in guard)

    return [min(guards, key=crowd, default=None) for guards in choices]


def _index_of(rules: Sequence[Rule], positions: Iterable[int], guards: Sequence[Guard | None]) -> Index:
    always: list[int] = []
    above: dict[str, list[tuple[float, int]]] = {}
    below: dict[str, list[tuple[float, int]]] = {}
    tables: dict[str, dict[Any, list[int]]] = {}
    first: dict[str, int] = {}
    for position in positions:
        guard = guards[position]
        if guard is not None:
            for feature, value in guard:
                first.setdefault(feature, position)
                tables.setdefault(feature, {}).setdefault(value, []).append(position)
        elif (limits := _limits(rules[position])) is not None:
            feature, (least, most) = limits
            side, limit = (above, least) if least > -inf else (below, most)
            side.setdefault(feature, []).append((limit, position))
        else:
            always.append(position)
    lookups = [
        Lookup(feature, {value: tuple(places) for value, places in table.items()}, many=feature in WORD_SETS)
        for feature, table in tables.items()
    ]
    at_once = [lookup for lookup in lookups if _at_hand(lookup.feature)]
    later = [(first[lookup.feature], lookup) for lookup in lookups if not _at_hand(lookup.feature)]
    return Index(
        always=tuple(always),
        singles=tuple((lookup.feature, lookup.places) for lookup in at_once if not lookup.many),
        sets=tuple(lookup for lookup in at_once if lookup.many),
        above=_by_limit(above),
        below=_by_limit(below),
        later=tuple(sorted(later, key=lambda each: each[0])),
    )


def _by_limit(limits: Mapping[str, list[tuple[float, int]]]) -> tuple[tuple[str, tuple[float, ...], Places], ...]:
    return tuple(
        (feature, tuple(limit for limit, _ in sorted(each)), tuple(place for _, place in sorted(each)))
        for feature, each in limits.items()
    )


def _limits(rule: Rule) -> tuple[str, tuple[float, float]] | None:
    """Give the first number at hand that a rule bounds, with its bounds; None after what has to be computed."""
    for part in rule.written:
        if not all(_at_hand(leaf.feature) for leaf in leaves(part)):
            return None
        if isinstance(part, Leaf) and part.bounds is not None:
            return part.feature, part.bounds
    return None


def _at_hand(feature: str) -> bool:
    """Say whether a request has a feature computed in the end, whatever its rules look at, or needs only to look."""
    return feature in _STANDING or feature.startswith(("header.", "metadata."))


_STANDING = frozenset({*STANDING, *WORD_SETS, "at"})


def _guards(rule: Rule) -> list[Guard]:
    """Give the guards of a rule that can be asked instead of the rule: both have the same features computed.

    Those are the conditions on features at hand that have no other before them, which are computed in any case. And
    it is the first condition, where the one feature that it needs computed is the first that it reads: to reach the
    rule is to compute it.
    """
    guards: list[Guard] = []
    for place, part in enumerate(rule.written):
        read = [leaf.feature for leaf in leaves(part)]
        needed = {feature for feature in read if not _at_hand(feature)}
        guard = _guard(part)
        if needed:
            asked = {feature for feature, _ in guard or ()}
            return [guard] if guard and place == 0 and needed == {read[0]} <= asked else guards
        if guard is not None:
            guards.append(guard)
    return guards


def _guard(condition: Condition) -> Guard | None:
    match condition:
        case Leaf():
            return None if condition.keys is None else frozenset((condition.feature, key) for key in condition.keys)
        case AllOf():
            guards = [guard for part in condition.parts if (guard := _guard(part)) is not None]
            return min(guards, key=len, default=None)
        case AnyOf():
            choices = [_guard(part) for part in condition.parts]
            known = [guard for guard in choices if guard is not None]
            return frozenset[tuple[str, Any]]().union(*known) if len(known) == len(choices) else None
        case Not():
            return None
        case _:
            assert_never(condition)


def _kept(rules: Sequence[Rule]) -> tuple[tuple[str, int], ...]:
    first: dict[str, int] = {}
    for position, rule in enumerate(rules):
        for leaf in rule.leaves:
            if not leaf.private and leaf.feature not in _STANDING:
                first.setdefault(leaf.feature, position)
    return tuple(first.items())


def _bits_passed_over(rule: Rule, guard: Guard | None) -> str | None:
    """Give the bits of a rule that its guard ruled out; None where they hang on more than that.

    Where the guard is the first thing that a rule asks, no more was looked at.
    """
    if guard is None:
        return None
    first, *rest = rule.written
    asked = first.parts if isinstance(first, AnyOf) else (first,)
    if _guard(first) != guard or not all(isinstance(part, Leaf) for part in asked):
        return None
    return "0" * sum(leaf.private for leaf in leaves(first)) + UNSEEN * sum(
        leaf.private for part in rest for leaf in leaves(part)
    )
