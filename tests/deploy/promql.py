"""Which metrics an expression of PromQL asks for, and which labels its result has.

An expression is held to a catalogue of series: a metric that it does not have, a label that a metric does not have, a
value that a closed label never takes, or two sides that can never match are mistakes. All of them are given at once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

parser = pytest.importorskip(
    "promql_parser", reason="METRICS OF DASHBOARD AND ALERTS ARE NOT CHECKED: promql-parser is not installed"
)

SCRAPED = frozenset({"job", "instance"})
"""The labels that Prometheus adds to whatever it scrapes."""
SETS = frozenset({"and", "or", "unless"})


@dataclass(frozen=True)
class Catalogue:
    """What there is: the labels of each series by its name, and the values of those labels that have a closed list."""

    series: Mapping[str, frozenset[str]]
    values: Mapping[str, frozenset[str]]


@dataclass
class Reading:
    """What was found in one expression: its mistakes, and the series that it asks for."""

    catalogue: Catalogue
    mistakes: list[str] = field(default_factory=list)
    series: set[str] = field(default_factory=set)

    def labels(self, expression: Any) -> frozenset[str] | None:  # noqa: ANN401 - the parser's own nodes
        """Give the labels of the result, None for a number."""
        match type(expression).__name__:
            case "NumberLiteral" | "StringLiteral":
                return None
            case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                return self.labels(expression.expr)
            case "MatrixSelector":
                return self._selected(expression.vector_selector)
            case "VectorSelector":
                return self._selected(expression)
            case "Call":
                return self._called(expression)
            case "AggregateExpr":
                return self._aggregated(expression)
            case "BinaryExpr":
                return self._matched(expression)
            case unknown:
                raise AssertionError(f"an expression of a kind that is not known here: {unknown}")

    def _selected(self, selector: Any) -> frozenset[str]:  # noqa: ANN401 - the parser's own nodes
        self.series.add(selector.name)
        there = self.catalogue.series.get(selector.name)
        if there is None:
            self.mistakes.append(f"there is no {selector.name}")
            return SCRAPED
        for matcher in selector.matchers.matchers:
            if matcher.name not in there:
                self.mistakes.append(f"{selector.name} has no label {matcher.name}")
            elif matcher.value not in {"$" + matcher.name, ""} and matcher.name in self.catalogue.values:
                closed = self.catalogue.values[matcher.name]
                self.mistakes += [
                    f"{matcher.name} is never {value}" for value in matcher.value.split("|") if value not in closed
                ]
        return there

    def _called(self, call: Any) -> frozenset[str] | None:  # noqa: ANN401 - the parser's own nodes
        of = [self.labels(each) for each in call.args]
        labels = next((each for each in of if each is not None), None)
        if call.func.name == "absent":
            selector = call.args[0]
            return frozenset(each.name for each in selector.matchers.matchers if str(each.op).endswith("Equal"))
        if call.func.name == "histogram_quantile":
            assert labels is not None
            if "le" not in labels:
                self.mistakes.append("a quantile needs le")
            return labels - {"le"}
        return labels

    def _aggregated(self, aggregate: Any) -> frozenset[str]:  # noqa: ANN401 - the parser's own nodes
        of = self.labels(aggregate.expr) or frozenset()
        if aggregate.modifier is None:
            return frozenset()
        named = frozenset(aggregate.modifier.labels)
        self.mistakes += [f"nothing has the label {name} here" for name in sorted(named - of)]
        return named if str(aggregate.modifier.type).endswith("By") else of - named

    def _matched(self, binary: Any) -> frozenset[str] | None:  # noqa: ANN401 - the parser's own nodes
        left, right = self.labels(binary.lhs), self.labels(binary.rhs)
        if left is None or right is None:
            return right if left is None else left
        matching = binary.modifier.matching if binary.modifier else None
        if matching is not None:
            named = frozenset(matching.labels)
            self.mistakes += [f"not both sides have the label {name}" for name in sorted(named - (left & right))]
        elif left != right and str(binary.op) != "or":
            self.mistakes.append(f"sides with {sorted(left)} and {sorted(right)} never match")
        if str(binary.op) == "or":
            return left | right
        return left if str(binary.op) in SETS or matching is None else left & frozenset(matching.labels)


def read(text: str, catalogue: Catalogue) -> tuple[Reading, frozenset[str]]:
    """Give what an expression asks for, and the labels of its result; raises ValueError where it is none."""
    reading = Reading(catalogue)
    labels = reading.labels(parser.parse(text))
    return reading, labels or frozenset()


def plain(text: str) -> str:
    """Give a query of Grafana without the intervals that it fills in; its other variables stand in matchers."""
    return re.sub(r"\$__(rate_interval|interval|range)", "5m", text)


def legend(text: str) -> Iterator[str]:
    """Give the labels that a legend of Grafana or an annotation of an alert shows."""
    yield from re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text)
