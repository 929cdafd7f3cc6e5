"""What is kept in `state.db` as the last word on each of many things, written by the journal's thread.

Nobody waits for it: what changes between two batches is one transaction. What could not be written is written with
the next change.
"""

import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Generic, TypeVar

from gateway.adapters.journal import Journal

BUSY_TIMEOUT_S = 0.2
"""How long the journal's thread waits for another writer: rows and money wait with it."""
MOST_WAITING = 200_000
"""Words that wait for a store that takes none; past this the oldest are forgotten."""

K = TypeVar("K")
V = TypeVar("V")
Put = Callable[[sqlite3.Connection, Mapping[K, V | None]], object]
"""Writes some words; None is that there is nothing to say any more."""


def connected(path: Path) -> closing[sqlite3.Connection]:
    """Open the file, to be closed at the end of a block."""
    return closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S))


class LastWords(Generic[K, V]):
    """Has words written by `put`; `failed` is called for each write that fails, from the journal's thread."""

    def __init__(self, path: Path, journal: Journal, put: Put[K, V], failed: Callable[[], object]) -> None:
        self._path = path
        self._journal = journal
        self._put = put
        self._failed = failed
        self._lock = threading.Lock()
        self._waiting: dict[K, V | None] = {}
        self._asked = False

    def keep(self, key: K, value: V | None) -> None:
        """Have a word kept as soon as may be; without waiting."""
        with self._lock:
            self._waiting[key] = value
            if len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            if self._asked:
                return
            self._asked = True
        self._journal.ask(lambda _: self._write())

    def _write(self) -> None:
        with self._lock:
            waiting, self._waiting, self._asked = self._waiting, {}, False
        try:
            with connected(self._path) as database, database:
                self._put(database, waiting)
        except sqlite3.Error:
            self._failed()
            with self._lock:
                self._waiting = waiting | self._waiting  # what has changed since is newer
