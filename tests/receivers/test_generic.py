"""What the generic webhook promises: Standard Webhooks, which anyone's library verifies."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from gateway.adapters.clock import SystemClock
from gateway.domain.alert import Alert, AlertKind, Phase, Receiver, ReceiverKind
from gateway.domain.delivery import Address, Post, Sending
from gateway.receivers.generic import BODY_MAX, event_type, post, signature, signing_key
from tests.fakes.alerts import ESCALATED, FIRING, HUGE, NOW, OLD_SECRET, RESOLVED, SAMPLE, SECRET, alerts, sending

KIND = ReceiverKind.GENERIC
ID, STAMP, BODY, SIGNATURE = (
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1_614_265_330,
    b'{"test": 2432232314}',
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)
"""The test vector of the specification's own libraries; its secret is the one of these tests."""


def test_the_signature_of_the_specifications_test_vector() -> None:
    """U-82: HMAC-signed as Standard Webhooks says."""
    assert signature([SECRET], ID, STAMP, BODY) == SIGNATURE


def test_each_secret_of_a_rotation_signs() -> None:
    assert signature([OLD_SECRET, SECRET], ID, STAMP, BODY).split(" ") == [
        signature([OLD_SECRET], ID, STAMP, BODY),
        SIGNATURE,
    ]


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
@pytest.mark.parametrize(
    "alert", [FIRING, ESCALATED, RESOLVED, SAMPLE, replace(FIRING, summary="Größe \U0001f525 \ud83d")]
)
def test_an_independent_library_verifies_what_is_sent(alert: Alert, secret: str) -> None:
    """U-82: the bytes that are sent are the bytes that were signed, with either secret of a rotation."""
    library = pytest.importorskip(
        "standardwebhooks", reason="SIGNATURES NOT VERIFIED INDEPENDENTLY: standardwebhooks is missing (make lock)"
    )
    sent = post(alert, sending(KIND, SystemClock().now()))
    read = library.Webhook(secret).verify(sent.body, dict(sent.headers))
    assert read["data"]["incident_id"] == alert.incident_id
    with pytest.raises(library.WebhookVerificationError):
        library.Webhook(secret).verify(sent.body + b" ", dict(sent.headers))


def test_a_retry_has_the_same_id_and_body_and_a_new_time_and_signature() -> None:
    """U-82: the receiver knows a repeated delivery by its id."""
    first, second = post(FIRING, sending(KIND)), post(FIRING, sending(KIND, NOW + timedelta(seconds=5)))
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == FIRING.message_id
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 5
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_without_a_secret_nothing_is_signed() -> None:
    sent = post(FIRING, Sending(Receiver("ops", KIND), Address("https://hooks.example"), NOW))
    assert sorted(sent.headers) == ["content-type", "webhook-id", "webhook-timestamp"]


SECRETS = {
    "no prefix": base64.b64encode(b"x" * 24).decode(),
    "another scheme": "whsk_" + base64.b64encode(b"x" * 32).decode(),
    "too short": "whsec_" + base64.b64encode(b"x" * 23).decode(),
    "too long": "whsec_" + base64.b64encode(b"x" * 65).decode(),
    "not base64": "whsec_" + "ä" * 40,
    "not base64 either": "whsec_" + "-" * 40,
    "a rest of one letter": "whsec_" + "A" * 41,
    "nothing": "",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_that_is_none_is_refused_without_being_quoted(secret: str) -> None:
    """U-114: the refusal of a secret does not hold it."""
    with pytest.raises(ValueError, match="whsec_") as refused:
        signing_key(secret)
    assert secret.removeprefix("whsec_")[:8] not in str(refused.value) or not secret
    assert refused.value.__cause__ is None


def test_a_secret_may_lack_its_padding_and_end_with_a_line() -> None:
    key = b"k" * 25
    padded = "whsec_" + base64.b64encode(key).decode()
    assert signing_key(padded) == signing_key(padded.rstrip("=")) == signing_key(f"{padded}\n") == key


def test_the_type_says_the_kind_and_the_phase() -> None:
    assert event_type(FIRING) == "spend.shift.firing"
    types = {event_type(replace(RESOLVED, kind=kind)) for kind in AlertKind}
    assert len(types) == len(AlertKind)
    assert all(name.endswith(f".{Phase.RESOLVED}") for name in types)


def data_of(sent: Post) -> dict[str, object]:
    data = json.loads(sent.body)["data"]
    assert isinstance(data, dict)
    return data


def assert_within_limits(alert: Alert) -> None:
    sent = post(alert, sending(KIND))
    data = data_of(sent)
    assert len(sent.body) < BODY_MAX
    assert data["incident_id"] == alert.incident_id
    whole = [len(data[name]) for name in ("facts", "values", "scope")]  # type: ignore[arg-type]  # each is a container
    if not data["truncated"]:
        assert whole == [len(alert.facts), len(alert.data), len(alert.scope)]


@given(alerts())
def test_any_alert_stays_below_20_kb_and_says_so_when_it_lost_something(alert: Alert) -> None:
    assert_within_limits(alert)


@pytest.mark.parametrize("alert", HUGE.values(), ids=map(ascii, HUGE))
def test_the_largest_alert_stays_below_it(alert: Alert) -> None:
    assert_within_limits(alert)
    assert data_of(post(alert, sending(KIND)))["truncated"] is True


def test_values_are_left_out_from_the_end_when_there_is_no_room() -> None:
    sent = post(replace(FIRING, data={"first": 1, "second": "x" * 30_000, "third": 3}), sending(KIND))
    assert data_of(sent)["values"] == {"first": 1}
    assert data_of(sent)["truncated"] is True
    assert data_of(post(FIRING, sending(KIND)))["truncated"] is False
