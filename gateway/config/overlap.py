"""How conditions lie to each other: one implies another, excludes another, or can never hold.

Each answer is sound and none is complete: True is proved, False means only that it was not seen. The proofs go
feature by feature. What a condition says of a feature is asked of its own compiled test, at points that stand for
all values there are: the constants it compares with and, for numbers, what lies right above them or below them all.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, nextafter
from typing import Any, assert_never

from gateway.domain.category import Complexity
from gateway.domain.rule import AllOf, AnyOf, Condition, Leaf, Not
from gateway.domain.words import Prefer, Surface

_FINITE: dict[str, tuple[Any, ...]] = {
    "complexity": tuple(Complexity),
    "needs_reasoning": (True, False),
    "stream": (True, False),
    "surface": tuple(Surface),
    "prefer": tuple(Prefer),
}
_NUMBERS = frozenset({"confidence", "words", "characters", "estimated_tokens", "turns", "max_tokens"})
_TEXTS = frozenset({"category", "model", "caller", "team"})
_SETS = frozenset({"has", "tags"})
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s\[\],"]+')
_PATTERNS = frozenset({"glob", "regex"})
_ANOTHER = "\0"
"""A text that no condition names; the loader refuses the character."""
_DEEPEST = 12
"""Nested choices that are followed; without a limit the work doubles with each."""
_EXACT = 2**53
"""Below this size every whole number is a float."""


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A leaf, or its negation."""

    leaf: Leaf
    holds: bool

    @property
    def key(self) -> tuple[str, str, bool]:
        """Give what makes two literals the same: what they read and want, not their compiled tests."""
        return self.leaf.feature, self.leaf.wanted, self.holds

    def at(self, value: object) -> bool:
        """Say whether it holds for a value of its feature."""
        return bool(self.leaf.test(value)) is self.holds


@dataclass(frozen=True, slots=True, eq=False)
class Every:
    """Holds when all parts hold; none of them is an Every."""

    parts: "tuple[Literal | Some, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Some:
    """Holds when one part holds; with no parts it never does."""

    parts: "tuple[Every, ...]"


def shape_of(condition: Condition) -> Every:
    """Bring a condition to the shape that is compared: negations at the leaves, no `all` within an `all`."""
    return Every(tuple(_parts(condition, holds=True)))


def excludes(one: Every, other: Every) -> bool:
    """Say whether two conditions surely never hold together."""
    return impossible(Every((*one.parts, *other.parts)))


def least_of(every: Every, name: str) -> float:
    """Give a number that a feature surely reaches whenever the condition holds; 0 where none is seen."""
    of_name = tuple(each for each in _literals(every) if each.leaf.name == name)
    points = [point or 0.0 for point in _points(of_name) or () if all(each.at(point) for each in of_name)]
    choices = [part.parts for part in every.parts if isinstance(part, Some) and part.parts]
    bounds = [min(least_of(choice, name) for choice in some) for some in choices]
    return max(0.0, min(points, default=0.0), *bounds)


def words_held(every: Every, name: str) -> Iterator[frozenset[str]]:
    """Give sets of words of each of which a feature surely has one whenever the condition holds."""
    for part in every.parts:
        if isinstance(part, Literal) and part.holds and part.leaf.name == name and part.leaf.keys is not None:
            yield part.leaf.keys


def tells_apart(leaf: Leaf) -> bool:
    """Say whether a leaf lists values of a feature that has one value at a time, and says nothing else of it."""
    return (is_finite(leaf) or leaf.name in _TEXTS) and _PATTERNS.isdisjoint(_words(leaf))


def is_finite(leaf: Leaf) -> bool:
    """Say whether the feature of a leaf has a few values only, so that what it is not tells what it is."""
    return leaf.name in _FINITE


def demanded(every: Every) -> frozenset[str]:
    """Give the features that a condition surely looks at: none that leaves one of them out is seen to imply it."""
    return frozenset(part.leaf.feature for part in every.parts if isinstance(part, Literal))


def examples_of(every: Every) -> Mapping[str, tuple[Any, ...]]:
    """Give values of features at which the condition can hold, each alone; none where its choices hang together."""
    if any(isinstance(part, Some) for part in every.parts):
        return {}
    examples = {}
    for feature, same in _by_feature(every).items():
        if (points := _points(same)) is not None:
            values = (*points, *map(_below, points)) if same[0].leaf.name in _NUMBERS else points
            examples[feature] = tuple(value for value in values if all(each.at(value) for each in same))
    return examples


def spans_of(every: Every) -> Mapping[str, tuple[float, float]]:
    """Give bounds of the numbers that the condition leaves a feature; two that lie apart exclude each other."""
    spans: dict[str, tuple[float, float]] = {}
    for literal in _literals(every):
        leaf = literal.leaf
        if leaf.bounds is not None and literal.holds and all(abs(limit) < _EXACT for limit in _limits(leaf.wanted)):
            low, high = spans.get(leaf.feature, (-inf, inf))
            spans[leaf.feature] = max(low, leaf.bounds[0]), min(high, leaf.bounds[1])
    return spans


def _below(point: Any) -> Any:  # noqa: ANN401 - a feature value
    return None if point is None else nextafter(point, -inf)


def holds_at(every: Every, examples: Mapping[str, tuple[Any, ...]]) -> bool:
    """Say whether what the condition demands of features holds for all values that are given of them."""
    return all(
        part.at(value)
        for part in every.parts
        if isinstance(part, Literal)
        for value in examples.get(part.leaf.feature, ())
    )


