"""The day files as they are written: one transaction a batch, retention, and files that are broken or gone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.adapters.day_files import AT_ONCE, LOOK_EVERY_ROWS, MOST_MOVED_ASIDE, DayFiles
from gateway.adapters.log_sqlite import LogReader, file_name
from gateway.domain.entry import Entry
from gateway.domain.snapshot import Defaults
from tests.adapters.entries import NOON, entry
from tests.adapters.journals import ids

BYTES_A_ROW = 1_500
TODAY = NOON.date()
DAY = file_name(TODAY)
GARBAGE = b"not a database at all " * 500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


class Kept:
    """What is kept, as rule files say it: another value holds from the next write on."""

    def __init__(self, days: int = 30, size: int = 10**12) -> None:
        self.days = days
        self.size = size

    def __call__(self) -> Defaults:
        return Defaults(retention_days=self.days, retention_bytes=self.size)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def files(folder: Path, kept: Kept) -> Iterator[DayFiles]:
    files = DayFiles(folder, kept)
    yield files
    files.close()


def insert(files: DayFiles, *entries: Entry) -> list[Entry]:
    """Write entries, each with the next number of its day; give those that no file takes."""
    refused: list[Entry] = []
    for one in entries:
        refused += files.insert(one.at.date(), [(files.top(one.at.date()) + 1, one)])
    return refused


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.db"))


def test_rows_have_the_numbers_that_they_are_given(files: DayFiles, folder: Path) -> None:
    """U-79: the ledger keeps up to which it has them."""
    assert files.top(TODAY) == 0
    files.insert(TODAY, [(5, entry(1)), (9, entry(2))])
    assert files.top(TODAY) == 9
    files.close()
    assert files.top(TODAY) == 9
    assert [row["number"] for row in LogReader(folder).past(TODAY, 0, 10)] == [5, 9]


@pytest.mark.parametrize("count", [1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE, 3 * AT_ONCE + 5])
def test_however_many_rows_come_at_once_each_is_written_once(files: DayFiles, folder: Path, count: int) -> None:
    """U-99: those that are there already are left as they are, and one that no file takes costs no other."""
    entries = [entry(number) for number in range(1, count + 1)]
    files.insert(TODAY, list(enumerate(entries[: count // 2 + 1], 1)))
    bad = entry(9_999, cost_nano_usd=2**63)
    assert files.insert(TODAY, list(enumerate(entries, 1))) == ()
    refused = files.insert(TODAY, list(enumerate([*entries[: count // 2], bad, *entries], 1)))
    assert refused == [bad]
    assert [row["id"] for row in LogReader(folder).rows(10 * AT_ONCE)] == ids(entries)[::-1]
    assert [row["number"] for row in LogReader(folder).past(TODAY, 0, 10 * AT_ONCE)] == [*range(1, count + 1)]


def test_a_day_ends_at_midnight_utc(files: DayFiles, folder: Path) -> None:
    insert(files, entry(1), entry(2, NOON + timedelta(days=1)), entry(3))
    assert names(folder) == [DAY, file_name(TODAY + timedelta(days=1))]
    assert len(LogReader(folder).past(TODAY, 0, 10)) == 2


def test_the_same_entry_twice_is_one_row(files: DayFiles, folder: Path) -> None:
    """What seemed to fail and was written after all is written again without harm."""
    insert(files, entry(1), entry(1))
    assert len(LogReader(folder).rows(10)) == 1


def test_a_row_that_no_file_can_take_takes_no_other_with_it(
    files: DayFiles, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-99: it is named, and given back."""
    good = [entry(1), entry(5), entry(6)]
    bad = [entry(2, requested_model="\ud800"), entry(3, cost_nano_usd=2**63), entry(4, facts={"x": object()})]
    refused = files.insert(TODAY, list(enumerate((good[0], *bad, *good[1:]), 1)))
    assert refused == bad
    assert [row["id"] for row in LogReader(folder).rows(10)] == ids(good)[::-1]
    for one in bad:
        assert f"the log row of request {one.id} cannot be kept" in caplog.text


