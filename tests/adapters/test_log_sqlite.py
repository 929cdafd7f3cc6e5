"""The log as it is read, on real files."""

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.log_sqlite import LogReader, day_of, days_in, file_name
from gateway.domain.alike import added_up
from tests.adapters.entries import NOON, entry, id_at
from tests.adapters.journals import ids, wait_for_row, write, writing


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def folder(data: Path) -> Path:
    return data / "log"


def test_a_row_comes_back_whole_by_its_id(data: Path, folder: Path) -> None:
    one = entry(3)
    write(data, entry(2), one, entry(4))
    row = LogReader(folder).find(one.id)
    assert row is not None
    assert (row["id"], row["rule"], row["facts"]) == (one.id, "code", one.facts)


def test_pages_go_back_through_the_days_without_a_gap_or_a_repeat(data: Path, folder: Path) -> None:
    entries = [entry(number, NOON + timedelta(hours=5 * number)) for number in range(23)]
    write(data, *entries)
    reader = LogReader(folder)
    seen: list[str] = []
    before = None
    while rows := reader.rows(4, before):
        assert len(rows) <= 4
        seen += [row["id"] for row in rows]
        before = seen[-1]
    assert seen == ids(entries)[::-1]
    assert len(list(folder.glob("*.db"))) == 6


def test_a_page_starts_where_an_id_would_stand_that_was_never_given(data: Path, folder: Path) -> None:
    entries = [entry(number, NOON + timedelta(days=number)) for number in range(3)]
    write(data, *entries)
    rows = LogReader(folder).rows(10, id_at(NOON + timedelta(days=1, seconds=1)))
    assert [row["id"] for row in rows] == ids(entries[:2])[::-1]


@pytest.mark.parametrize("odd", ["", "nonsense", "zz' or 1=1 --", "f" * 40, "-1", "💥", "0192f0c4"])
def test_an_id_that_is_none_finds_nothing_and_breaks_nothing(data: Path, folder: Path, odd: str) -> None:
    """U-111: what a caller writes is a value."""
    write(data, entry(1))
    reader = LogReader(folder)
    assert reader.find(odd) is None
    assert len(reader.rows(10, odd)) <= 1
    assert len(reader.rows(10)) == 1


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """SQLite takes addresses for reading: a name is not to be read as a part of one."""
    data = tmp_path / "what? 100% #1"
    write(data, entry(1))
    assert len(LogReader(data / "log").rows(10)) == 1


def test_reading_where_nothing_was_written_gives_nothing(folder: Path) -> None:
    reader = LogReader(folder)
    assert reader.rows(10) == []
    assert reader.find(entry(1).id) is None


@pytest.mark.parametrize(
    ("content", "warnings"), [(b"", 0), (b"not a database at all " * 100, 2)], ids=["new", "garbage"]
)
def test_a_file_without_rows_hides_no_other(
    data: Path, folder: Path, content: bytes, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that a writer has just made is passed over in silence, one that is none is named."""
    write(data, entry(1))
    (folder / "requests-20261124.db").write_bytes(content)
    reader = LogReader(folder)
    assert [row["id"] for row in reader.rows(10)] == [entry(1).id]
    assert reader.find(id_at(NOON + timedelta(days=1))) is None
    assert caplog.text.count("requests-20261124.db cannot be read") == warnings


def test_a_reader_sees_rows_while_they_are_written(data: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with writing(data) as writer:
        writer.put(added_up([entry(1)]))
        wait_for_row(folder, entry(1).id)
    assert caplog.text == ""


def test_rows_past_a_number_come_in_their_order(data: Path, folder: Path) -> None:
    """What a start reads of a day: as it is stored, and no more at a time than is asked."""
    write(data, *(entry(number) for number in range(5)))
    rows = LogReader(folder).past(NOON.date(), 2, 2)
    assert [(row["number"], row["id"]) for row in rows] == [(3, entry(2).id), (4, entry(3).id)]
    assert LogReader(folder).past(NOON.date(), 5, 2) == []


def test_the_days_of_a_folder_are_those_of_its_files(folder: Path) -> None:
    """What else lies there is nobody's day."""
    folder.mkdir(parents=True)
    days = [date(2026, 11, 24), date(1999, 1, 1)]
    odd = ("requests-20261399.db", "requests-2026112é.db", "requests-20261123.broken-1", "requests.db", "notes.txt")
    for name in (*map(file_name, days), *odd):
        (folder / name).touch()
    assert days_in(folder) == LogReader(folder).days() == sorted(days)


@given(st.integers(86_400_000, 253_402_214_400_000), st.integers(0, 2**60))
def test_the_day_of_an_id_is_the_day_it_was_made(at_ms: int, chance: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    assert day_of(id_at(moment, chance)) == moment.date()


@given(st.text(max_size=40))
def test_any_text_has_a_day_or_none(text: str) -> None:
    assert isinstance(day_of(text), date | None)
