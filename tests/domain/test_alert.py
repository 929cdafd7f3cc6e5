"""What alerts promise: an identity without numbers, a name for every message, and nothing lost when they are kept."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given

from gateway.domain.alert import Alert, Phase, Severity, from_json, identity_of, to_json
from tests.fakes.alerts import ESCALATED, FIRING, INCIDENT, MESSAGES, RESOLVED, STARTED, alerts

NAIVE = datetime(2026, 11, 23, 14, 5)  # noqa: DTZ001 - the mistake that is tested


def test_severities_are_compared_by_their_rank() -> None:
    assert sorted(Severity, key=lambda each: each.rank) == [
        Severity.INFO,
        Severity.WARNING,
        Severity.CRITICAL,
    ]


NAMES = {
    "the first": (FIRING, f"{INCIDENT}-firing"),
    "the first, said with other numbers": (replace(FIRING, summary="x", delayed_by_s=9), f"{INCIDENT}-firing"),
    "a reminder": (replace(FIRING, reminder=1), f"{INCIDENT}-firing-1"),
    "an escalation": (ESCALATED, f"{INCIDENT}-escalated-critical"),
    "a reminder of an escalation": (replace(ESCALATED, reminder=2), f"{INCIDENT}-escalated-critical-2"),
    "a worse stage": (replace(ESCALATED, stage=80, raised_from=None), f"{INCIDENT}-escalated-critical-s80"),
    "its reminder": (replace(ESCALATED, stage=80, reminder=2), f"{INCIDENT}-escalated-critical-s80-2"),
    "the end": (RESOLVED, f"{INCIDENT}-resolved"),
}


@pytest.mark.parametrize(("alert", "name"), NAMES.values(), ids=NAMES)
def test_a_message_has_a_name_that_stays_the_same_at_every_try(alert: Alert, name: str) -> None:
    """U-82: the name is the idempotency key; the signature's scheme forbids a full stop in it."""
    assert alert.message_id == name
    assert "." not in name


def test_the_identity_is_the_alert_and_its_scope_in_any_order() -> None:
    one, other = {"rule": "a", "window": "1h"}, {"window": "1h", "rule": "a"}
    assert identity_of("spend", one) == identity_of("spend", other)
    assert len({identity_of("spend", one), identity_of("spend", {}), identity_of("other", one)}) == 3
    assert FIRING.identity == RESOLVED.identity == identity_of("spend-shift", {"rule": "r-code"})


WRONG = {
    "a full stop in the id": ({"incident_id": "a.b"}, "incident id"),
    "a blank id": ({"incident_id": ""}, "incident id"),
    "an id that is too long for a key": ({"incident_id": "x" * 65}, "incident id"),
    "a start without a zone": ({"started_at": NAIVE}, "time zone"),
    "a time without a zone": ({"at": NAIVE}, "time zone"),
    "an end without a zone": ({"phase": Phase.RESOLVED, "ended_at": NAIVE}, "time zone"),
    "an end while it goes on": ({"ended_at": STARTED}, "an end"),
    "no end when it is over": ({"phase": Phase.RESOLVED}, "an end"),
}


@pytest.mark.parametrize(("fields", "message"), WRONG.values(), ids=WRONG)
def test_an_alert_that_contradicts_itself_cannot_be_made(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FIRING, **fields)  # type: ignore[arg-type]  # one case a field


@pytest.mark.parametrize("alert", MESSAGES.values(), ids=MESSAGES)
def test_an_alert_can_be_kept_as_json_and_read_back(alert: Alert) -> None:
    """U-82: what waits in the outbox over a restart is what was put into it."""
    assert from_json(json.loads(json.dumps(to_json(alert)))) == alert


@given(alerts())
def test_any_alert_survives_being_kept(alert: Alert) -> None:
    text = json.dumps(to_json(alert))
    assert json.dumps(to_json(from_json(json.loads(text)))) == text
