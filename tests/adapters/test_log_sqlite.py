"""The log, on real files: what is written, what is read, and what is kept of it."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.log_sqlite import MOST_WAITING, LogReader, LogWriter, day_of
from gateway.domain.entry import Entry
from tests.adapters.entries import NOON, entry, id_at

BYTES_A_ROW = 1_500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "log"


def thirty() -> int:
    return 30


@contextmanager
def writing(folder: Path, retention_days: Callable[[], int] = thirty) -> Iterator[LogWriter]:
    """Run a writer that must not fail and must not drop."""
    troubles: list[str] = []
    writer = LogWriter(folder, retention_days, lambda: troubles.append("failed"), lambda: troubles.append("dropped"))
    writer.start()
    yield writer
    writer.close()
    assert troubles == []
    assert writer.healthy


def write(folder: Path, *entries: Entry) -> None:
    with writing(folder) as writer:
        for one in entries:
            assert writer.put(one)


def ids(entries: list[Entry]) -> list[str]:
    return [one.id for one in entries]


def test_close_writes_all_that_waits(folder: Path) -> None:
    """U-100: rows that were taken are in the file when the daemon has ended, more than fit a batch too."""
    entries = [entry(number) for number in range(2_500)]
    write(folder, *entries)
    assert [row["id"] for row in LogReader(folder).rows(5_000)] == ids(entries)[::-1]


def test_a_row_comes_back_whole_by_its_id(folder: Path) -> None:
    one = entry(3)
    write(folder, entry(2), one, entry(4))
    row = LogReader(folder).find(one.id)
    assert row is not None
    assert (row["id"], row["rule"], row["facts"]) == (one.id, "code", one.facts)


def test_pages_go_back_through_the_days_without_a_gap_or_a_repeat(folder: Path) -> None:
    entries = [entry(number, NOON + timedelta(hours=5 * number)) for number in range(23)]
    write(folder, *entries)
    reader = LogReader(folder)
    seen: list[str] = []
    before = None
    while rows := reader.rows(4, before):
        assert len(rows) <= 4
        seen += [row["id"] for row in rows]
        before = seen[-1]
    assert seen == ids(entries)[::-1]
    assert len(list(folder.glob("*.db"))) == 6


def test_a_page_starts_where_an_id_would_stand_that_was_never_given(folder: Path) -> None:
    entries = [entry(number, NOON + timedelta(days=number)) for number in range(3)]
    write(folder, *entries)
    rows = LogReader(folder).rows(10, id_at(NOON + timedelta(days=1, seconds=1)))
    assert [row["id"] for row in rows] == ids(entries[:2])[::-1]


@pytest.mark.parametrize("odd", ["", "nonsense", "zz' or 1=1 --", "f" * 40, "-1", "💥", "0192f0c4"])
def test_an_id_that_is_none_finds_nothing_and_breaks_nothing(folder: Path, odd: str) -> None:
    """U-111: what a caller writes is a value."""
    write(folder, entry(1))
    reader = LogReader(folder)
    assert reader.find(odd) is None
    assert len(reader.rows(10, odd)) <= 1
    assert len(reader.rows(10)) == 1


def test_the_same_entry_twice_is_one_row(folder: Path) -> None:
    write(folder, entry(1), entry(1))
    write(folder, entry(1))
    assert len(LogReader(folder).rows(10)) == 1


def test_a_day_ends_at_midnight_utc(folder: Path) -> None:
    last = entry(1, datetime(2026, 11, 23, 23, 59, 59, 999000, UTC))
    first = entry(2, datetime(2026, 11, 24, tzinfo=UTC))
    late = entry(3, datetime(2026, 11, 23, 23, 59, 59, 999500, UTC))
    write(folder, last, first, late)
    assert sorted(path.name for path in folder.glob("*.db")) == ["requests-20261123.db", "requests-20261124.db"]
    reader = LogReader(folder)
    assert [row["id"] for row in reader.rows(10)] == [first.id, late.id, last.id]
    for one in (last, first, late):
        assert reader.find(one.id) is not None


def test_retention_drops_whole_day_files_and_nothing_else(folder: Path) -> None:
    """U-101: days past the limit go as files, without a row being read."""
    write(folder, *(entry(number, NOON - timedelta(days=number)) for number in range(6)))
    (folder / "requests-20261118.db-wal").write_bytes(b"left behind")
    (folder / "notes.txt").write_text("mine")
    with writing(folder, lambda: 2) as writer:
        writer.put(entry(0, NOON))
    assert sorted(path.name for path in folder.iterdir()) == [
        "notes.txt",
        "requests-20261121.db",
        "requests-20261122.db",
        "requests-20261123.db",
    ]


def test_a_shorter_retention_holds_from_the_next_row_on(folder: Path) -> None:
    """U-101: retention is in the rule files, and those are live."""
    write(folder, entry(1, NOON - timedelta(days=5)))
    days = [30]
    with writing(folder, lambda: days[0]) as writer:
        writer.put(entry(2))
        wait_for_row(folder, entry(2).id)
        assert len(list(folder.glob("*.db"))) == 2
        days[0] = 1
        writer.put(entry(3))
    assert [path.name for path in folder.glob("*.db")] == ["requests-20261123.db"]


def wait_for_row(folder: Path, row_id: str) -> None:
    reader = LogReader(folder)
    while reader.find(row_id) is None:  # the time limit of the test bounds it
        pass


def test_a_retention_of_all_time_is_no_error(folder: Path) -> None:
    with writing(folder, lambda: 10**9) as writer:
        writer.put(entry(1))
    assert len(LogReader(folder).rows(10)) == 1


def test_an_old_file_that_cannot_be_deleted_keeps_no_row_from_being_written(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "requests-20200101.db").mkdir(parents=True)
    write(folder, entry(1))
    assert len(LogReader(folder).rows(1)) == 1
    assert "the old log file requests-20200101.db cannot be deleted" in caplog.text


def test_put_never_waits_and_says_when_a_row_is_dropped(folder: Path) -> None:
    """U-99: a bounded queue, and what is past the bound is known to whoever counts it."""
    writer = LogWriter(folder, thirty, lambda: None)
    one = entry(1)
    assert all(writer.put(one) for _ in range(MOST_WAITING))
    assert not writer.put(one)
    writer.start()
    writer.close()
    assert [row["id"] for row in LogReader(folder).rows(10)] == [one.id]


def test_a_row_that_no_file_can_take_is_dropped_and_counted_alone(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-99: one row that cannot be stored takes no other with it, and does not end the thread."""
    dropped: list[int] = []
    writer = LogWriter(folder, thirty, lambda: None, lambda: dropped.append(1))
    writer.start()
    good = [entry(1), entry(5), entry(6)]
    bad = [entry(2, requested_model="\ud800"), entry(3, cost_nano_usd=2**63), entry(4, facts={"x": object()})]
    for one in (good[0], *bad, *good[1:]):
        writer.put(one)
    writer.close()
    assert [row["id"] for row in LogReader(folder).rows(10)] == ids(good)[::-1]
    assert len(dropped) == 3
    assert writer.healthy
    for one in bad:
        assert f"the log row of request {one.id} cannot be kept" in caplog.text


