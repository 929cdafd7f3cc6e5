"""Marks on a chart of money: the incidents that were open in its time, from the messages that are kept of them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gateway.domain.alert import Alert, AlertKind, Phase
from gateway.domain.spending import Mark
from gateway.domain.window import Window

MARKED: Final = frozenset({AlertKind.SPEND_SHIFT, AlertKind.BURN_RATE, AlertKind.PRICE_CHANGE})
"""The kinds that say that money went another way."""


def marks(messages: Iterable[Alert], there: Iterable[Mark], window: Window) -> list[Mark]:
    """Give the incidents that were open at a time of the window, the oldest first.

    `messages` are those that are kept, in any order; `there` are the incidents that are open, of which none may be.
    """
    found: dict[str, Mark] = {}
    for message in sorted(messages, key=lambda each: each.at):
        mark = found.get(message.incident_id) or _begun(message)
        worst = max(mark.severity, message.severity, key=lambda each: each.rank)
        ended_at = message.ended_at if message.phase is Phase.RESOLVED else mark.ended_at
        found[message.incident_id] = replace(mark, severity=worst, ended_at=ended_at)
    every = {mark.id: mark for mark in there} | found
    within = (mark for mark in every.values() if mark.kind in MARKED and _overlaps(mark, window))
    return sorted(within, key=lambda mark: (mark.started_at, mark.id))


def _begun(message: Alert) -> Mark:
    return Mark(
        id=message.incident_id,
        alert=message.alert,
        kind=message.kind,
        scope=message.scope,
        severity=message.severity,
        summary=message.summary,
        started_at=message.started_at,
    )


def _overlaps(mark: Mark, window: Window) -> bool:
    return mark.started_at < window.end and (mark.ended_at is None or mark.ended_at >= window.start)
