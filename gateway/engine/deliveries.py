"""Deliveries, decided: what an answer of a receiver means for a message, and which of the waiting ones still matter.

The schedule and the meaning of the statuses are those of Standard Webhooks 1.0.0
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md); the vendors' own where
they differ.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.domain.alert import Alert, Phase, ReceiverKind
from gateway.domain.delivery import Response
from gateway.engine.waits import LONGEST_WAIT_S, retry_after_s

MINUTE_S: Final = 60.0
HOUR_S: Final = 3_600.0
SCHEDULE_S: Final = (
    0.0,
    5.0,
    5 * MINUTE_S,
    30 * MINUTE_S,
    2 * HOUR_S,
    5 * HOUR_S,
    10 * HOUR_S,
    14 * HOUR_S,
    20 * HOUR_S,
    24 * HOUR_S,
)
"""The wait before each attempt: about three days in all."""
ALERTMANAGER_SCHEDULE_S: Final = (0.0, 5.0, *(MINUTE_S,) * 4_500)
"""The wait before each attempt of what must be said again every minute, over as many days."""
JITTER: Final = 0.1
"""The share by which a wait may be longer, so that what failed together does not come back together."""
LATE_S: Final = 60
"""From how old on news is called late."""


class Reason(StrEnum):
    """Why a delivery did not succeed: the word in the delivery log and in the metric."""

    NO_ANSWER = "no_answer"
    REDIRECT = "redirect"
    REFUSED = "refused"
    GONE = "gone"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"


@dataclass(frozen=True, slots=True)
class Done:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after so many seconds; `slows_endpoint` says that nothing else goes to this receiver before that."""

    after_s: float
    slows_endpoint: bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This message will not be delivered: it was refused for good, or the last attempt failed in this way."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Disable:
    """The receiver wants no more messages: this one is not delivered, and no other is sent until the rules change."""

    reason: Reason


Verdict = Done | Retry | GiveUp | Disable

_SLOWING = frozenset({429, 502, 504})
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
_REFUSE_FOR_GOOD = frozenset({ReceiverKind.SLACK, ReceiverKind.DISCORD, ReceiverKind.PAGERDUTY})
"""Those whose refusals are about the message or the address, and do not go away."""


def verdict(kind: ReceiverKind, response: Response | None, attempts: int, now: datetime, chance: float) -> Verdict:
    """Decide about a message after an attempt; `response` None means that none came.

    `attempts` counts the attempts so far, this one included. `chance` is a random number from 0 to 1 that spreads the
    waits. A redirect is a failure like others and is never followed.
    """
    if response is None:
        return _again(kind, Reason.NO_ANSWER, attempts, _Wait(chance))
    status = response.status
    if 200 <= status < 300:
        return Done()
    if status == 410:
        return Disable(Reason.GONE)
    if _is_final(kind, status):
        return GiveUp(Reason.REFUSED)
    asked_s = wait_asked_for_s(response, now)
    return _again(kind, _reason(status), attempts, _Wait(chance, asked_s, status in _SLOWING or asked_s is not None))


@dataclass(frozen=True, slots=True)
class _Wait:
    chance: float
    asked_s: float | None = None
    slows_endpoint: bool = False


def _again(kind: ReceiverKind, reason: Reason, attempts: int, wait: _Wait) -> Retry | GiveUp:
    """Wait as the schedule says, or as long as the receiver asks for where that is longer.

    Never less: a receiver that always asks for one second would have used up all attempts after ten.
    """
    schedule = ALERTMANAGER_SCHEDULE_S if kind is ReceiverKind.ALERTMANAGER_API else SCHEDULE_S
    if attempts >= len(schedule):
        return GiveUp(reason)
    least_s = max(schedule[attempts], wait.asked_s or 0.0)
    return Retry(least_s * (1 + JITTER * wait.chance), wait.slows_endpoint, reason)


