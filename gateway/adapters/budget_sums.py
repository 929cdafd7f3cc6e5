"""What the ledger has of budgets, at a moment that divides what was put before from what is put later."""

import asyncio
from collections.abc import Mapping, Sequence

from gateway.adapters.journal import Journal
from gateway.adapters.ledger_sqlite import LedgerReader
from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.spent_rows import spent_between
from gateway.domain.budget import Spender, Wanted
from gateway.domain.ledger import BOOKED_AS, Account, Amounts
from gateway.domain.problem import StoreError
from gateway.domain.window import QUARTER_HOUR_S


class BudgetSums:
    """Asks the journal, which answers between two batches: the ledger, or the log where its grain is too coarse."""

    def __init__(self, journal: Journal, reader: LedgerReader, log: LogReader) -> None:
        self._journal = journal
        self._reader = reader
        self._log = log

    async def spent(self, wanted: Sequence[Wanted]) -> dict[str, Mapping[int, int]]:
        """Give nano-dollars by stretch for each budget, of all that was put before. Raises StoreError."""
        return await asyncio.wrap_future(
            self._journal.ask(lambda waiting: {each.budget: self._sums(each, waiting) for each in wanted})
        )

    async def booked(self) -> bool:
        """Return once all that was put before is in the ledger, or could not be written; say whether all of it is."""
        return await asyncio.wrap_future(self._journal.ask(lambda waiting: not waiting))

    def _sums(self, wanted: Wanted, waiting: Mapping[Account, Amounts]) -> dict[int, int]:
        if wanted.grain_s < QUARTER_HOUR_S:
            return self._sums_of_rows(wanted)
        first, last = wanted.first, wanted.last
        dimensions = [BOOKED_AS[dimension] for dimension, _ in wanted.scope.parts]
        names = tuple(name for _, name in wanted.scope.parts)
        booked = self._reader.spend(first, last, ("quarter", *dimensions))
        sums = {int(key[0]): amounts.nano_usd for key, amounts in booked.items() if key[1:] == names}
        for account, amounts in waiting.items():
            if first <= account.quarter <= last and wanted.scope.covers(_spender(account)):
                sums[account.quarter] = sums.get(account.quarter, 0) + amounts.nano_usd
        return sums

    def _sums_of_rows(self, wanted: Wanted) -> dict[int, int]:
        if self._journal.rows_wait:
            raise StoreError("what was spent in this minute cannot be read: rows of the log are not written yet")
        sums: dict[int, int] = {}
        for at, spent in spent_between(self._log, wanted.first, wanted.last + wanted.grain_s):
            if wanted.scope.covers(_spender(spent.account)):
                start = int(at.timestamp()) // wanted.grain_s * wanted.grain_s
                sums[start] = sums.get(start, 0) + spent.nano_usd
        return sums


def _spender(account: Account) -> Spender:
    return Spender(
        account.team,
        account.caller,
        frozenset(account.tags),
        account.rule,
        account.category,
        account.model,
        account.provider,
    )
