"""Puts the budgets of a snapshot into force: what was spent of the new ones is summed up from the ledger."""

import logging
from collections.abc import Callable

from gateway.domain.problem import StoreError
from gateway.domain.snapshot import Snapshot
from gateway.runtime.account import Sums
from gateway.runtime.ports import Clock, Ledger
from gateway.runtime.recorder import Recorder
from gateway.runtime.spend import REREAD_EVERY_S, SpendBook
from gateway.runtime.ticks import survived

logger = logging.getLogger(__name__)


class Openings:
    """Between the look into the ledger and the swap nothing is lost or counted twice.

    What ended before the look is noted first and is in the ledger's answer; from then on the new accounts hear of
    everything themselves. Where the ledger cannot be read, each budget's `on_store_failure` says what holds until it
    can. `failed` is called for each look that fails.
    """

    def __init__(self, spend: SpendBook, recorder: Recorder, ledger: Ledger, failed: Callable[[], object]) -> None:
        self._spend = spend
        self._recorder = recorder
        self._ledger = ledger
        self._failed = failed
        self._broken: set[str] = set()

    async def read(self, snapshot: Snapshot) -> dict[str, Sums]:
        """Give what was spent of the budgets that are new, by name; nothing where the ledger cannot be read."""
        lacking = self._spend.lacking(snapshot.budgets)
        if not lacking:
            return {}
        self._recorder.note_waiting()
        budgets = [snapshot.budgets[each.budget] for each in lacking]
        self._spend.open(budgets)
        try:
            return await self._ledger.spent(lacking)
        except StoreError as error:
            self._failed()
            names = ", ".join(f"'{budget.name}' ({budget.on_store_failure})" for budget in budgets)
            logger.error("%s; until it can, what on_store_failure says holds of %s", error, names)  # noqa: TRY400 - in words
            return {}

    def take_up(self, snapshot: Snapshot, sums: dict[str, Sums]) -> None:
        """Put the budgets into force."""
        self._spend.take_up(snapshot.budgets, sums)

    async def run(self, clock: Clock) -> None:
        """Try again and again to read what could not be read; never ends."""
        while True:
            await clock.sleep(REREAD_EVERY_S)
            with survived("reading again what budgets have spent", self._broken):
                await self.reread()

    async def reread(self) -> None:
        """Read what is not known of budgets, if anything; where that fails, all stays as it was."""
        if not self._spend.unread:
            return
        self._recorder.note_waiting()
        unread = self._spend.reread()
        try:
            sums = await self._ledger.spent(unread)
        except StoreError:
            self._failed()
            return
        self._spend.known(sums)
        logger.warning("it is known again what was spent of %s", ", ".join(f"'{each.budget}'" for each in unread))
