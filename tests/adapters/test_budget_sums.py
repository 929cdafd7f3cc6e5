"""What budgets have spent, asked of a journal that writes to real files: of the ledger, and of the rows of a minute."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from gateway.adapters.budget_sums import BudgetSums
from gateway.adapters.journal import Journal
from gateway.adapters.ledger_sqlite import LedgerReader
from gateway.adapters.log_sqlite import LogReader, file_name
from gateway.domain.alike import added_up
from gateway.domain.budget import Dimension, Scope, Wanted
from gateway.domain.entry import Entry
from gateway.domain.problem import StoreError
from gateway.web.ids import new_id
from tests.adapters.entries import ENTRY, NOON
from tests.adapters.journals import journal_of, locked, wait_for_row

COST = ENTRY.cost_nano_usd
START_S = int(NOON.timestamp())
MINUTE = Wanted("all", Scope(), START_S, START_S, 60)


def entry_at(at: datetime) -> Entry:
    return structs.replace(ENTRY, id=new_id(at), at=at)


@asynccontextmanager
async def asking(data: Path) -> AsyncIterator[tuple[Journal, BudgetSums]]:
    journal = journal_of(data)
    journal.start()
    try:
        yield journal, BudgetSums(journal, LedgerReader(data / "state.db"), LogReader(data / "log"))
    finally:
        await asyncio.to_thread(journal.close)


async def test_a_minute_has_what_came_in_it_and_nothing_of_its_neighbours(tmp_path: Path) -> None:
    """U-79: to the millisecond at both ends, by whatever the budget is of, and all that was put before."""
    moments_s = (-0.001, 0.0, 59.999, 60.0)
    async with asking(tmp_path) as (journal, sums):
        for moment_s in moments_s:
            journal.put(added_up([entry_at(NOON + timedelta(seconds=moment_s))]))
        scopes = {"gpt": Scope(((Dimension.MODEL, "gpt"),)), "other": Scope(((Dimension.TEAM, "other"),))}
        found = await sums.spent([MINUTE, *(replace(MINUTE, budget=name, scope=each) for name, each in scopes.items())])
    assert found == {"all": {START_S: 2 * COST}, "gpt": {START_S: 2 * COST}, "other": {}}


async def test_a_day_without_a_file_has_spent_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, sums):
        assert await sums.spent([MINUTE]) == {"all": {}}


async def test_rows_that_wait_for_their_file_make_a_minute_unknown(tmp_path: Path) -> None:
    """U-72: what is not written cannot be read; the ledger, which has it, can be asked all the same."""
    quarter = START_S // 900 * 900
    async with asking(tmp_path) as (journal, sums):
        first = entry_at(NOON)
        journal.put(added_up([first]))
        await asyncio.to_thread(wait_for_row, tmp_path / "log", first.id)
        with locked(tmp_path / "log" / file_name(NOON.date())):
            journal.put(added_up([entry_at(NOON)]))
            with pytest.raises(StoreError, match="not written yet"):
                await sums.spent([MINUTE])
            assert await sums.spent([Wanted("all", Scope(), quarter, quarter)]) == {"all": {quarter: 2 * COST}}


async def test_a_day_file_that_cannot_be_read_makes_a_minute_unknown(tmp_path: Path) -> None:
    """U-72: it is not the same as nothing spent."""
    async with asking(tmp_path) as (journal, sums):
        journal.put(added_up([entry_at(NOON)]))
        await sums.spent([MINUTE])
        with closing(sqlite3.connect(tmp_path / "log" / file_name(NOON.date()))) as database:
            database.execute("alter table requests rename to others")
        with pytest.raises(StoreError, match=r"requests-\d+\.db cannot be read"):
            await sums.spent([MINUTE])
