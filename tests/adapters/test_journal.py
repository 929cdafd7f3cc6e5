"""The journal: rows and money, each once, whatever fails in between."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.adapters import day_files, journal
from gateway.adapters.journal import MOST_IN_A_BATCH, MOST_WAITING, TURNS_OF_REST
from gateway.adapters.log_sqlite import LogReader
from gateway.domain.alike import added_up
from gateway.domain.ledger import postings_of, summed
from tests.adapters.entries import NOON, entry
from tests.adapters.journals import (
    Told,
    ids,
    journal_of,
    leave,
    ledger_of,
    locked,
    made,
    numbers_of,
    rows_of,
    sums_of_rows,
    turn,
    write,
    writing,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked file fails at once."""
    monkeypatch.setattr(day_files, "BUSY_TIMEOUT_S", 0.0)


def test_close_writes_all_that_waits(data: Path) -> None:
    """U-100: what was taken is in the file and in the ledger when the daemon has ended, more than fit a batch too."""
    entries = [entry(number) for number in range(2 * MOST_IN_A_BATCH + 500)]
    write(data, *entries)
    assert [row["id"] for row in rows_of(data)] == ids(entries)
    assert (
        ledger_of(data)
        == sums_of_rows(data)
        == summed(each for one in entries for each in postings_of(added_up([one])))
    )


def test_a_batch_is_booked_with_the_number_of_its_last_row(data: Path) -> None:
    """U-79: each day has numbers of its own, which go on after a restart."""
    late = datetime(2026, 11, 23, 23, 59, 59, 999000, UTC)
    write(data, entry(1, late), entry(2, late + timedelta(seconds=1)), entry(3, late))
    write(data, entry(4, late))
    assert [(str(row["at"])[:10], row["number"]) for row in rows_of(data)] == [
        ("2026-11-23", 1),
        ("2026-11-23", 2),
        ("2026-11-23", 3),
        ("2026-11-24", 1),
    ]
    assert numbers_of(data) == {late.date(): 3, late.date() + timedelta(days=1): 1}
    assert ledger_of(data) == sums_of_rows(data)


def test_a_request_that_cost_nothing_has_a_row_and_no_sum(data: Path) -> None:
    write(data, entry(1, events=(), usage=None, cost_nano_usd=0, model=""))
    assert len(rows_of(data)) == 1
    assert ledger_of(data) == {}
    assert list(numbers_of(data).values()) == [1]


def test_a_question_that_fails_costs_no_row(data: Path) -> None:
    """U-99: its failure, whatever it is, is told to whoever asked, and the writing goes on."""
    with writing(data) as journal:
        asked = journal.ask(lambda waiting: waiting[ledger_of])  # type: ignore[index] # a bug
        with pytest.raises(KeyError):
            asked.result(timeout=10)
        assert journal.put(added_up([entry(1)]))
    assert len(rows_of(data)) == 1


def test_put_never_waits_and_the_money_of_a_dropped_row_is_booked(data: Path) -> None:
    """U-99: a bounded queue; what is past the bound is known to whoever counts it, and is paid."""
    told = Told()
    one = journal_of(data, told)
    small = entry(1)
    over = [entry(2, team="over"), entry(3, NOON + timedelta(days=1), team="over")]
    assert all(one.put(added_up([small])) for _ in range(MOST_WAITING))
    assert [one.put(added_up([each])) for each in over] == [False, False]
    one.start()
    one.close()
    sums = ledger_of(data)
    assert sum(amounts.nano_usd for account, amounts in sums.items() if account.team == "over") == 2 * 12_345_678
    assert told == Told()
    assert set(numbers_of(data)) == {NOON.date(), NOON.date() + timedelta(days=1)}


def test_the_money_of_a_row_that_no_file_takes_is_booked(data: Path) -> None:
    """U-99: the row is dropped and counted; what it cost is not given up with it."""
    told = Told()
    one = journal_of(data, told)
    one.put(added_up([entry(1)]))
    one.put(added_up([entry(2, facts={"x": object()})]))
    one.put(added_up([entry(3, tags=("\udcff",))]))
    turn(one)
    leave(one)
    assert (told.dropped, told.failed, one.healthy) == (2, [], True)
    assert len(rows_of(data)) == 1
    assert sum(amounts.attempts for amounts in ledger_of(data).values()) == 3


