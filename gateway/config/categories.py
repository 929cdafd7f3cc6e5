"""The `categories` section, and the shipped categories that it adds to."""

from collections.abc import Mapping

from gateway.config.conditions import RE2_HINT, compile_pattern
from gateway.config.node import Findings, Node
from gateway.domain.category import Category, Complexity, Pattern


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


LISTED_WEIGHT = 1.0
"""The weight of a word in a list; a map says its own."""


def _weighted(node: Node | None) -> list[tuple[str, float, Node]]:
    if node is None:
        return []
    if isinstance(node.value, Mapping):
        return [(text, float(weight.value), weight) for text, weight in node.items()]
    return [(each.value, LISTED_WEIGHT, each) for each in node]
