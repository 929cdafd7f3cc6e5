"""Which models rest is kept by the journal's thread, on a real file, and outlives whoever wrote it."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.adapters.coolings_sqlite import Coolings
from gateway.domain.health import Cooling
from gateway.domain.words import Failure
from tests.adapters.journals import Told, journal_of, locked, turn

UNTIL = datetime(2026, 11, 23, 12, 0, 7, 250_000, tzinfo=UTC)
LIMITED = Cooling(Failure.RATE_LIMITED, UNTIL, 1)
TIMED_OUT = Cooling(Failure.TIMEOUT, UNTIL, 3)


def test_the_last_word_on_each_model_is_kept(tmp_path: Path) -> None:
    """U-79: several between two batches are one write, and a model that rests no more is forgotten."""
    journal = journal_of(tmp_path)
    coolings = Coolings(tmp_path / "state.db", journal, Told().fail)
    for model, cooling in (("a", TIMED_OUT), ("b", LIMITED), ("a", LIMITED), ("b", None), ("c", TIMED_OUT)):
        coolings.keep(model, cooling)
    assert journal._queue.qsize() == 1
    turn(journal)
    assert Coolings(tmp_path / "state.db", journal, Told().fail).all() == {"a": LIMITED, "c": TIMED_OUT}
    coolings.keep("a", None)
    turn(journal)
    assert coolings.all() == {"c": TIMED_OUT}


def test_what_could_not_be_written_is_written_with_the_next_change(tmp_path: Path) -> None:
    """U-99: the failure is counted; a later word on the same model is the one that holds."""
    told = Told()
    journal = journal_of(tmp_path)
    coolings = Coolings(tmp_path / "state.db", journal, told.fail)
    with locked(tmp_path / "state.db"):
        coolings.keep("a", LIMITED)
        coolings.keep("b", LIMITED)
        turn(journal)
    assert (told.failed, coolings.all()) == (["health"], {})
    coolings.keep("b", TIMED_OUT)
    turn(journal)
    assert coolings.all() == {"a": LIMITED, "b": TIMED_OUT}


def test_what_cannot_be_read_is_said_and_counted_and_keeps_nobody_from_starting(tmp_path: Path) -> None:
    told = Told()
    coolings = Coolings(tmp_path / "state.db", journal_of(tmp_path), told.fail)
    with closing(sqlite3.connect(tmp_path / "state.db")) as database, database:
        database.execute("insert into coolings values ('a', 'a failure of a later version', '2026-11-23', 1)")
    assert coolings.all() == {}
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        database.execute("drop table coolings")
    assert coolings.all() == {}
    assert told.failed == ["health", "health"]
