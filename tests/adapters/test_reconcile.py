"""A start: every row is in the ledger before requests are taken, and none twice."""

import json
import logging
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.adapters import reconcile as module
from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.reconcile import reconcile
from gateway.adapters.state_sqlite import MIGRATIONS
from gateway.domain.problem import StoreError
from tests.adapters.entries import NOON, entry
from tests.adapters.journals import ledger_of, made, numbers_of, rows_of, sums_of_rows, write

TODAY = NOON.date()
THREE_DAYS = [entry(number, NOON + timedelta(hours=number)) for number in range(60)]


def start(data: Path) -> None:
    """Reconcile as a start does."""
    assert reconcile(LogReader(data / "log"), made(data)) == numbers_of(data)


def without_state(data: Path) -> None:
    for path in data.glob("state.db*"):
        path.unlink()


def test_a_state_that_is_new_is_made_from_the_days_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """U-79: a lost `state.db` is no free refill; all days, in bites that a kill may come between."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 7)
    write(tmp_path, *THREE_DAYS)
    before = ledger_of(tmp_path)
    without_state(tmp_path)
    start(tmp_path)
    assert ledger_of(tmp_path) == before == sums_of_rows(tmp_path)
    assert "60 rows of the log were not in the ledger yet, and are now" in caplog.text
    caplog.clear()
    start(tmp_path)
    assert ledger_of(tmp_path) == before
    assert caplog.text == ""


def test_rows_of_before_the_ledger_are_booked_by_the_version_that_has_one(tmp_path: Path) -> None:
    """U-102: an upgrade of a data directory: a state of version 1 beside day files."""
    write(tmp_path, *THREE_DAYS)
    rows = sums_of_rows(tmp_path)
    without_state(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        database.executescript(f"{MIGRATIONS[0]}; pragma user_version=1;")
    start(tmp_path)
    assert ledger_of(tmp_path) == rows


def test_days_that_were_dropped_stay_in_the_ledger(tmp_path: Path) -> None:
    """U-75 U-101: deleting old log days changes no sum, and a day file that comes back is not booked again."""
    write(tmp_path, *THREE_DAYS)
    before = ledger_of(tmp_path)
    day = tmp_path / "log" / "requests-20261123.db"
    day.rename(tmp_path / "backup")
    start(tmp_path)
    assert ledger_of(tmp_path) == before
    (tmp_path / "backup").rename(day)
    start(tmp_path)
    assert ledger_of(tmp_path) == before


def test_a_day_that_cannot_be_read_holds_no_start_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """U-99: it is named; the other days are booked."""
    write(tmp_path, *THREE_DAYS)
    without_state(tmp_path)
    (tmp_path / "log" / "requests-20261124.db").write_bytes(b"not a database at all " * 100)
    start(tmp_path)
    assert ledger_of(tmp_path) == sums_of_rows(tmp_path)
    assert len(rows_of(tmp_path)) == 36
    assert "requests-20261124.db cannot be read" in caplog.text


@pytest.mark.parametrize(
    "attempts", ["nonsense", "[1]", json.dumps([{"model": "gpt", "status": 200, "failure": None, "kind": "gift"}])]
)
def test_a_row_that_makes_no_sense_holds_no_start_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, attempts: str
) -> None:
    """U-99: it is named, and the rows around it are booked."""
    write(tmp_path, *(entry(number) for number in range(3)))
    expected = ledger_of(tmp_path)
    (only,) = expected.values()
    without_state(tmp_path)
    with closing(sqlite3.connect(tmp_path / "log" / "requests-20261123.db")) as database, database:
        database.execute("update requests set attempts = ? where id = ?", (attempts, entry(1).id))
    start(tmp_path)
    (amounts,) = ledger_of(tmp_path).values()
    assert (amounts.attempts, amounts.nano_usd) == (2, only.nano_usd // 3 * 2)
    assert f"the log row {entry(1).id} cannot be booked" in caplog.text


def test_a_ledger_that_cannot_be_written_is_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-79: a start that cannot bring the ledger up to the log must not take requests."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    write(tmp_path, entry(1))
    without_state(tmp_path)
    with closing(sqlite3.connect(made(tmp_path))) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreError, match="cannot be brought up to the log: database is locked"):
            start(tmp_path)


def test_a_ledger_that_is_broken_is_named_with_the_remedy(tmp_path: Path) -> None:
    """U-126: and the remedy mends it: nothing is lost that has a row."""
    write(tmp_path, *(replace(each, team=f"team {place}") for place, each in enumerate(THREE_DAYS * 4)))
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as database:
        (size,) = database.execute("pragma page_size").fetchone()
        roots = "select rootpage from sqlite_master where name in ('ledger', 'booked')"
        pages = [page for (page,) in database.execute(roots)]
    content = bytearray(path.read_bytes())
    for page in pages:
        content[(page - 1) * size : page * size] = b"x" * size
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"malformed; move .*state\.db away, and the ledger is made anew from the log"):
        start(tmp_path)
    path.unlink()
    start(tmp_path)
    assert ledger_of(tmp_path) == sums_of_rows(tmp_path)
