"""What the rows of a day were spent on, as far as the ledger has them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.adapters import spent_rows as module
from gateway.adapters.log_sqlite import LogReader, file_name
from gateway.adapters.spent_rows import spent_on
from gateway.domain.ledger import Posting, amounts_of, summed
from tests.adapters.entries import NOON, entry
from tests.adapters.journals import ledger_of, write

TODAY = NOON.date()


def test_rows_to_a_number_are_read_in_bites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was booked is what is read: no row behind it, whichever bite it is in."""
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 4)
    write(tmp_path, *(entry(number) for number in range(10)))
    log = LogReader(tmp_path / "log")
    assert [len(list(spent_on(log, TODAY, up_to))) for up_to in (0, 1, 4, 5, 10, 99)] == [0, 1, 4, 5, 10, 10]


def test_what_is_read_adds_up_to_the_ledger(tmp_path: Path) -> None:
    """U-79: to the nano-dollar, under the same accounts."""
    write(tmp_path, *(entry(number) for number in range(10)))
    spent = spent_on(LogReader(tmp_path / "log"), TODAY, 10)
    assert summed(Posting(each.account, amounts_of(each.usage, each.nano_usd)) for each in spent) == ledger_of(tmp_path)


def test_a_row_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, *(entry(number) for number in range(3)))
    with closing(sqlite3.connect(tmp_path / "log" / file_name(TODAY))) as database:
        database.execute("update requests set attempts = '[{]' where rowid = 2")
        database.commit()
    assert len(list(spent_on(LogReader(tmp_path / "log"), TODAY, 3))) == 2


def test_a_day_without_a_file_was_spent_on_nothing(tmp_path: Path) -> None:
    assert list(spent_on(LogReader(tmp_path), TODAY, 3)) == []
