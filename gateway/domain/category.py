"""Categories: what kind of work a prompt asks for, as nouns.

A category is written as weighted words, phrases and patterns. This file holds what was written and what
came out; `gateway.engine.classify` decides.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

UNSURE = "unsure"
"""The category of a prompt that holds no evidence, or as much evidence for one category as for another."""


class Complexity(StrEnum):
    """How much of a model a prompt needs: the word used in rules, rows and explanations."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Pattern(Protocol):
    """A compiled pattern of `re2` or `re`; whoever compiled it vouches that it takes linear time."""

    def search(self, text: str, /) -> object | None:
        """Give something if the pattern holds anywhere in the text, else nothing."""


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of work and the evidence for it.

    `keywords` maps words and phrases to weights; `patterns` holds the pattern as it was written, the same
    compiled, and its weight. Weights are points of evidence: 1 is a hint, 3 usually decides, and a
    negative one speaks against the category.
    """

    name: str
    complexity: Complexity
    needs_reasoning: bool
    keywords: Mapping[str, float]
    patterns: tuple[tuple[str, Pattern, float], ...] = ()


Votes = tuple[tuple[str, float], ...]
"""Names of categories, each with the weight that a piece of evidence has there."""
Evidence = tuple[str, Votes]
"""A word, phrase or pattern, with its votes: where it stands at an edge of a text they count more."""
Anchored = tuple[str, str, Evidence, Evidence]
"""A phrase in the form `" two words "`, its second longest word or nothing, and what it is evidence of: where it stands
at an edge of the text, and elsewhere."""

DECIDING_SHOWN = 8
"""How much of what spoke for a category is told."""


class Classification(Struct, frozen=True, gc=False):
    """The category of one prompt, how sure that is, and why.

    `confidence` is in 0..1 and is 0 for `unsure`. `scores` has the points of each category that something spoke for
    or against. `evidence` is all that was found, in any order.
    """

    category: str
    confidence: float
    scores: Mapping[str, float]
    evidence: tuple[Evidence, ...] = ()

    @property
    def deciding(self) -> tuple[tuple[str, float], ...]:
        """The words, phrases and patterns that spoke for the category with the points each gave, strongest first."""
        spoke = [
            (phrase.strip(), weight)
            for phrase, votes in self.evidence
            for category, weight in votes
            if category == self.category and weight > 0
        ]
        return tuple(sorted(spoke, key=lambda item: (-item[1], item[0]))[:DECIDING_SHOWN])


class Demand(Struct, frozen=True, gc=False):
    """What a text alone says: its part of the score, without length and category, and whether it asks for a proof."""

    share: float
    asks_reasoning: bool


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Categories, indexed by what speaks for them; two tables are the same only when they are one object.

    `anchors` maps a word to the phrases of which it is the longest word. `substrings` are the phrases of scripts
    without spaces, with what they are evidence of, as in `Anchored`.
    """

    categories: tuple[Category, ...]
    anchors: Mapping[str, tuple[Anchored, ...]]
    substrings: tuple[tuple[str, Evidence, Evidence], ...]
    patterns: tuple[Evidence, ...]
    matching: Callable[[str], Iterable[int]]
    """Gives the positions in `patterns` of those that hold in a case-folded text."""
    words: frozenset[str] = field(init=False, repr=False)
    """The words of `anchors`."""
    by_name: Mapping[str, Category] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozenset(self.anchors))
        object.__setattr__(self, "by_name", {category.name: category for category in self.categories})

    def named(self, name: str) -> Category | None:
        """Give the category of that name; `unsure` has none."""
        return self.by_name.get(name)
