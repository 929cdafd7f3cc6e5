"""The bodies of all formats, as they are sent: one file a kind and phase, to be read beside the vendor's page."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.alert import Alert, Phase, ReceiverKind
from gateway.receivers.formats import FORMATS, post_for
from tests.fakes.alerts import MESSAGES, alerts, sending

CASES = Path(__file__).resolve().parent.parent / "cases" / "receivers"
GOLDEN = [(kind, phase) for kind in ReceiverKind for phase in Phase]


@pytest.mark.parametrize(("kind", "phase"), GOLDEN)
def test_a_message_is_what_its_file_says(kind: ReceiverKind, phase: Phase) -> None:
    """U-80, U-82: what receivers get is looked at before it changes."""
    expected: dict[str, Any] = json.loads((CASES / f"{kind}-{phase}.json").read_text(encoding="utf-8"))
    message = MESSAGES[phase]
    post = post_for(message, sending(kind, message.at + timedelta(seconds=1)))
    assert json.loads(post.body) == expected.pop("body")
    assert {"url": post.url, "headers": post.headers, "resend_after_s": post.resend_after_s} == expected


def test_there_is_a_format_for_every_kind_and_no_file_too_many() -> None:
    assert set(FORMATS) == set(ReceiverKind)
    assert {path.stem for path in CASES.iterdir()} == {f"{kind}-{phase}" for kind, phase in GOLDEN}


@given(alerts(), st.sampled_from(ReceiverKind))
def test_any_alert_is_json_and_the_same_every_time(alert: Alert, kind: ReceiverKind) -> None:
    """The properties of single formats add their vendor's limits to this."""
    post = post_for(alert, sending(kind))
    json.loads(post.body.decode(), parse_constant=pytest.fail)
    assert post == post_for(alert, sending(kind))
    assert post.headers["content-type"] == "application/json"


@given(alerts(), st.sampled_from(sorted(set(ReceiverKind) - {ReceiverKind.PAGERDUTY})))
def test_a_test_never_looks_like_an_incident(alert: Alert, kind: ReceiverKind) -> None:
    """U-83: a sample is marked in every format; PagerDuty's resolve has no text, its trigger is tested beside it."""
    marked = post_for(replace(alert, sample=True), sending(kind)).body.decode()
    plain = post_for(replace(alert, sample=False, summary="s", description="", facts=(), scope={}), sending(kind))
    assert "TEST:" in marked
    assert "TEST:" not in plain.body.decode() or "TEST:" in alert.alert
