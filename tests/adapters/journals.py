"""Journals over a data directory, and what they have left on its disk."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from gateway.adapters.day_files import DayFiles
from gateway.adapters.journal import Journal
from gateway.adapters.ledger_sqlite import Ledger
from gateway.adapters.log_rows import postings_of_row
from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.reconcile import reconcile
from gateway.adapters.state_sqlite import State
from gateway.domain.alike import added_up
from gateway.domain.entry import Entry
from gateway.domain.ledger import Account, Amounts, summed
from gateway.domain.snapshot import Defaults
from gateway.domain.words import SpendKind


@dataclass
class Told:
    """What a journal said of its troubles: the stores that failed, and how many rows were dropped."""

    failed: list[str] = field(default_factory=list)
    dropped: int = 0
    event: threading.Event = field(default_factory=threading.Event, compare=False)

    def fail(self, store: str) -> None:
        self.failed.append(store)
        self.event.set()

    def drop(self) -> None:
        self.dropped += 1


def made(data: Path) -> Path:
    """Make a data directory with its state, if there is none; give the place of the state."""
    data.mkdir(parents=True, exist_ok=True)
    State(data / "state.db").close()
    return data / "state.db"


def journal_of(data: Path, told: Told | None = None, kept: Callable[[], Defaults] = Defaults) -> Journal:
    """Give a journal as the daemon makes it at a start, with the ledger brought up to the log."""
    told = told or Told()
    state = made(data)
    numbers = reconcile(LogReader(data / "log"), state)
    return Journal(DayFiles(data / "log", kept), Ledger(state, 0.0), numbers, told.fail, told.drop)


@contextmanager
def writing(data: Path, kept: Callable[[], Defaults] = Defaults) -> Iterator[Journal]:
    """Run a journal that must not fail and must not drop."""
    told = Told()
    journal = journal_of(data, told, kept)
    journal.start()
    yield journal
    journal.close()
    assert told == Told()
    assert journal.healthy


def write(data: Path, *entries: Entry) -> None:
    with writing(data) as journal:
        for one in entries:
            assert journal.put(added_up([one]))


def leave(journal: Journal) -> None:
    """Let go of a journal's files as the system does when it kills a process: nothing more is written."""
    journal._files.close()
    journal._ledger.close()


def rows_of(data: Path) -> list[dict[str, object]]:
    """Give all rows as they are stored, in the order of days and numbers."""
    log = LogReader(data / "log")
    return [row for day in log.days() for row in log.past(day, -(2**62), 10**6)]


def sums_of_rows(data: Path) -> dict[Account, Amounts]:
    """Give what the ledger must be if the rows are all there is."""
    return summed(posting for row in rows_of(data) for posting in postings_of_row(row))


def ledger_of(data: Path) -> dict[Account, Amounts]:
    """Give the whole ledger."""
    with closing(sqlite3.connect(data / "state.db")) as database:
        lines = database.execute("select * from ledger").fetchall()
    return {
        Account._make((line[0], SpendKind(line[1]), *line[2:8], tuple(json.loads(line[8])))): Amounts._make(line[9:])
        for line in lines
    }


def numbers_of(data: Path) -> dict[date, int]:
    """Give up to which row each day is booked."""
    ledger = Ledger(data / "state.db")
    numbers = ledger.numbers()
    ledger.close()
    return numbers


def ids(entries: Sequence[Entry]) -> list[str]:
    return [one.id for one in entries]


def wait_for_row(folder: Path, row_id: str) -> None:
    reader = LogReader(folder)
    while reader.find(row_id) is None:  # the time limit of the test bounds it
        pass


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the write lock of a file."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("begin immediate")
        yield
        other.rollback()


def turn(one: Journal, times: int = 1) -> None:
    """Let a journal write on this thread, as often as said."""
    for _ in range(times):
        one._turn(last=False)
