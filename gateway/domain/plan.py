"""The Plan: what is known of a list of rules before any request comes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import Any

Places = tuple[int, ...]
"""Positions of rules, in the order in which they are tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Rules by what they ask of one feature: it must be one of the `keys`, or have one of them in it if it is `many`.

    `many` is a set of words; a text has many words as well, and says so itself.
    """

    feature: str
    places: Mapping[Any, Places]
    many: bool
    keys: frozenset[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", frozenset(self.places))


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Which rules a request has to look at, and which it may pass over unseen.

    Rules that ask for nothing that can be looked up stand in `always`; any other stands under all that it can do
    with. `singles` and `sets` are look-ups of features that every request has computed in the end, a single value
    each or a set. So are `above` and `below`, numbers that must reach a limit or not pass one: limits in ascending
    order, each with its rule. `later` are look-ups of other features, each with the position of its first rule: from
    there on the feature may be computed.
    """

    always: Places
    singles: tuple[tuple[str, Mapping[Any, Places]], ...]
    sets: tuple[Lookup, ...]
    above: tuple[tuple[str, tuple[float, ...], Places], ...]
    below: tuple[tuple[str, tuple[float, ...], Places], ...]
    later: tuple[tuple[int, Lookup], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is known of the rules of a snapshot.

    `auto` is the index for requests that leave the choice to the rules, `named` the one for those that name a model:
    rules that mention `model` nowhere are not in it. `kept` are the features, beside the standing ones, that a row
    keeps if they were computed, each with the position of the first rule that reads it. `private` are the positions
    of the rules with conditions on text or headers, each with its bits in the row of a request that passed it over;
    None where they have to be found out.
    """

    auto: Index
    named: Index
    kept: tuple[tuple[str, int], ...]
    private: tuple[tuple[int, str | None], ...]
    private_places: Places = field(init=False, repr=False)
    """The positions in `private`."""
    passed_over: tuple[str, ...] = field(init=False, repr=False)
    """The bits of the first so many private rules, all of them passed over; of as many as they are known of."""

    def __post_init__(self) -> None:
        known = takewhile(lambda bits: bits is not None, (bits for _, bits in self.private))
        object.__setattr__(self, "private_places", tuple(place for place, _ in self.private))
        object.__setattr__(self, "passed_over", tuple(accumulate(known, initial="")))
