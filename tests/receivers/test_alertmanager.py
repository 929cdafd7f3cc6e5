"""What the two formats of Alertmanager promise: labels are the identity, and every label set that fired also ends."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from gateway.domain.alert import Alert, ReceiverKind, Severity
from gateway.receivers.alertmanager import NEVER, endpoint, fingerprint, label_name, post_as_webhook, post_to_api
from gateway.receivers.text import rfc3339
from tests.fakes.alerts import ESCALATED, FIRING, NOW, RESOLVED, SAMPLE, alerts, sending

API, WEBHOOK = ReceiverKind.ALERTMANAGER_API, ReceiverKind.ALERTMANAGER_WEBHOOK
Labels = dict[str, str]


def entries_of(alert: Alert, at: timedelta = timedelta()) -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(post_to_api(alert, sending(API, NOW + at)).body)


def body_of(alert: Alert) -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(post_as_webhook(alert, sending(WEBHOOK)).body)


def test_a_firing_alert_lives_for_a_while_and_is_sent_again_long_before() -> None:
    """Alertmanager takes an alert that it does not hear of for resolved."""
    (entry,) = entries_of(FIRING)
    assert entry["endsAt"] == rfc3339(NOW + timedelta(minutes=5))
    assert entry["startsAt"] == rfc3339(FIRING.started_at)
    again = post_to_api(FIRING, sending(API)).resend_after_s
    assert again is not None
    assert again * 3 <= 300


ENDS = {
    "at once": (0, True),
    "after four minutes": (240, True),
    "after five": (241, False),
    "hours late": (9_000, False),
}


@pytest.mark.parametrize(("age_s", "again"), ENDS.values(), ids=ENDS)
def test_an_end_is_sent_again_for_five_minutes(age_s: float, *, again: bool) -> None:
    post = post_to_api(RESOLVED, sending(API, RESOLVED.at + timedelta(seconds=age_s)))
    assert (post.resend_after_s is not None) is again
    assert json.loads(post.body)[0]["endsAt"] == rfc3339(RESOLVED.at - timedelta(minutes=30))


def test_labels_hold_the_identity_and_no_number() -> None:
    (entry,) = entries_of(FIRING)
    assert entry["labels"] == {
        "alertname": "spend-shift",
        "kind": "spend_shift",
        "rule": "r-code",
        "severity": "warning",
    }
    later = replace(FIRING, summary="other numbers", facts=(), data={}, incident_id="the-next", delayed_by_s=9)
    assert entries_of(later)[0]["labels"] == entry["labels"]


def test_an_escalation_ends_the_alert_of_the_severity_before() -> None:
    """The severity is a label, so that the critical alert is another one to Alertmanager; the warning must not stay."""
    critical, warning = entries_of(ESCALATED)
    assert warning["labels"] == entries_of(FIRING)[0]["labels"]
    assert warning["endsAt"] == rfc3339(ESCALATED.at)
    assert (critical["labels"]["severity"], critical["endsAt"]) == ("critical", rfc3339(NOW + timedelta(minutes=5)))
    ended = entries_of(RESOLVED)
    assert [entry["labels"]["severity"] for entry in ended] == ["critical", "warning"]
    assert {entry["endsAt"] for entry in ended} == {"2026-11-23T15:35:00.000Z"}


def test_an_escalation_that_is_sent_again_speaks_of_the_present_after_five_minutes() -> None:
    assert [len(entries_of(ESCALATED, timedelta(minutes=minutes))) for minutes in (4, 5)] == [2, 1]


@given(alerts())
def test_any_alert_is_one_that_alertmanager_accepts(alert: Alert) -> None:
    """Names of labels as every version takes them, no empty value, an end that is not before the start."""
    for entry in entries_of(alert):
        assert {"alertname", "severity", "kind"} <= entry["labels"].keys()
        assert entry["labels"]["severity"] in set(Severity)
        assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in entry["labels"])
        assert all(isinstance(value, str) and value for value in entry["labels"].values())
        assert all(isinstance(value, str) for value in entry["annotations"].values())
    for told in body_of(alert)["alerts"]:
        assert told["status"] == ("firing" if told["endsAt"] == NEVER else "resolved")
        assert told["endsAt"] == NEVER or told["endsAt"] >= told["startsAt"]


NAMES = [("rule", "rule"), ("a-b.c", "a_b_c"), ("1h", "scope_1h"), ("severity", "scope_severity"), ("", "scope_")]


@pytest.mark.parametrize(("name", "safe"), NAMES)
def test_a_label_of_the_scope_never_hides_one_of_ours(name: str, safe: str) -> None:
    assert label_name(name) == safe


URLS = [
    ("http://am.example:9093", "http://am.example:9093/api/v2/alerts"),
    ("http://am.example:9093/", "http://am.example:9093/api/v2/alerts"),
    ("https://user:pass@am.example/prefix/", "https://user:pass@am.example/prefix/api/v2/alerts"),
    ("http://am.example/api/v2/alerts", "http://am.example/api/v2/alerts"),
]


@pytest.mark.parametrize(("base", "sent_to"), URLS)
def test_alerts_go_below_the_base_url(base: str, sent_to: str) -> None:
    assert endpoint(base) == sent_to


PRINTS: list[tuple[Labels, int]] = [
    ({}, 14_695_981_039_346_656_037),
    ({"name": "garland, briggs", "fear": "love is not enough"}, 5_799_056_148_416_392_346),
]
"""From the tests of Prometheus' own model of labels."""


@pytest.mark.parametrize(("labels", "expected"), PRINTS)
def test_a_fingerprint_is_the_one_that_prometheus_computes(labels: Labels, expected: int) -> None:
    assert fingerprint(labels) == f"{expected:016x}"


def test_the_webhook_looks_like_alertmanagers() -> None:
    firing, resolved = body_of(FIRING), body_of(RESOLVED)
    assert (firing["version"], firing["status"], resolved["status"]) == ("4", "firing", "resolved")
    assert firing["receiver"] == "ops"
    assert firing["alerts"][0]["endsAt"] == NEVER
    assert [each["status"] for each in resolved["alerts"]] == ["resolved", "resolved"]
    assert firing["alerts"][0]["fingerprint"] == resolved["alerts"][1]["fingerprint"]
    for body in (firing, resolved, body_of(ESCALATED)):
        for each in body["alerts"]:
            assert body["commonLabels"].items() <= each["labels"].items()
            assert body["commonAnnotations"] == each["annotations"]


def test_an_incident_is_one_group_through_its_severities() -> None:
    """A receiver that opens and closes by `groupKey` closes what it opened."""
    keys = {body_of(alert)["groupKey"] for alert in (FIRING, ESCALATED, RESOLVED)}
    assert keys == {'{}:{alertname="spend-shift", kind="spend_shift", rule="r-code"}'}
    assert body_of(replace(FIRING, scope={"rule": 'a"\\'}))["groupKey"].endswith('rule="a\\"\\\\"}')


def test_a_test_is_marked_and_cannot_end_a_real_alert() -> None:
    (entry,) = entries_of(SAMPLE)
    assert entry["labels"]["sample"] == "true"
    assert entry["annotations"]["summary"].startswith("TEST:")
    assert "Nothing is wrong" in entry["annotations"]["description"]
    assert body_of(SAMPLE)["groupKey"] != body_of(FIRING)["groupKey"]