def test_a_typical_row_stays_within_its_budget(files: DayFiles, folder: Path) -> None:
    """U-102: an entry with every field filled, in bytes of the file."""
    count = 2_000
    files.insert(TODAY, [(number, entry(number)) for number in range(1, count + 1)])
    files.close()
    assert sum(path.stat().st_size for path in folder.iterdir()) / count < BYTES_A_ROW


def test_a_file_of_a_later_version_is_left_as_it_is(files: DayFiles, folder: Path) -> None:
    """U-102: the version of the schema is looked at before a row is written."""
    insert(files, entry(1))
    files.close()
    with closing(sqlite3.connect(folder / DAY)) as database:
        database.execute("pragma user_version=99")
    with pytest.raises(sqlite3.DatabaseError, match=rf"{DAY} was written by a later version \(99 > 1\)") as caught:
        insert(files, entry(2))
    files.move_aside_if_broken(TODAY, caught.value)
    assert names(folder) == [DAY]
    assert [row["id"] for row in LogReader(folder).rows(10)] == [entry(1).id]


def test_retention_drops_whole_day_files_and_nothing_else(files: DayFiles, folder: Path, kept: Kept) -> None:
    """U-101: days past the limit go as files, without a row being read."""
    insert(files, *(entry(number, NOON - timedelta(days=number)) for number in range(6)))
    (folder / "requests-20261118.db-wal").write_bytes(b"left behind")
    (folder / "requests-20261117.db-shm").write_bytes(b"left behind")
    (folder / "notes.txt").write_text("mine")
    kept.days = 2
    insert(files, entry(0, NOON + timedelta(seconds=1)))
    files.close()
    assert sorted(path.name for path in folder.iterdir()) == [
        "notes.txt",
        "requests-20261121.db",
        "requests-20261122.db",
        "requests-20261123.db",
    ]


def test_a_shorter_retention_holds_from_the_next_row_on(files: DayFiles, folder: Path, kept: Kept) -> None:
    """U-101: retention is in the rule files, and those are live."""
    insert(files, entry(1, NOON - timedelta(days=5)), entry(2))
    assert len(names(folder)) == 2
    kept.days = 1
    insert(files, entry(3))
    assert names(folder) == [DAY]


def filled(files: DayFiles, days: int) -> list[date]:
    """Write a day of about half a megabyte for each of the days up to today."""
    filled = [TODAY - timedelta(days=back) for back in range(days - 1, -1, -1)]
    for place, day in enumerate(filled):
        at = NOON - timedelta(days=days - 1 - place)
        files.insert(day, [(number, entry(number, at + timedelta(seconds=number))) for number in range(1, 401)])
    return filled


def test_past_the_size_the_oldest_days_go(files: DayFiles, folder: Path, kept: Kept) -> None:
    """U-101: whole days, the oldest first, as few as it takes."""
    days = filled(files, 5)
    sizes = {day: (folder / file_name(day)).stat().st_size for day in days[:-1]}
    today = sum(path.stat().st_size for path in folder.glob(f"{DAY}*"))
    kept.size = today + sizes[days[3]] + sizes[days[2]] + 100_000
    insert(files, entry(9_999))
    assert names(folder) == [file_name(day) for day in days[2:]]


def test_today_is_kept_whatever_its_size(files: DayFiles, folder: Path, kept: Kept) -> None:
    """U-101: also when today alone is more than all that is kept."""
    days = filled(files, 3)
    kept.size = 1
    insert(files, entry(9_999))
    assert names(folder) == [file_name(days[-1])]


def test_a_day_that_grows_past_the_size_is_noticed(files: DayFiles, folder: Path, kept: Kept) -> None:
    """U-101: within a number of rows, not at the next midnight."""
    insert(files, entry(1, NOON - timedelta(days=1)), entry(2))
    kept.size = 200_000
    insert(files, entry(3))
    assert len(names(folder)) == 2
    rows = [(number, entry(number)) for number in range(4, 4 + LOOK_EVERY_ROWS)]
    files.insert(TODAY, rows)
    assert names(folder) == [DAY]


