"""Categories: what kind of work a prompt asks for, as nouns.

A category is written as weighted words, phrases and patterns. This file holds what was written and what
came out; `gateway.engine.classify` decides.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

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


@dataclass(frozen=True, slots=True)
class Classification:
    """The category of one prompt, how sure that is, and why.

    `confidence` is in 0..1 and is 0 for `unsure`. `scores` has the points of every category of the table.
    `deciding` holds the words, phrases and patterns that spoke for the winner with the points each gave,
    strongest first; it is empty for `unsure`.
    """

    category: str
    confidence: float
    scores: Mapping[str, float]
    deciding: tuple[tuple[str, float], ...]


Votes = tuple[tuple[int, float], ...]
"""Positions of categories in the table, each with the weight that a piece of evidence has there."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Categories, indexed by what speaks for them; two tables are the same only when they are one object.

    `votes` maps a single word, a phrase in the form `" two words "` or a substring to its weights. `anchors`
    maps a word to the phrases of which it is the longest word, each with its second longest, or nothing.
    `substrings` are the phrases of scripts without spaces.
    """

    categories: tuple[Category, ...]
    votes: Mapping[str, Votes]
    anchors: Mapping[str, tuple[tuple[str, str], ...]]
    substrings: tuple[str, ...]
    patterns: tuple[tuple[str, Votes], ...]
    matching: Callable[[str], Iterable[int]]
    """Gives the positions in `patterns` of those that hold in a case-folded text."""

    def named(self, name: str) -> Category | None:
        """Give the category of that name; `unsure` has none."""
        return next((category for category in self.categories if category.name == name), None)
