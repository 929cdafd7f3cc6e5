"""Which pairs of rules are worth comparing, so that a thousand rules need not be compared with each other one by one.

Both indexes leave out only rules of which `gateway.config.overlap` would say nothing: the first those that it would
not see implied, the second those that it would see excluded.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from gateway.config.overlap import Every, Literal, Some, is_finite, spans_of, tells_apart

Token = tuple[str, Any]
"""What a literal says of its feature: that it is a value, is not a value, or, of text and headers, its very words."""
_ANYTHING: Token = ("says", None)
"""What a literal says that is nothing of these."""
_IS, _IS_NOT = "is", "is not"


class Implied:
    """Conditions by what another has to say of some feature to imply them."""

    def __init__(self) -> None:
        self._count = 0
        self._always: list[int] = []
        self._places: dict[str, dict[Token, list[int]]] = {}

    def add(self, shape: Every) -> None:
        """Take in the next condition; their places count from zero."""
        anchor = self._anchor(shape)
        if anchor is None:
            self._always.append(self._count)
        for feature, token in anchor or ():
            self._places.setdefault(feature, {}).setdefault(token, []).append(self._count)
        self._count += 1

    def by(self, shape: Every) -> list[int]:
        """Give the places of all conditions that may be seen to follow from one, in order."""
        said: dict[str, list[Literal]] = {}
        for literal in _literals_within(shape):
            said.setdefault(literal.leaf.feature, []).append(literal)
        found = {*self._always}
        for feature, literals in said.items():
            places = self._places.get(feature, {})
            for token in _answered_by(literals, places.keys()):
                found.update(places[token])
        return sorted(found)

    def _anchor(self, every: Every) -> frozenset[tuple[str, Token]] | None:
        """Give what a condition must say one of to imply this, the least common where there is a choice.

        None where it may be something else.
        """
        anchors = [anchor for part in every.parts if (anchor := self._anchor_of(part)) is not None]
        return min(anchors, key=self._crowd, default=None)

    def _anchor_of(self, part: Literal | Some) -> frozenset[tuple[str, Token]] | None:
        if isinstance(part, Literal):
            return frozenset((part.leaf.feature, token) for token in _tokens(part))
        anchors = [self._anchor(choice) for choice in part.parts]
        known = [anchor for anchor in anchors if anchor is not None]
        return frozenset[tuple[str, Token]]().union(*known) if len(known) == len(anchors) else None

    def _crowd(self, anchor: frozenset[tuple[str, Token]]) -> int:
        return sum(len(self._places.get(feature, {}).get(token, ())) for feature, token in anchor)


def _tokens(literal: Literal) -> frozenset[Token]:
    """Give what a literal says; one that it shares with another is needed for one to imply the other.

    That is but for what `_answered_by` adds.
    """
    leaf = literal.leaf
    if leaf.private:
        return frozenset({("says", (leaf.wanted, literal.holds))})
    if leaf.keys is None or not (leaf.keys or literal.holds):
        return frozenset({_ANYTHING})
    return frozenset((_IS if literal.holds else _IS_NOT, key) for key in leaf.keys)


def _answered_by(literals: list[Literal], there: AbstractSet[Token]) -> AbstractSet[Token]:
    """Choose from what others need to have said of a feature what literals on it may amount to."""
    said = {token for literal in literals for token in _tokens(literal)}
    if _ANYTHING in said or is_finite(literals[0].leaf):
        return there
    is_something = any(kind == _IS for kind, _ in said)
    others = {token for token in there if token[0] == _IS_NOT} if is_something else set()
    return ({_ANYTHING} | said | others) & there


def _literals_within(every: Every) -> Iterator[Literal]:
    for part in every.parts:
        if isinstance(part, Literal):
            yield part
        else:
            for choice in part.parts:
                yield from _literals_within(choice)


class Compatible:
    """Conditions by the values that they leave a feature, to find those that may hold beside another."""

    def __init__(self) -> None:
        self._spans: list[Mapping[str, tuple[float, float]]] = []
        self._with: dict[str, dict[Any, list[int]]] = {}
        self._without: dict[str, list[int]] = {}

    def add(self, shape: Every) -> None:
        """Take in the next condition; their places count from zero."""
        place = len(self._spans)
        values = _values(shape)
        for feature, keys in values.items():
            self._without.setdefault(feature, [*range(place)])
            places = self._with.setdefault(feature, {})
            for key in keys:
                places.setdefault(key, []).append(place)
        for feature in self._without.keys() - values.keys():
            self._without[feature].append(place)
        self._spans.append(spans_of(shape))

    def beside(self, shape: Every) -> Iterator[int]:
        """Give the places of all conditions that are not plainly excluded by one, in order."""
        choices: list[Sequence[int]] = [range(len(self._spans))]
        for feature, keys in _values(shape).items():
            if feature in self._without:
                there = self._with[feature]
                shared = {place for key in keys for place in there.get(key, ())}
                choices.append(sorted(shared.union(self._without[feature])))
        spans = spans_of(shape)
        return (place for place in min(choices, key=len) if _meet(spans, self._spans[place]))


def _meet(some: Mapping[str, tuple[float, float]], others: Mapping[str, tuple[float, float]]) -> bool:
    return all(
        low <= others[feature][1] and others[feature][0] <= high
        for feature, (low, high) in some.items()
        if feature in others
    )


def _values(shape: Every) -> dict[str, frozenset[Any]]:
    """Give the values that a condition leaves each feature of which two different values exclude each other."""
    values: dict[str, frozenset[Any]] = {}
    for part in shape.parts:
        if isinstance(part, Literal) and part.holds and part.leaf.keys is not None and tells_apart(part.leaf):
            values[part.leaf.feature] = values.get(part.leaf.feature, part.leaf.keys) & part.leaf.keys
    return values
