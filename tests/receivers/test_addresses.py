"""What is said about an address before anything is sent there, and that it is never repeated."""

import pytest

from gateway.domain.alert import ReceiverKind
from gateway.domain.delivery import Address
from gateway.receivers.addresses import faults
from tests.fakes.alerts import ADDRESSES, OLD_SECRET, SECRET

GENERIC, PAGERDUTY, API = ReceiverKind.GENERIC, ReceiverKind.PAGERDUTY, ReceiverKind.ALERTMANAGER_API
KEY = "0123456789abcdef0123456789abcdef"
SHORT = "whsec_c2hvcnQ="
NO_URL = "its url is no http or https address"


@pytest.mark.parametrize("kind", ReceiverKind)
def test_an_address_of_each_kind_can_be_sent_to(kind: ReceiverKind) -> None:
    assert faults(kind, ADDRESSES[kind]) == ()


GOOD = {
    "plain http to a private host": (GENERIC, Address("http://10.0.0.7:9000/hook")),
    "an IPv6 host": (GENERIC, Address("http://[::1]:9000/hook")),
    "a user and a password": (API, Address("https://user:password@alerts.example/")),
    "two signing secrets": (GENERIC, Address("https://hook.example", signing_secrets=(SECRET, OLD_SECRET))),
    "another region of PagerDuty": (PAGERDUTY, Address("https://events.eu.pagerduty.com", KEY)),
}


@pytest.mark.parametrize(("kind", "address"), GOOD.values(), ids=GOOD)
def test_an_operators_own_address_may_be_anywhere(kind: ReceiverKind, address: Address) -> None:
    assert faults(kind, address) == ()


BAD = {
    "no address": (GENERIC, Address("canary-secret"), NO_URL),
    "another scheme": (GENERIC, Address("ftp://canary-secret/"), NO_URL),
    "no host": (GENERIC, Address("https:///canary-secret"), NO_URL),
    "no port": (GENERIC, Address("https://host:canary-secret/"), NO_URL),
    "a bracket without its other": (GENERIC, Address("https://[canary-secret"), NO_URL),
    "a blank": (GENERIC, Address("https://host/canary-secret x"), NO_URL),
    "a line end": (GENERIC, Address("https://host/\r\ncanary-secret: x"), NO_URL),
    "letters of another alphabet": (GENERIC, Address("https://host/canary-secret-\u00e4"), NO_URL),
    "nothing": (GENERIC, Address(), NO_URL),
    "nothing for PagerDuty": (PAGERDUTY, Address(), "its routing_key has blanks or characters that no key has"),
    "a key of two words": (PAGERDUTY, Address("", "canary-secret x"), "its routing_key has blanks or characters"),
    "a signing secret without its beginning": (
        GENERIC,
        Address("https://h", signing_secrets=(SECRET, "canary-secret")),
        "its signing_secret is none: a signing secret begins with 'whsec_'",
    ),
    "a short signing secret": (
        GENERIC,
        Address("https://h", signing_secrets=(SHORT,)),
        "its signing_secret is none: a signing secret is 'whsec_' and the base64 of 24 to 64 random bytes",
    ),
}


@pytest.mark.parametrize(("kind", "address", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_sent_to_is_said_without_the_secret(kind: ReceiverKind, address: Address, said: str) -> None:
    """U-114: the address of a chat's webhook is its own key."""
    (fault,) = faults(kind, address)
    assert fault.startswith(said)
    assert "canary" not in fault
    assert SHORT not in fault
