"""Deliveries: where a message goes, the request that brings it, and what came back.

These hold secrets: the URL of a chat's webhook is one, a signature is made with one, and PagerDuty's routing key
stands in the body. None of them shows in a repr.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.alert import Receiver


@dataclass(frozen=True, slots=True)
class Address:
    """Where a receiver is, with its secrets resolved.

    `url` may be empty for PagerDuty, which has an address of its own. Several `signing_secrets`, the newest first, are
    a rotation: each of them signs.
    """

    url: str = field(default="", repr=False)
    routing_key: str = field(default="", repr=False)
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt to deliver a message: to whom, where that is, and when; `at` is aware."""

    receiver: Receiver
    address: Address
    at: datetime


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP POST; `body` is what was signed and must be sent as it is.

    `resend_after_s` is for receivers that forget: once delivered, the message is to be made and sent anew after so
    many seconds. None says that one delivery is enough.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    resend_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What a receiver answered. `headers` has lower-case names; `body` may be cut off at some length."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why no answer came: a few words that hold nothing of the address."""

    words: str
