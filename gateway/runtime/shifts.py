"""Watches where spend leaves what was to be expected: sums up what requests cost, and folds each bucket that is over.

A request only adds to the sums. Folding a bucket is work for a thread, and so is keeping what the fold remembers:
after each bucket, with what was said of the incidents that are open. A kill loses the bucket that was open.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.domain.alike import Alike
from gateway.domain.attempt import Attempt
from gateway.domain.entry import Entry
from gateway.domain.problem import StoreError
from gateway.domain.shift import Edit, Notice, SpendEvent, Status
from gateway.domain.snapshot import Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import SpendKind
from gateway.engine.shifts import buckets
from gateway.engine.shifts.buckets import Cells
from gateway.engine.shifts.edited import edits
from gateway.engine.shifts.fold import Fold
from gateway.engine.shifts.terms import Terms
from gateway.runtime.ports import Clock

logger = logging.getLogger(__name__)

NOTHING: Final = Usage()
TOLD_FOR_S: Final = 3600.0
"""How long the end of an incident is still said, for those who look again."""


class ShiftStore(Protocol):
    """Where what a fold remembers is kept."""

    def load(self) -> tuple[Mapping[str, Any] | None, Sequence[Notice]]:
        """Give what was kept, None where nothing was. Raises StoreError."""
        ...

    def save(self, kept: Mapping[str, Any], notices: Sequence[Notice]) -> None:
        """Keep this instead. Raises StoreError."""
        ...


def events_of(alike: Alike) -> list[SpendEvent]:
    """Give what requests spent, but for those that used nothing."""
    entry = alike.first
    if not entry.model:
        return []
    values = (entry.team, entry.caller, entry.rule, entry.category, entry.model, entry.provider)
    first = entry.chain[0] if entry.chain else entry.model
    tried = any(isinstance(each, Attempt) and each.model == first and each.failure is not None for each in entry.events)
    fallback_from = first if entry.model != first and tried else ""
    at_s = entry.at.timestamp()  # that of all: they came in one minute
    return [
        SpendEvent(
            at_s,
            values,
            usage.input_tokens,
            usage.cache_read_tokens,
            usage.output_tokens,
            nano_usd,
            fallback_from,
            *wasted,
        )
        for entry in alike.entries
        if entry.usage is not None
        for usage, nano_usd, *wasted in (_spent(entry, entry.usage),)
    ]


def _spent(entry: Entry, usage: Usage) -> tuple[Usage, int, int, int]:
    """Give what the answer used and cost, and what hedges that lost and attempts that failed did."""
    if len(entry.events) == 1:
        return usage, entry.cost_nano_usd, 0, 0
    attempts = [each for each in entry.events if isinstance(each, Attempt)]
    answer = next((each.usage for each in attempts if each.kind is SpendKind.ANSWER and each.usage), NOTHING)
    hedged, retried = (
        sum(each.cost_nano_usd for each in attempts if each.kind is kind)
        for kind in (SpendKind.HEDGE, SpendKind.FAILED)
    )
    return answer, entry.cost_nano_usd - hedged - retried, hedged, retried


class ShiftWatch:
    """The shifts of one daemon's spend; it belongs to the event loop. `failed` is called where the store fails."""

    def __init__(
        self, clock: Clock, store: ShiftStore, failed: Callable[[], object], terms: Terms | None = None
    ) -> None:
        self._clock = clock
        self._store = store
        self._failed = failed
        self._terms = terms or Terms()
        self._fold: Fold | None = None
        self._cells: Cells = {}
        self._bucket = self._bucket_now()
        self._edits: list[Edit] = []
        self._seen: Snapshot | None = None
        self._said: dict[int, Notice] = {}
        self._works = True

    def note(self, alike: Alike) -> None:
        """Take in requests that have ended."""
        for event in events_of(alike):
            buckets.add(self._cells, event)

    async def look(self, snapshot: Snapshot) -> Sequence[Notice] | None:
        """Give the last that was said of each shift; None as long as what was kept could not be read."""
        if self._fold is None and not await self._began():
            return None
        if self._seen is not None and self._seen is not snapshot:
            self._edits += edits(self._seen, snapshot, self._now_s())
        self._seen = snapshot
        now = self._bucket_now()
        if now < self._bucket:
            self._cells = {}  # the clock was set back: to time that has been folded, and is not folded again
        elif now > self._bucket:
            await self._close(now)
        return tuple(self._said.values())

    async def _began(self) -> bool:
        try:
            kept, said = await asyncio.to_thread(self._store.load)
        except StoreError as error:
            self._trouble(error)
            return False
        try:
            self._fold = Fold(self._terms, kept)
        except (ValueError, KeyError, TypeError, IndexError):
            logger.exception("what is kept of spend in state.db cannot be read: shifts are looked for from now on")
            self._fold, said = Fold(self._terms), ()
        self._said = {notice.number: notice for notice in said}
        return True

    async def _close(self, now: int) -> None:
        """Fold the bucket that is over, and keep what came of it."""
        cells, self._cells = self._cells, {}
        touched, self._edits = self._edits, []
        ended, self._bucket = self._bucket, now
        notices = await asyncio.to_thread(self._folded, ended, cells, touched)
        for notice in notices:
            self._said[notice.number] = notice
        lately = self._now_s() - TOLD_FOR_S
        self._said = {
            number: notice
            for number, notice in self._said.items()
            if notice.status is not Status.RESOLVED or notice.ts > lately
        }
        await self._keep()

    def _folded(self, bucket: int, cells: Cells, touched: Sequence[Edit]) -> list[Notice]:
        if self._fold is None:
            raise TypeError("a bucket is folded once what was kept is read")
        notices = [notice for edit in touched for notice in self._fold.edit(edit)]
        notices += self._fold.add_cells(bucket, cells)
        return notices + self._fold.advance(float((bucket + 1) * self._terms.bucket_s))

    async def _keep(self) -> None:
        fold, said = self._fold, tuple(self._said.values())
        if fold is None:
            return
        try:
            await asyncio.to_thread(lambda: self._store.save(fold.to_plain(), said))
        except StoreError as error:
            self._trouble(error)
            return
        if not self._works:
            logger.info("what is known of spend can be kept again")
        self._works = True

    def _trouble(self, error: StoreError) -> None:
        self._failed()
        if self._works:
            logger.error("%s; shifts of spend are forgotten by a restart until it can", error)
        self._works = False

    def _bucket_now(self) -> int:
        return int(self._now_s() // self._terms.bucket_s)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