def _parts(condition: Condition, *, holds: bool) -> Iterator[Literal | Some]:
    """Give parts that hold together exactly when the condition does, or does not."""
    match condition:
        case Leaf():
            yield Literal(condition, holds)
        case Not():
            yield from _parts(condition.part, holds=not holds)
        case AllOf() | AnyOf():
            if isinstance(condition, AllOf) is holds:
                for part in condition.parts:
                    yield from _parts(part, holds=holds)
            else:
                yield Some(tuple(Every(tuple(_parts(part, holds=holds))) for part in condition.parts))
        case _:
            assert_never(condition)


def implies(narrow: Every, wide: Every, deep: int = 0) -> bool:
    """Say whether `wide` surely holds whenever `narrow` does; `deep` counts how far down the comparison is."""
    if deep > _DEEPEST:
        return False
    return all(_gives(narrow, part, deep) or _each_choice_gives(narrow, part, deep) for part in wide.parts)


def _gives(narrow: Every, part: Literal | Some, deep: int) -> bool:
    if isinstance(part, Some):
        return any(implies(narrow, choice, deep + 1) for choice in part.parts)
    same = tuple(each for each in _literals(narrow) if each.leaf.feature == part.leaf.feature)
    return bool(same) and _proves(same, part)


def _each_choice_gives(narrow: Every, part: Literal | Some, deep: int) -> bool:
    """Go through the ways in which one of the choices of `narrow` can be met: each of them must do."""
    wanted, known = Every((part,)), _literals(narrow)
    choices = (each.parts for each in narrow.parts if isinstance(each, Some))
    return any(all(implies(Every((*known, *choice.parts)), wanted, deep + 1) for choice in some) for some in choices)


def _literals(every: Every) -> tuple[Literal, ...]:
    return tuple(part for part in every.parts if isinstance(part, Literal))


def impossible(every: Every) -> bool:
    """Say whether a condition surely never holds."""
    literals = _literals(every)
    if any(_empty(same) for same in _by_feature(every).values()):
        return True
    choices = (part for part in every.parts if isinstance(part, Some))
    return any(all(impossible(Every((*literals, *choice.parts))) for choice in some.parts) for some in choices)


def _by_feature(every: Every) -> dict[str, list[Literal]]:
    by_feature: dict[str, list[Literal]] = {}
    for literal in _literals(every):
        by_feature.setdefault(literal.leaf.feature, []).append(literal)
    return by_feature


def _empty(literals: Sequence[Literal]) -> bool:
    """Say whether literals on one feature surely never hold together."""
    wanted = {(each.leaf.wanted, each.holds) for each in literals}
    if any((text, not holds) in wanted for text, holds in wanted):
        return True
    points = _points(literals)
    return points is not None and not any(all(each.at(point) for each in literals) for point in points)


def _proves(narrow: tuple[Literal, ...], wide: Literal) -> bool:
    """Say whether literals on one feature, all of them, surely give another literal on it."""
    if any(each.key == wide.key for each in narrow):
        return True
    if wide.leaf.name in _SETS:
        return any(_set_proves(each, wide) for each in narrow)
    points = _points((*narrow, wide), bounding=narrow)
    return points is not None and all(wide.at(point) for point in points if all(each.at(point) for each in narrow))


def _set_proves(narrow: Literal, wide: Literal) -> bool:
    """Compare leaves that hold as soon as one member of a set fits."""
    if narrow.holds is not wide.holds:
        return False
    small, large = (narrow.leaf, wide.leaf) if wide.holds else (wide.leaf, narrow.leaf)
    words = _words(small)
    members = (frozenset({word}) for word in words)
    return _PATTERNS.isdisjoint(words) and all(large.test(member) for member in members if small.test(member))


def _points(literals: Sequence[Literal], bounding: Sequence[Literal] = ()) -> tuple[Any, ...] | None:
    """Give values of which every value of the feature is like one, for all of these literals; None if unknown.

    A pattern tells texts apart that no list of them stands for. It may be among the literals when `bounding` ones
    without a pattern hold for the texts they name alone: then those texts are all there is to look at.
    """
    if not literals or literals[0].leaf.private:
        return () if not literals else None
    name = literals[0].leaf.name
    if name in _FINITE:
        return _FINITE[name]
    if name in _NUMBERS:
        return _numbers(literals, may_lack=name == "max_tokens")
    if name not in _TEXTS:
        return None
    words = {word for each in literals for word in _words(each.leaf)}
    listed = [each for each in bounding or literals if _PATTERNS.isdisjoint(_words(each.leaf))]
    if any(not each.at(_ANOTHER) for each in listed):
        return tuple(words)
    return (*words, _ANOTHER) if _PATTERNS.isdisjoint(words) else None


def _numbers(literals: Sequence[Literal], *, may_lack: bool) -> tuple[Any, ...] | None:
    limits = {limit for each in literals for limit in _limits(each.leaf.wanted)}
    if any(abs(limit) >= _EXACT for limit in limits):
        return None
    above = {nextafter(limit, inf) for limit in limits}
    return (-inf, *sorted(limits | above), *((None,) if may_lack else ()))


@lru_cache(maxsize=4096)
def _limits(wanted: str) -> frozenset[float]:
    limits = set()
    for token in _TOKEN.findall(wanted):
        try:
            limits.add(float(token))
        except ValueError:
            continue  # the name of an operator
    return frozenset(limits)


def _words(leaf: Leaf) -> frozenset[str]:
    """Give every text that a leaf compares with; the names of operators among them do no harm."""
    return _texts(leaf.wanted)


@lru_cache(maxsize=4096)
def _texts(wanted: str) -> frozenset[str]:
    return frozenset(json.loads(token) if token[0] == '"' else token for token in _TOKEN.findall(wanted))
