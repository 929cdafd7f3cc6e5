"""What events to PagerDuty promise: one key from trigger to resolve, within the size of an event."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from gateway.domain.alert import Alert, Fact, Phase, ReceiverKind
from gateway.receivers.pagerduty import EVENT_MAX, endpoint, post
from gateway.receivers.text import units
from tests.fakes.alerts import ESCALATED, FIRING, HUGE, RESOLVED, SAMPLE, alerts, sending


def event_of(alert: Alert) -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(post(alert, sending(ReceiverKind.PAGERDUTY)).body)


def test_an_incident_keeps_its_key_and_the_next_one_has_another() -> None:
    """A late resolve closes the incident it is about, not the one that has begun since."""
    keys = {event_of(alert)["dedup_key"] for alert in (FIRING, ESCALATED, RESOLVED)}
    assert keys == {FIRING.incident_id}
    assert event_of(replace(FIRING, incident_id="another"))["dedup_key"] not in keys


def test_an_escalation_triggers_again_with_its_severity() -> None:
    event = event_of(ESCALATED)
    assert (event["event_action"], event["payload"]["severity"]) == ("trigger", "critical")


def assert_within_limits(alert: Alert) -> None:
    event = event_of(alert)
    assert len(post(alert, sending(ReceiverKind.PAGERDUTY)).body) <= EVENT_MAX
    assert 1 <= len(event["dedup_key"]) <= 255
    assert ("payload" in event) is (alert.phase is not Phase.RESOLVED)
    if "payload" in event:
        assert all(1 <= units(event["payload"][name]) <= 1_024 for name in ("summary", "source", "component"))
        assert event["payload"]["custom_details"]["incident_id"] == alert.incident_id


@given(alerts())
def test_any_alert_is_within_the_limits_of_an_event(alert: Alert) -> None:
    assert_within_limits(alert)


@pytest.mark.parametrize("alert", HUGE.values(), ids=map(ascii, HUGE))
def test_the_largest_alert_is_within_them(alert: Alert) -> None:
    assert_within_limits(replace(alert, phase=Phase.ESCALATED, ended_at=None))


def test_two_facts_of_one_label_are_both_told() -> None:
    details = event_of(replace(FIRING, facts=(Fact("Cause", "one"), Fact("Cause", "two"))))["payload"]["custom_details"]
    assert details["Cause"] == "one\ntwo"


def test_an_incident_without_scope_or_links_is_complete() -> None:
    event = event_of(replace(FIRING, scope={}, links=()))
    assert event["payload"]["component"] == "spend-shift"
    assert "client_url" not in event


URLS = {
    "none": ("", "https://events.pagerduty.com/v2/enqueue"),
    "another region": ("https://events.eu.pagerduty.com", "https://events.eu.pagerduty.com/v2/enqueue"),
    "another region and a slash": ("https://events.eu.pagerduty.com/", "https://events.eu.pagerduty.com/v2/enqueue"),
    "written out": ("http://127.0.0.1:9/pd/enqueue", "http://127.0.0.1:9/pd/enqueue"),
}


@pytest.mark.parametrize(("url", "sent_to"), URLS.values(), ids=URLS)
def test_events_go_to_pagerduty_or_where_the_rules_say(url: str, sent_to: str) -> None:
    assert endpoint(url) == sent_to


def test_a_test_is_marked() -> None:
    payload = event_of(SAMPLE)["payload"]
    assert payload["summary"].startswith("TEST:")
    assert payload["custom_details"]["sample"] is True
