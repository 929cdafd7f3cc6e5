"""Alerts: what is said about an incident, and whom it is said to.

An incident is one time that something was wrong, from firing to resolved. An Alert is one message about it. A Receiver
has a name and a format only; where it is and its secrets stand in `gateway.domain.delivery`, which nothing logs.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""What JSON can hold. Money in it is integer nano-dollars, like everywhere."""


class Severity(StrEnum):
    """How much of a hurry there is. They are compared by `rank`: as words they sort by the alphabet."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """A number that grows with the hurry."""
        return tuple(Severity).index(self)


class AlertKind(StrEnum):
    """What an alert watches; the `kind` of an entry of `alerts`."""

    SPEND_SHIFT = "spend_shift"
    BUDGET = "budget"
    BURN_RATE = "burn_rate"
    PRICE_CHANGE = "price_change"
    FALLBACK_RATE = "fallback_rate"
    ERROR_RATE = "error_rate"
    UNPRICED = "unpriced"
    QUALITY_DROP = "quality_drop"
    CONFIG_REJECTED = "config_rejected"
    LOG_DROPPED = "log_dropped"
    THRESHOLD = "threshold"


class Phase(StrEnum):
    """Where in its life an incident is when a message is sent."""

    FIRING = "firing"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class ReceiverKind(StrEnum):
    """A format of messages; the `kind` of an entry of `receivers`."""

    GENERIC = "generic"
    SLACK = "slack"
    TEAMS = "teams"
    DISCORD = "discord"
    PAGERDUTY = "pagerduty"
    ALERTMANAGER_API = "alertmanager_api"
    ALERTMANAGER_WEBHOOK = "alertmanager_webhook"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Someone who is told: the name in the rule files, and the format of what is sent."""

    name: str
    kind: ReceiverKind


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing worth knowing, for people: `Fact("Share of opus", "62 % (was 3 %)")`."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Link:
    """A page that says more; `href` is an absolute URL and never one that changes anything."""

    text: str
    href: str


_INCIDENT_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Alert:
    """One message about one incident.

    `incident_id` is the text of a UUIDv7, the same from firing to resolved. `alert` is the name in the rule files.
    `scope` is what the incident is about, label by label, such as `{"budget": "growth"}`: with the alert's name the
    identity, so a number has no place in it. `summary` is one line that says what is wrong, with the numbers. `facts`
    and `data` say the same twice, to people and to programs. `started_at` is when it began, `at` when this message
    arose, `ended_at` when a resolved one was over; all are aware. `raised_from` is the severity before an escalation,
    None where it got worse within its severity, for which `stage` counts: a number that grows as it gets worse.
    `reminder` counts the reminders of the phase: 0 is its first message. `sample` marks a test; nothing is wrong then.
    `delayed_by_s` is more than 0 where the news is old when it is sent.

    Raises ValueError for an incident id with other characters than letters, digits, `-` and `_`, a time without a
    zone, and an `ended_at` that does not go with the phase.
    """

    incident_id: str
    alert: str
    kind: AlertKind
    phase: Phase
    severity: Severity
    scope: Mapping[str, str] = field(hash=False)
    summary: str
    started_at: datetime
    at: datetime
    ended_at: datetime | None = None
    description: str = ""
    facts: tuple[Fact, ...] = ()
    data: Mapping[str, Json] = field(default_factory=dict, hash=False)
    links: tuple[Link, ...] = ()
    raised_from: Severity | None = None
    stage: int = 0
    reminder: int = 0
    sample: bool = False
    delayed_by_s: int = 0

    def __post_init__(self) -> None:
        if not _INCIDENT_ID.fullmatch(self.incident_id):
            raise ValueError("an incident id has letters, digits, '-' and '_', at most 64")
        if any(moment is not None and moment.tzinfo is None for moment in (self.started_at, self.at, self.ended_at)):
            raise ValueError("the times of an alert have a time zone")
        if (self.phase is Phase.RESOLVED) is (self.ended_at is None):
            raise ValueError("an alert has an end when it is resolved, and only then")

    @property
    def identity(self) -> str:
        """What the incident is about, as a key: the next incident of the same alert and scope has the same."""
        return identity_of(self.alert, self.scope)

    @property
    def message_id(self) -> str:
        """The name of this message, the same at every try: what a receiver knows a repeated delivery by.

        An incident has one firing and one resolved message. It escalates once to each severity and each stage of it,
        and every reminder is a message of its own, which a receiver that drops what it has seen must not drop.
        """
        parts = [self.incident_id, self.phase.value]
        if self.phase is Phase.ESCALATED:
            parts += [self.severity.value, *([f"s{self.stage}"] if self.stage else [])]
        if self.reminder:
            parts.append(str(self.reminder))
        return "-".join(parts)


def identity_of(alert: str, scope: Mapping[str, str]) -> str:
    """Give the key of an alert instance, the same for the same labels in any order."""
    return json.dumps([alert, dict(sorted(scope.items()))], ensure_ascii=False, separators=(",", ":"))


def to_json(alert: Alert) -> dict[str, Json]:
    """Give an alert as plain JSON values, to be kept; `from_json` reads them."""
    return {
        "incident_id": alert.incident_id,
        "alert": alert.alert,
        "kind": alert.kind.value,
        "phase": alert.phase.value,
        "severity": alert.severity.value,
        "scope": dict(alert.scope),
        "summary": alert.summary,
        "description": alert.description,
        "facts": [[fact.label, fact.value] for fact in alert.facts],
        "data": alert.data,
        "links": [[link.text, link.href] for link in alert.links],
        "started_at": alert.started_at.isoformat(),
        "at": alert.at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
        "raised_from": alert.raised_from.value if alert.raised_from else None,
        "stage": alert.stage,
        "reminder": alert.reminder,
        "sample": alert.sample,
        "delayed_by_s": alert.delayed_by_s,
    }


def from_json(kept: Mapping[str, Any]) -> Alert:
    """Read what `to_json` gave. Raises ValueError, KeyError or TypeError for anything else."""
    return Alert(
        incident_id=kept["incident_id"],
        alert=kept["alert"],
        kind=AlertKind(kept["kind"]),
        phase=Phase(kept["phase"]),
        severity=Severity(kept["severity"]),
        scope=kept["scope"],
        summary=kept["summary"],
        description=kept["description"],
        facts=tuple(Fact(label, value) for label, value in kept["facts"]),
        data=kept["data"],
        links=tuple(Link(text, href) for text, href in kept["links"]),
        started_at=datetime.fromisoformat(kept["started_at"]),
        at=datetime.fromisoformat(kept["at"]),
        ended_at=datetime.fromisoformat(kept["ended_at"]) if kept["ended_at"] else None,
        raised_from=Severity(kept["raised_from"]) if kept["raised_from"] else None,
        stage=kept["stage"],
        reminder=kept["reminder"],
        sample=kept["sample"],
        delayed_by_s=kept["delayed_by_s"],
    )
