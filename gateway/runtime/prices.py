"""Watches what models cost: at each new generation, at the start, and when a day (UTC) begins.

The prices that were in force are kept, and a change with those that came of it in one write: so each is found once,
whether the daemon ran when it came or not.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from gateway.domain.ledger import Amounts, quarter_of
from gateway.domain.price_change import Change, KeptPrices
from gateway.domain.problem import StoreError
from gateway.domain.snapshot import Snapshot
from gateway.engine.alert_prices import USED_DAYS, changed, in_use, prices_of, upcoming
from gateway.runtime.ports import Clock, LedgerSums, PriceStore

logger = logging.getLogger(__name__)

KEPT_FOR: Final = timedelta(days=30)
"""How long a change is kept; its incident has ended by itself long before."""
TRY_AGAIN_AFTER_S: Final = 60.0


class PriceWatch:
    """The changes of prices that there were, and those to come; it belongs to the event loop.

    `failed` is called for each look that the store or the ledger fails.
    """

    def __init__(self, clock: Clock, store: PriceStore, sums: LedgerSums, failed: Callable[[], object]) -> None:
        self._clock = clock
        self._store = store
        self._sums = sums
        self._failed = failed
        self._kept: KeptPrices | None = None
        self._coming: Sequence[Change] = ()
        self._seen: tuple[Snapshot, date] | None = None
        self._not_before_s = float("-inf")
        self._works = True

    async def look(self, snapshot: Snapshot) -> Sequence[Change] | None:
        """Give the changes as of now; None as long as they are not known."""
        now = self._clock.now()
        today = now.astimezone(UTC).date()
        seen = self._seen is not None and self._seen[0] is snapshot and self._seen[1] == today
        if not seen and self._clock.monotonic() >= self._not_before_s:
            try:
                await self._take(snapshot, now)
                self._seen, self._works = (snapshot, today), True
            except StoreError as error:
                self._failed()
                if self._works:
                    logger.error("%s; changes of prices are told when it can", error)  # noqa: TRY400 - in words
                self._works = False
                self._not_before_s = self._clock.monotonic() + TRY_AGAIN_AFTER_S
        if self._kept is None or self._seen is None:
            return None
        return (*self._kept.changes, *self._coming)

    async def _take(self, snapshot: Snapshot, now: datetime) -> None:
        """Compare what is in force with what is kept, and keep that. Raises StoreError."""
        kept = self._kept if self._kept is not None else await asyncio.to_thread(self._store.load)
        self._kept = kept
        found = changed(snapshot.models, kept.known, now, snapshot.label)
        coming = upcoming(snapshot.models, now)
        used = await self._used(now) if found or coming else {}
        known = prices_of(snapshot.models, now.astimezone(UTC).date())
        lately = [each for each in kept.changes if each.at > now - KEPT_FOR]
        next_kept = KeptPrices(known, (*lately, *in_use(found, used)))
        if next_kept != kept:
            await asyncio.to_thread(self._store.save, next_kept)
        self._kept, self._coming = next_kept, in_use(coming, used)

    async def _used(self, now: datetime) -> Mapping[str, Amounts]:
        first, last = quarter_of(now - timedelta(days=USED_DAYS)), quarter_of(now)
        found = await asyncio.to_thread(self._sums.spend, first, last, ["model"])
        return {str(model): amounts for (model,), amounts in found.items()}