def test_rows_go_on_while_the_ledger_waits(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """U-99: `state.db` is locked: rows are written, money waits in memory, failures are counted, said once, and the
    store is tried again after a rest."""
    told = Told()
    one = journal_of(data, told)
    with locked(data / "state.db"):
        for number in range(3):
            one.put(added_up([entry(number)]))
            turn(one)
        assert len(rows_of(data)) == 3
        assert ledger_of(data) == {}
        assert (told.failed, one.healthy) == (["ledger"], False)
        turn(one, TURNS_OF_REST - 2)
        assert told.failed == ["ledger"] * 2
    turn(one, TURNS_OF_REST)
    assert one.healthy
    assert ledger_of(data) == sums_of_rows(data)
    leave(one)
    assert caplog.text.count("the ledger cannot be written to state.db and waits: database is locked") == 1
    assert caplog.text.count("the ledger is written again") == 1


def test_money_goes_on_while_rows_wait(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """U-99: the day file is locked: rows wait in their bound, their money is booked, and each is there once then."""
    told = Told()
    one = journal_of(data, told)
    one.put(added_up([entry(0)]))
    turn(one)
    with locked(data / "log" / "requests-20261123.db"):
        for number in range(1, 4):
            one.put(added_up([entry(number)]))
            turn(one)
        assert len(rows_of(data)) == 1
        assert sum(amounts.attempts for amounts in ledger_of(data).values()) == 4
        assert (told.failed, one.healthy) == (["log"], False)
    turn(one, TURNS_OF_REST)
    assert one.healthy
    assert [row["id"] for row in rows_of(data)] == ids([entry(number) for number in range(4)])
    assert ledger_of(data) == sums_of_rows(data)
    leave(one)
    assert told == Told(["log"])
    assert caplog.text.count("and wait: database is locked") == 1
    assert caplog.text.count("log rows are written again") == 1


def test_late_rows_of_several_days_are_written_in_batches(data: Path) -> None:
    """U-99: a backlog is caught up with in transactions of a bounded size."""
    one = journal_of(data)
    (data / "log").write_text("in the way")
    entries = [entry(number, NOON + timedelta(days=number % 2)) for number in range(MOST_IN_A_BATCH + 300)]
    for each in entries:
        assert one.put(added_up([each]))
    turn(one)
    (data / "log").unlink()
    turn(one, TURNS_OF_REST)
    leave(one)
    assert sorted(str(row["id"]) for row in rows_of(data)) == sorted(ids(entries))
    assert ledger_of(data) == sums_of_rows(data)


def test_rows_that_wait_count_towards_the_bound(data: Path) -> None:
    """U-99: while the file fails, no more rows are held than the queue may hold."""
    one = journal_of(data)
    (data / "log").write_text("in the way")
    small = entry(1)
    assert all(one.put(added_up([small])) for _ in range(MOST_WAITING // 2))
    turn(one)
    assert all(one.put(added_up([small])) for _ in range(MOST_WAITING // 2))
    assert not one.put(added_up([small]))
    turn(one)
    assert not one.put(added_up([small]))
    leave(one)
    assert sum(amounts.attempts for amounts in ledger_of(data).values()) == MOST_WAITING + 1


def test_what_cannot_be_written_at_the_end_is_counted_and_holds_nothing_up(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-99: what is lost at the end is known, row by row, and one try is enough to know it."""
    made(data)
    (data / "log").write_text("in the way")
    told = Told()
    one = journal_of(data, told)
    for number in range(3):
        one.put(added_up([entry(number)]))
    with locked(data / "state.db"):
        one.start()
        one.close()
    assert told.dropped == 3
    assert set(told.failed) == {"log", "ledger"}
    assert "3 log rows are lost" in caplog.text
    assert "the ledger could not be written before the end" in caplog.text


def test_a_backlog_at_the_end_is_tried_though_the_stores_were_resting(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-100: a stop does not wait for the next try, and does not do without one."""
    monkeypatch.setattr(journal, "BATCH_EVERY_S", 0.001)
    told = Told()
    one = journal_of(data, told)
    monkeypatch.setattr(journal, "TURNS_OF_REST", 10**9)
    (data / "log").write_text("in the way")
    one.start()
    one.put(added_up([entry(1)]))
    assert told.event.wait(20)
    (data / "log").unlink()
    one.close()
    assert len(rows_of(data)) == 1
    assert ledger_of(data) == sums_of_rows(data)


def test_a_file_with_more_rows_than_are_known_is_continued_after_them(data: Path) -> None:
    """A day file that was put in place under the daemon: no row of it is overwritten."""
    write(data, *(entry(number) for number in range(5)))
    one = journal_of(data)
    one._numbers.clear()
    one.put(added_up([entry(9)]))
    turn(one)
    leave(one)
    assert [row["number"] for row in rows_of(data)] == [1, 2, 3, 4, 5, 6]


def test_a_day_file_that_breaks_is_replaced_and_the_ledger_keeps_what_it_had(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-99 U-101: money of rows that can be read no more stays booked, and nothing is booked twice after a restart."""
    told = Told()
    write(data, *(entry(number) for number in range(3)))
    one = journal_of(data, told)
    (data / "log" / "requests-20261123.db").write_bytes(b"not a database at all " * 500)
    one.put(added_up([entry(3)]))
    turn(one)
    assert told == Told(["log"])
    one.put(added_up([entry(4)]))
    turn(one, TURNS_OF_REST)
    leave(one)
    assert [row["id"] for row in rows_of(data)] == ids([entry(3), entry(4)])
    assert sum(amounts.attempts for amounts in ledger_of(data).values()) == 5
    write(data, entry(5))
    assert sum(amounts.attempts for amounts in ledger_of(data).values()) == 6
    assert [row["number"] for row in rows_of(data)] == [4, 5, 6]
    assert caplog.text.count("is broken") == 1


def test_a_reader_finds_rows_soon(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rows are written while the daemon runs, not at its end."""
    caplog.set_level(logging.WARNING)
    with writing(data) as one:
        one.put(added_up([entry(1)]))
        while LogReader(data / "log").find(entry(1).id) is None:  # the time limit of the test bounds it
            pass
    assert caplog.text == ""
