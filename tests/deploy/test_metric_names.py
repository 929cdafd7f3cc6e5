"""Dashboard, alerts and recording rules ask only for metrics and labels that docs/metrics.md lists.

That page is held to what the daemon exports by tests/adapters/test_metrics.py.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.promql import SCRAPED, Catalogue, legend, plain, read
from tests.deploy.shipped import DEPLOY, ROOT, loaded

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<name>rulegate_\w+)` \| (?P<kind>\w+) \|(?P<labels>[^|]*)\|", re.MULTILINE)
CLOSED = re.compile(r"^\| `(?P<label>\w+)` \| (?P<values>`.*) \|$", re.MULTILINE)
OPEN = frozenset({"rule", "model", "category"})
"""Labels whose values come from the rule files."""


def words(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", cell))


DOCUMENTED = {row["name"]: (row["kind"], words(row["labels"])) for row in ROW.finditer(PAGE)}


def catalogue() -> Catalogue:
    """Give the series of the page and the coming ones, of the recording rules, and `up`."""
    series = {"up": SCRAPED}
    for name, (kind, labels) in DOCUMENTED.items():
        if kind == "histogram":
            series[f"{name}_bucket"] = labels | SCRAPED | {"le"}
            series[f"{name}_sum"] = series[f"{name}_count"] = labels | SCRAPED
        else:
            series[name] = labels | SCRAPED
    values = {row["label"]: words(row["values"]) for row in CLOSED.finditer(PAGE) if row["label"] not in OPEN}
    for rule in rules("recording.yml"):
        series[rule["record"]] = read(rule["expr"], Catalogue(series, values))[1]
    return Catalogue(series, values)


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in loaded(f"prometheus/rules/{name}")["groups"] for rule in group["rules"]]


DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "rulegate.json").read_text(encoding="utf-8"))


def queries() -> Iterator[tuple[str, str, str]]:
    """Give where each expression stands, the expression, and the text that shows its labels."""
    for rule in rules("recording.yml"):
        yield rule["record"], rule["expr"], ""
    for rule in rules("alerts.yml"):
        name = f"{rule['alert']} {rule['labels']['severity']}"
        yield name, rule["expr"], " ".join(rule["annotations"].values()).replace("{{ $value", "")
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"], target["legendFormat"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"], ""
    for variable in DASHBOARD["templating"]["list"]:
        if found := re.fullmatch(r"label_values\((.+), (\w+)\)", variable.get("definition", "")):
            yield variable["name"], found[1], f"{{{{{found[2]}}}}}"


QUERIES = list(queries())
THERE = catalogue()


@pytest.mark.parametrize(("expression", "shown"), [each[1:] for each in QUERIES], ids=[each[0] for each in QUERIES])
def test_an_expression_asks_for_what_there_is(expression: str, shown: str) -> None:
    """U-106: metrics, labels, the values of closed labels; sides that can match; and labels of the result in words."""
    reading, labels = read(plain(expression), THERE)
    assert reading.mistakes == []
    assert set(legend(shown)) <= labels


def test_the_page_was_read() -> None:
    assert len(DOCUMENTED) == len(re.findall(r"^\| `rulegate_", PAGE, re.MULTILINE)) > 15
    assert {"outcome", "failure", "state", "reason", "type", "store", "surface"} <= THERE.values.keys()


MISTAKES = {
    "a metric": ("rate(rulegate_request_total[5m])", "there is no rulegate_request_total"),
    "a bucket of a counter": ("rate(rulegate_requests_total_bucket[5m])", "there is no rulegate_requests_total_bucket"),
    "a label": ('rulegate_in_flight_requests{rule="x"}', "rulegate_in_flight_requests has no label rule"),
    "a value": ('rulegate_requests_total{outcome="errored"}', "outcome is never errored"),
    "one of several values": ('rulegate_requests_total{outcome=~"failed|broken"}', "outcome is never broken"),
    "a label to add up by": ("sum by (provider) (rulegate_cost_usd_total)", "nothing has the label provider here"),
    "a label that was added up": (
        "sum by (model) (sum by (rule) (rulegate_cost_usd_total))", "nothing has the label model here"),
    "a quantile without edges": (
        "histogram_quantile(0.9, sum(rate(rulegate_overhead_seconds_bucket[5m])))", "a quantile needs le"),
    "sides that never match": (
        "sum(rulegate_cost_usd_total) / rulegate_in_flight_requests",
        "sides with [] and ['instance', 'job'] never match"),
    "sides that match by what one has": (
        "rulegate_in_flight_requests and on (rule) rulegate_cost_usd_total", "not both sides have the label rule"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str) -> None:
    """Guards the reading: without it the tests above would pass whatever stood there."""
    expression, mistake = MISTAKES[name]
    reading, _ = read(expression, THERE)
    assert reading.mistakes == [mistake]
