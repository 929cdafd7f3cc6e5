"""What is kept of alerts over restarts: how incidents stand, which messages wait for whom, and what people have said.

A change of any of it is a value, written whole or not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.alert import Alert, AlertKind, identity_of

Key = tuple[str, str]
"""A letter's receiver and the name of its message."""


@dataclass(frozen=True, slots=True)
class Instance:
    """How an alert instance stands that is not quiet.

    `state` is what `engine.incidents.to_json` gives. `told` are the receivers that were told of the incident.
    `summary` is what was read last.
    """

    alert: str
    kind: AlertKind
    scope: Mapping[str, str] = field(hash=False)
    state: Mapping[str, Any] = field(hash=False)
    told: tuple[str, ...] = ()
    summary: str = ""

    @property
    def identity(self) -> str:
        """The key of the instance."""
        return identity_of(self.alert, self.scope)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that waits for one receiver: until when, after how many attempts.

    `resend` says that it was delivered and is to be said again, to a receiver that forgets. `since` is when the oldest
    news arose that it stands for, None where that is its own.
    """

    receiver: str
    alert: Alert
    due: datetime
    attempts: int = 0
    resend: bool = False
    since: datetime | None = None

    @property
    def key(self) -> Key:
        """Its name: a receiver has a message once."""
        return self.receiver, self.alert.message_id

    @property
    def news_at(self) -> datetime:
        """When the receiver should have heard of what it says."""
        return self.since or self.alert.at


@dataclass(frozen=True, slots=True)
class Mailbox:
    """How deliveries to a receiver stand.

    `address` is a keyed hash of where it was when it was `disabled`, which is why. Nothing is sent before
    `not_before`. The last attempt: when, of which message, with which status (0: none came) and result, and how many
    in a row failed.
    """

    receiver: str
    address: str = ""
    disabled: str = ""
    not_before: datetime | None = None
    last_at: datetime | None = None
    last_message: str = ""
    last_status: int = 0
    last_result: str = ""
    last_words: str = ""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Hush:
    """A silence that somebody has made: for incidents that have all of these labels, until an aware moment."""

    id: str
    matcher: Mapping[str, str] = field(hash=False)
    until: datetime
    made_at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A message that arose, whether it was sent or kept still by a silence."""

    alert: Alert
    silenced: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a daemon starts with; letters in the order in which they arose.

    `unreadable` names what is kept and cannot be read, by its alert, its receiver or its id.
    """

    instances: tuple[Instance, ...] = ()
    letters: tuple[Letter, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()
    hushes: tuple[Hush, ...] = ()
    accepted: frozenset[str] = frozenset()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be kept from now on, and what is not any more: `quiet` identities, `gone` letters, and so on."""

    instances: tuple[Instance, ...] = ()
    quiet: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    letters: tuple[Letter, ...] = ()
    gone: tuple[Key, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()
    hushes: tuple[Hush, ...] = ()
    unhushed: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    unaccepted: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether there is something to write."""
        return self != NOTHING


NOTHING = Changes()
