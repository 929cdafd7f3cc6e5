"""What the alert rules read together: each kind by its own terms, and the rules on disk."""

from datetime import UTC, datetime

import pytest

from gateway.domain.alert import AlertKind, Fact
from gateway.domain.alerting import OfBudgets, OfMetric, OfRates, OfRules, Terms
from gateway.domain.metric import Sample
from gateway.domain.problem import Problem
from gateway.engine.alerts import gone, looks
from gateway.engine.incidents import Level, Quiet, Reading, Said, fold
from gateway.engine.looks import EVERYTHING, Counts, Sights
from tests.fakes.alert_rules import USD, alert_rule, standing

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIGHTS = Sights(
    NOON,
    budgets=[standing(60 * USD, NOON)],
    counts={300.0: {EVERYTHING: Counts(100, 50, 50)}},
    samples={"it": [Sample({}, 7.0)]},
    rejected=(Problem("a.yaml", 3, 5, "there is no model 'x'", "did you mean 'y'?"),),
    running="12-3f9a1c2",
)
KINDS: dict[AlertKind, Terms] = {
    AlertKind.BUDGET: OfBudgets(None, (1.0,), forecast=False),
    AlertKind.ERROR_RATE: OfRates(0.05, 300.0, 20, None, ()),
    AlertKind.FALLBACK_RATE: OfRates(0.05, 300.0, 20, None, ()),
    AlertKind.UNPRICED: OfMetric("rulegate_unpriced_requests_total", 0.0, window_s=3_600.0),
    AlertKind.LOG_DROPPED: OfMetric("rulegate_log_rows_dropped_total", 0.0, window_s=300.0),
    AlertKind.THRESHOLD: OfMetric("rulegate_in_flight_requests", 5.0),
    AlertKind.CONFIG_REJECTED: OfRules(),
}


@pytest.mark.parametrize(("kind", "terms"), KINDS.items())
def test_every_kind_that_is_built_fires_on_what_it_watches_and_on_nothing_else(kind: AlertKind, terms: Terms) -> None:
    (look,) = looks(alert_rule(kind, terms), SIGHTS)
    assert (look.reading.level, look.watch.kind, look.watch.alert) == (Level.FIRING, kind, "it")
    calm = Sights(NOON, budgets=[standing(0, NOON)], samples={"it": [Sample({}, 0.0)]})
    (look,) = looks(alert_rule(kind, terms), calm)
    assert look.reading.level is Level.OK


def rules_at(*problems: Problem, looked: bool = True) -> Reading:
    (look,) = looks(
        alert_rule(AlertKind.CONFIG_REJECTED, OfRules()),
        Sights(NOON, rejected=problems, looked=looked, running="12-3f9a1c2"),
    )
    return look.reading


def test_rejected_rules_are_told_with_their_problems() -> None:
    reading = rules_at(*[Problem("a.yaml", line, 5, "there is no model 'x'", "did you mean 'y'?") for line in range(7)])
    assert reading.summary == "The rules on disk are rejected (7 problems): generation 12-3f9a1c2 goes on running"
    assert reading.facts[0] == Fact("a.yaml:0", "there is no model 'x' (did you mean 'y'?)")
    assert [fact.label for fact in reading.facts[4:]] == ["a.yaml:4", "Problems", "Defined at"]
    assert reading.facts[5].value == "2 more: rulegate check"
    assert reading.data == {"running": "12-3f9a1c2", "problems": 7}
    assert rules_at(Problem(".", 1, 1, "no file")).summary.startswith("The rules on disk are rejected (1 problem)")
    assert rules_at().summary == "The rules on disk run: generation 12-3f9a1c2"


def test_before_anybody_looked_at_the_disk_nothing_is_said_of_it() -> None:
    """U-80: a start with the last good rules must not end the incident that is about those on disk."""
    assert rules_at(looked=False).level is Level.HOLD


def test_what_is_watched_no_longer_ends_at_once() -> None:
    rule = alert_rule(AlertKind.ERROR_RATE, KINDS[AlertKind.ERROR_RATE])
    (look,) = looks(rule, SIGHTS)
    opened = fold(look.watch, Quiet(), look.reading, Said(), NOON, "id")
    end = gone("it", AlertKind.ERROR_RATE, {})
    closed = fold(end.watch, opened.state, end.reading, Said(), NOON, "id-2")
    assert closed.state == Quiet()
    assert [event.alert.summary for event in closed.events] == ["Alert it is not watched any more"]
