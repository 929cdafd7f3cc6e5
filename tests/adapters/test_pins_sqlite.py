"""Who answered each conversation is kept by the journal's thread, on a real file, and outlives whoever wrote it."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.adapters import last_words
from gateway.adapters.pins_sqlite import KeptPins
from gateway.domain.affinity import Pin
from tests.adapters.journals import Told, journal_of, locked, turn

UNTIL = datetime(2026, 11, 23, 12, 0, 7, tzinfo=UTC)
SMALL, LARGE = Pin("small", UNTIL), Pin("large", UNTIL)
LEAST, MOST = -(2**63), 2**63 - 1


def test_the_last_word_on_each_conversation_is_kept(tmp_path: Path) -> None:
    """U-79: however many between two batches are one write; any hash of 64 bits can be kept."""
    journal = journal_of(tmp_path)
    pins = KeptPins(tmp_path / "state.db", journal, Told().fail)
    for number, pin in ((LEAST, SMALL), (MOST, LARGE), (LEAST, LARGE), (3, SMALL), (3, None), (4, None)):
        pins.keep(number, pin)
    assert journal._queue.qsize() == 1
    turn(journal)
    assert KeptPins(tmp_path / "state.db", journal, Told().fail).all() == {LEAST: LARGE, MOST: LARGE}
    pins.keep(MOST, None)
    turn(journal)
    assert pins.all() == {LEAST: LARGE}


def test_what_cannot_be_written_waits_in_bounded_room(tmp_path: Path) -> None:
    """U-99: each failure is counted; past the bound the oldest words are forgotten."""
    told = Told()
    journal = journal_of(tmp_path)
    pins = KeptPins(tmp_path / "state.db", journal, told.fail)
    with locked(tmp_path / "state.db"):
        pins.keep(1, SMALL)
        turn(journal)
    assert (told.failed, pins.all()) == (["affinity"], {})
    for number in range(2, last_words.MOST_WAITING + 2):
        pins.keep(number, LARGE)
    turn(journal)
    kept = pins.all()
    assert (len(kept), 1 in kept) == (last_words.MOST_WAITING, False)


def test_what_cannot_be_read_is_said_and_counted_and_keeps_nobody_from_starting(tmp_path: Path) -> None:
    told = Told()
    pins = KeptPins(tmp_path / "state.db", journal_of(tmp_path), told.fail)
    with closing(sqlite3.connect(tmp_path / "state.db")) as database, database:
        database.execute("insert into pins values (1, 'small', 'no moment')")
    assert pins.all() == {}
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        database.execute("drop table pins")
    assert pins.all() == {}
    assert told.failed == ["affinity", "affinity"]
