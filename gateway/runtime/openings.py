"""Puts the budgets of a snapshot into force: what was spent of the new ones is summed up from the ledger."""

from gateway.domain.budget import Wanted
from gateway.domain.snapshot import Snapshot
from gateway.runtime.ports import Ledger
from gateway.runtime.recorder import Recorder
from gateway.runtime.spend import SpendBook, Sums


class Openings:
    """Between the look into the ledger and the swap nothing is lost or counted twice.

    What ended before the look is noted first and is in the ledger's answer; from then on the new accounts hear of
    everything themselves.
    """

    def __init__(self, spend: SpendBook, recorder: Recorder, ledger: Ledger) -> None:
        self._spend = spend
        self._recorder = recorder
        self._ledger = ledger

    async def read(self, snapshot: Snapshot) -> dict[str, Sums]:
        """Give what was spent of the budgets that are new, by name. Raises StoreError."""
        lacking = self._spend.lacking(snapshot.budgets)
        if not lacking:
            return {}
        self._recorder.note_waiting()
        self._spend.open(snapshot.budgets[name] for name in lacking)
        wanted = [Wanted(name, snapshot.budgets[name].scope, *quarters) for name, quarters in lacking.items()]
        return await self._ledger.spent(wanted)

    def take_up(self, snapshot: Snapshot, sums: dict[str, Sums]) -> None:
        """Put the budgets into force."""
        self._spend.take_up(snapshot.budgets, sums)