def test_rows_of_yesterday_that_come_late_cost_today_nothing(files: DayFiles, folder: Path, kept: Kept) -> None:
    """U-101: a request that ends after midnight is of the day it came on."""
    filled(files, 3)
    kept.size = 1
    insert(files, entry(9_999, NOON - timedelta(days=1, seconds=1)))
    assert names(folder) == ["requests-20261122.db", DAY]


def test_a_retention_of_all_time_is_no_error(files: DayFiles, folder: Path, kept: Kept) -> None:
    kept.days = 10**9
    insert(files, entry(1))
    assert len(LogReader(folder).rows(10)) == 1


def test_an_old_file_that_cannot_be_deleted_keeps_no_row_from_being_written(
    files: DayFiles, folder: Path, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """U-101: and is spoken of once."""
    (folder / "requests-20200101.db").mkdir(parents=True)
    insert(files, entry(1))
    kept.days = 29
    insert(files, entry(2))
    assert len(LogReader(folder).rows(1)) == 1
    assert caplog.text.count("the old log file requests-20200101.db cannot be deleted") == 1


def broken_by(files: DayFiles, one: Entry) -> Exception:
    """Give what writing an entry raises."""
    with pytest.raises(sqlite3.DatabaseError) as caught:
        insert(files, one)
    return caught.value


@pytest.mark.parametrize("how", ["garbage", "pages"])
def test_a_broken_file_is_moved_aside_and_a_new_one_is_begun(
    files: DayFiles, folder: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """U-99: it is never deleted, for most of its rows can be had back, and it is said loudly."""
    files.insert(TODAY, [(number, entry(number)) for number in range(1, 400)])
    files.close()
    path = folder / DAY
    path.write_bytes(GARBAGE if how == "garbage" else path.read_bytes()[:16_384] + GARBAGE * 50)
    content = path.read_bytes()
    (folder / f"{DAY}-wal").touch()
    files.move_aside_if_broken(TODAY, broken_by(files, entry(1_000)))
    insert(files, replace(entry(1_001), rule="new"))
    assert (folder / "requests-20261123.broken-1").read_bytes() == content
    assert [row["rule"] for row in LogReader(folder).rows(10)] == ["new"]
    assert caplog.text.count("is broken") == 1
    assert "it is kept as requests-20261123.broken-1, and a new one is begun" in caplog.text


def test_files_that_break_again_and_again_are_not_made_without_end(files: DayFiles, folder: Path) -> None:
    """U-99: a disk that breaks whatever is written is not filled with broken files."""
    folder.mkdir()
    for _ in range(MOST_MOVED_ASIDE + 3):
        (folder / DAY).write_bytes(GARBAGE)
        files.move_aside_if_broken(TODAY, broken_by(files, entry(1)))
    assert len(list(folder.glob("*.broken-*"))) == MOST_MOVED_ASIDE
    assert (folder / DAY).read_bytes() == GARBAGE


def test_a_broken_file_that_cannot_be_moved_stays_and_is_named(
    files: DayFiles, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    (folder / DAY).write_bytes(GARBAGE)
    error = broken_by(files, entry(1))

    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(path), None, str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    files.move_aside_if_broken(TODAY, error)
    assert "cannot be moved aside" in caplog.text
    assert (folder / DAY).read_bytes() == GARBAGE


@pytest.mark.parametrize("error", [sqlite3.OperationalError("database is locked"), OSError("no space left")])
def test_a_file_that_is_only_in_trouble_stays_where_it_is(files: DayFiles, folder: Path, error: Exception) -> None:
    insert(files, entry(1))
    files.move_aside_if_broken(TODAY, error)
    assert names(folder) == [DAY]
    assert insert(files, entry(2)) == []


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_a_file_that_was_deleted_under_the_writer_is_begun_anew(files: DayFiles, folder: Path, gone: str) -> None:
    """U-99: rows are never written to a file that nobody can open any more."""
    insert(files, entry(1))
    for path in folder.iterdir():
        path.unlink()
    if gone == "folder":
        folder.rmdir()
    insert(files, entry(2))
    assert [row["id"] for row in LogReader(folder).rows(10)] == [entry(2).id]
