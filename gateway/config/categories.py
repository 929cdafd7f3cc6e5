"""The `categories` section, and the shipped categories that it adds to."""

from collections.abc import Mapping, Sequence

import re2

from gateway.config.conditions import RE2_HINT, compile_pattern, pattern_options
from gateway.config.node import Findings, Node
from gateway.domain.category import Category, Complexity, Pattern
from gateway.engine.classify import Scanner


def category_of(name: str, node: Node, findings: Findings) -> Category:
    """Compile an entry of `categories`; without a complexity it is medium."""
    patterns: list[tuple[str, Pattern, float]] = []
    for written, weight, place in _weighted(node.get("patterns")):
        try:
            patterns.append((written, compile_pattern(written, any_case=True), weight))
        except ValueError as error:
            findings.add(place.problem(f"'{written}': {error}", RE2_HINT))
    return Category(
        name=name,
        complexity=Complexity(node["complexity"].value) if "complexity" in node.value else Complexity.MEDIUM,
        needs_reasoning=bool(node["needs_reasoning"].value) if "needs_reasoning" in node.value else False,
        keywords={word: weight for word, weight, _ in _weighted(node.get("keywords"))},
        patterns=tuple(patterns),
    )


def all_at_once(patterns: Sequence[Pattern]) -> Scanner:
    """Make a scanner that looks for all patterns of the categories in one pass over a text."""
    together = re2.Set.SearchSet(pattern_options(any_case=True, most_bytes=_SET_BYTES))
    for pattern in patterns:
        together.Add(pattern.pattern)  # type: ignore[attr-defined] # what compile_pattern gives has its text
    if not patterns:
        return lambda _: ()
    together.Compile()
    return lambda text: together.Match(text.encode()) or ()  # None stands for none


_SET_BYTES = 64 * 1024 * 1024
"""What the automaton of all patterns together may grow to; it grows with the texts that it sees."""

LISTED_WEIGHT = 1.0
"""The weight of a word in a list; a map says its own."""


def _weighted(node: Node | None) -> list[tuple[str, float, Node]]:
    if node is None:
        return []
    if isinstance(node.value, Mapping):
        return [(text, float(weight.value), weight) for text, weight in node.items()]
    return [(each.value, LISTED_WEIGHT, each) for each in node]
