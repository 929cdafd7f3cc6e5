"""What alerts on metrics promise: every series against its bound, under its own labels."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.alert import AlertKind, Fact, Phase
from gateway.domain.alerting import OfMetric
from gateway.domain.metric import LOG_ROWS_DROPPED, UNPRICED_REQUESTS, Sample
from gateway.engine.alert_metrics import looks, series
from gateway.engine.incidents import Level
from gateway.engine.looks import Look, Sights
from tests.fakes.alert_rules import Folder, alert_rule

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUSY = OfMetric("rulegate_in_flight_requests", 100.0)
RESTING = OfMetric("rulegate_model_state", 0.0, labels={"state": frozenset({"cooling", "degraded"})})


def look_at(terms: OfMetric, *samples: Sample, kind: AlertKind = AlertKind.THRESHOLD) -> list[Look]:
    return list(
        looks(alert_rule(kind, terms), terms, Sights(NOON, samples={"it": samples, "other": [Sample({}, 9e9)]}))
    )


@pytest.mark.parametrize(
    ("terms", "value", "level"),
    [
        (BUSY, 100.0, Level.OK),
        (BUSY, 100.5, Level.FIRING),
        (replace(BUSY, below=True), 100.0, Level.OK),
        (replace(BUSY, below=True), 99.5, Level.FIRING),
    ],
)
def test_a_value_beyond_its_bound_fires(terms: OfMetric, value: float, level: Level) -> None:
    (look,) = look_at(terms, Sample({}, value))
    assert look.reading.level is level


def test_the_series_that_are_asked_for_are_looked_at_under_their_labels() -> None:
    samples = [
        Sample({"model": model, "state": state}, float(state == "cooling"))
        for model in ("gpt", "haiku")
        for state in ("ok", "cooling", "degraded")
    ]
    found = {(*look.watch.scope.values(),): look.reading.level for look in look_at(RESTING, *samples)}
    assert found == {
        ("gpt", "cooling"): Level.FIRING,
        ("gpt", "degraded"): Level.OK,
        ("haiku", "cooling"): Level.FIRING,
        ("haiku", "degraded"): Level.OK,
    }


SUMMARIES = [
    (AlertKind.THRESHOLD, BUSY, Sample({}, 212.0), "rulegate_in_flight_requests is 212"),
    (
        AlertKind.THRESHOLD,
        OfMetric("rulegate_store_failures_total", 0.0, window_s=300.0),
        Sample({"store": "log"}, 3.0),
        'rulegate_store_failures_total{store="log"} grew by 3 in the last 5 min',
    ),
    (
        AlertKind.LOG_DROPPED,
        OfMetric(LOG_ROWS_DROPPED, 0.0, window_s=300.0),
        Sample({}, 1_200.0),
        "1,200 log rows were given up in the last 5 min",
    ),
    (
        AlertKind.UNPRICED,
        OfMetric(UNPRICED_REQUESTS, 0.0, window_s=3_600.0),
        Sample({}, 2.0),
        "2 requests of the last 1 h were answered by a model that their price is not of",
    ),
]


@pytest.mark.parametrize(("kind", "terms", "sample", "said"), SUMMARIES)
def test_each_kind_has_its_words(kind: AlertKind, terms: OfMetric, sample: Sample, said: str) -> None:
    (look,) = look_at(terms, sample, kind=kind)
    assert (look.reading.summary, look.reading.level) == (said, Level.FIRING)


def test_the_message_says_the_series_and_its_bound() -> None:
    (look,) = look_at(replace(RESTING, below=True, bound=1.0), Sample({"state": "cooling", "model": "gpt"}, 0.0))
    assert look.reading.facts == (
        Fact("Metric", 'rulegate_model_state{model="gpt",state="cooling"}'),
        Fact("Alerts below", "1"),
        Fact("Defined at", "alerts.yaml:7"),
    )
    assert look.reading.data == {"metric": "rulegate_model_state", "value": 0.0, "below": 1.0, "window_s": None}
    assert series("rulegate_in_flight_requests", {}) == "rulegate_in_flight_requests"


def test_a_gauge_must_be_within_its_bound_for_a_minute_a_counter_for_its_window() -> None:
    """U-80: what wavers about its bound is one incident."""
    folder, terms = Folder(), BUSY
    for after_s, value in ((0, 101.0), (30, 99.0), (60, 101.0), (90, 99.0), (149, 99.0)):
        at = NOON + timedelta(seconds=after_s)
        folder.see(
            looks(alert_rule(AlertKind.THRESHOLD, terms), terms, Sights(at, samples={"it": [Sample({}, value)]})), at
        )
    assert [alert.phase for alert in folder.said] == [Phase.FIRING]
    at = NOON + timedelta(seconds=150)
    folder.see(looks(alert_rule(AlertKind.THRESHOLD, terms), terms, Sights(at, samples={"it": [Sample({}, 99.0)]})), at)
    assert [alert.phase for alert in folder.said] == [Phase.FIRING, Phase.RESOLVED]
    (look,) = look_at(replace(BUSY, window_s=900.0), Sample({}, 1.0))
    assert look.watch.clear_for_s == 900.0
    patient = replace(alert_rule(AlertKind.THRESHOLD, BUSY), for_s=600.0)
    (look,) = looks(patient, BUSY, Sights(NOON, samples={"it": [Sample({}, 1.0)]}))
    assert (look.watch.for_s, look.watch.clear_for_s) == (600.0, 600.0)


def test_answers_without_a_price_are_told_with_who_was_asked_and_who_answered() -> None:
    """U-67: a few by name, the rest by number; all of them for machines."""
    terms = OfMetric(UNPRICED_REQUESTS, 0.0, window_s=3_600.0)
    unpriced = {"large": "up-9", "mini": "gpt-4o-2024-05-13", "nano": "x", "small": "y", "twin": "z"}
    sights = Sights(NOON, samples={"it": [Sample({}, 7.0)]}, unpriced=unpriced)
    (look,) = looks(alert_rule(AlertKind.UNPRICED, terms), terms, sights)
    assert look.reading.summary.endswith(": large by up-9, mini by gpt-4o-2024-05-13, nano by x, 2 more")
    assert look.reading.data["answered_by"] == unpriced
    (other,) = looks(alert_rule(AlertKind.LOG_DROPPED, terms), terms, sights)
    assert "answered_by" not in other.reading.data
