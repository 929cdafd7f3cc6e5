"""What deliveries promise: their secrets do not show."""

import pytest

from gateway.domain.alert import ReceiverKind
from gateway.domain.delivery import Response
from gateway.receivers.formats import post_for
from tests.fakes.alerts import ADDRESSES, FIRING, OLD_SECRET, ROUTING_KEY, SECRET, sending

SECRETS = (SECRET, OLD_SECRET, ROUTING_KEY, "slack-secret", "teams-secret", "discord-secret", "hooks.example")


@pytest.mark.parametrize("kind", ReceiverKind)
def test_no_repr_shows_an_address_a_key_or_a_signature(kind: ReceiverKind) -> None:
    """U-114: what is logged by accident tells nothing."""
    post = post_for(FIRING, sending(kind))
    shown = f"{ADDRESSES[kind]!r} {sending(kind)!r} {post!r}"
    assert not [secret for secret in (*SECRETS, "v1,") if secret in shown]


def test_what_a_receiver_says_does_not_show() -> None:
    assert "echo" not in repr(Response(400, body=b"echo of the request"))