def test_a_typical_row_stays_within_its_budget(folder: Path) -> None:
    """U-102: an entry with every field filled, in bytes of the file."""
    count = 2_000
    write(folder, *(entry(number) for number in range(count)))
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size / count < BYTES_A_ROW


def test_a_file_of_a_later_version_is_left_as_it_is(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """U-102: the version of the schema is looked at before a row is written."""
    write(folder, entry(1))
    path = folder / "requests-20261123.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma user_version=99")
    failed: list[int] = []
    writer = LogWriter(folder, thirty, lambda: failed.append(1))
    writer.start()
    writer.put(entry(2))
    writer.close()
    assert failed
    assert not writer.healthy
    assert "requests-20261123.db was written by a later version (99 > 1)" in caplog.text
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("pragma user_version").fetchone() == (99,)
    assert [row["id"] for row in LogReader(folder).rows(10)] == [entry(1).id]


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """SQLite takes addresses for reading: a name is not to be read as a part of one."""
    folder = tmp_path / "what? 100% #1"
    write(folder, entry(1))
    assert len(LogReader(folder).rows(10)) == 1


def test_reading_where_nothing_was_written_gives_nothing(folder: Path) -> None:
    reader = LogReader(folder)
    assert reader.rows(10) == []
    assert reader.find(entry(1).id) is None


@pytest.mark.parametrize(
    ("content", "warnings"), [(b"", 0), (b"not a database at all " * 100, 2)], ids=["new", "garbage"]
)
def test_a_file_without_rows_hides_no_other(
    folder: Path, content: bytes, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that a writer has just made is passed over in silence, one that is none is named."""
    write(folder, entry(1))
    (folder / "requests-20261124.db").write_bytes(content)
    reader = LogReader(folder)
    assert [row["id"] for row in reader.rows(10)] == [entry(1).id]
    assert reader.find(id_at(NOON + timedelta(days=1))) is None
    assert caplog.text.count("requests-20261124.db cannot be read") == warnings


def test_a_reader_sees_rows_while_they_are_written(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with writing(folder) as writer:
        writer.put(entry(1))
        wait_for_row(folder, entry(1).id)
    assert caplog.text == ""


@given(st.integers(86_400_000, 253_402_214_400_000), st.integers(0, 2**60))
def test_the_day_of_an_id_is_the_day_it_was_made(at_ms: int, chance: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    assert day_of(id_at(moment, chance)) == moment.date()


@given(st.text(max_size=40))
def test_any_text_has_a_day_or_none(text: str) -> None:
    assert isinstance(day_of(text), date | None)