def _is_final(kind: ReceiverKind, status: int) -> bool:
    """Say whether a refusal will be the same next time."""
    if not 400 <= status < 500 or status in _WORTH_ANOTHER_TRY:
        return False
    return kind in _REFUSE_FOR_GOOD or (kind is ReceiverKind.ALERTMANAGER_API and status == 400)


def _reason(status: int) -> Reason:
    if status == 429:
        return Reason.RATE_LIMITED
    if 300 <= status < 400:
        return Reason.REDIRECT
    return Reason.REFUSED if 400 <= status < 500 else Reason.SERVER_ERROR


def wait_asked_for_s(response: Response, now: datetime) -> float | None:
    """Give the seconds that a receiver asks to wait, at most a day, or None.

    Discord says it up to three times: Retry-After rounded up, `x-ratelimit-reset-after` and `retry_after` in the body
    with fractions. The body comes last, as some versions of its API give milliseconds there.
    """
    asked = retry_after_s(response.headers.get("retry-after", "").strip(), now)
    if asked is None and response.status == 429:
        asked = _seconds(response.headers.get("x-ratelimit-reset-after"))
        if asked is None:
            asked = _seconds(_field(response.body, "retry_after"))
    return asked


def _seconds(value: object) -> float | None:
    try:
        seconds = float(value) if isinstance(value, str | int | float) else -1.0
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_WAIT_S) if seconds >= 0 else None


def _field(body: bytes, name: str) -> object:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return decoded.get(name) if isinstance(decoded, dict) else None


@dataclass(frozen=True, slots=True)
class Pending:
    """A message in the outbox of one receiver; `resend` says that it was delivered and is to be said again."""

    alert: Alert
    resend: bool = False


@dataclass(frozen=True, slots=True)
class Collapsed:
    """What is left to send, in order, and what need not be sent any more because something newer says more."""

    send: tuple[Pending, ...]
    superseded: tuple[Pending, ...]


def collapse(pending: Sequence[Pending], now: datetime) -> Collapsed:
    """Leave one message an incident: its newest, which says by `delayed_by_s` how old the news is.

    `pending` is what waits for one receiver, the oldest first; a message that is being sent at the moment is not
    among it. Messages of different incidents stand beside one another in their order, but for a resend: the end of an
    incident is not said again where the next one of the same identity has begun, which it would end.
    """
    newest: dict[str, int] = {}
    begun: dict[tuple[str, bool], Alert] = {}
    since: dict[str, datetime] = {}
    for place, each in enumerate(pending):
        alert = each.alert
        best = newest.get(alert.incident_id)
        if best is None or _order(pending[best].alert) <= _order(alert):
            newest[alert.incident_id] = place
        last = begun.setdefault(_what(alert), alert)
        if (last.started_at, last.incident_id) < (alert.started_at, alert.incident_id):  # the ids sort by time too
            begun[_what(alert)] = alert
        if not each.resend:
            since[alert.incident_id] = min(since.get(alert.incident_id, alert.at), alert.at)
    send, superseded = [], []
    for place, each in enumerate(pending):
        alert = each.alert
        outlived = each.resend and begun[_what(alert)].incident_id != alert.incident_id
        if newest[alert.incident_id] != place or outlived:
            superseded.append(each)
        elif each.resend:
            send.append(each)
        else:
            late_s = int((now - since[alert.incident_id]).total_seconds())
            send.append(replace(each, alert=replace(alert, delayed_by_s=late_s if late_s >= LATE_S else 0)))
    return Collapsed(tuple(send), tuple(superseded))


def _what(alert: Alert) -> tuple[str, bool]:
    """Say what an incident is about; a test is about nothing real."""
    return alert.identity, alert.sample


def _order(alert: Alert) -> tuple[int, datetime]:
    """Sort the messages of an incident; its phases only ever go forward, whatever the clock does."""
    return tuple(Phase).index(alert.phase), alert.at
