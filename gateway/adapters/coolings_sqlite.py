"""Which models rest, in `state.db`, so that a restart does not ask them too early; its table is made by `state_sqlite`.

What changes is written by the journal's thread: nobody waits for it.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

from gateway.adapters.journal import Journal
from gateway.domain.health import Cooling
from gateway.domain.words import Failure

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 0.2
"""How long the journal's thread waits for another writer: rows and money wait with it."""
STORE = "health"
"""Its name, as metrics have it."""
_ALL = "select model, reason, until, spells from coolings"
_PUT = """
    insert into coolings values (?, ?, ?, ?)
    on conflict do update set reason = excluded.reason, until = excluded.until, spells = excluded.spells
"""
_FORGET = "delete from coolings where model = ?"


class Coolings:
    """Reads and writes them. `failed` is called with the store's name for each read or write that fails.

    What could not be written is written with the next change.
    """

    def __init__(self, path: Path, journal: Journal, failed: Callable[[str], None]) -> None:
        self._path = path
        self._journal = journal
        self._failed = failed
        self._lock = threading.Lock()
        self._waiting: dict[str, Cooling | None] = {}
        self._asked = False

    def all(self) -> dict[str, Cooling]:
        """Give every one that is kept, also those that have passed; none, which is said, where they cannot be read."""
        try:
            with closing(self._connect()) as database:
                rows = database.execute(_ALL).fetchall()
            return {model: Cooling(Failure(why), datetime.fromisoformat(until), n) for model, why, until, n in rows}
        except (sqlite3.Error, ValueError) as error:
            logger.error("which models rest cannot be read from state.db: all are asked again: %s", error)  # noqa: TRY400 - in words
            self._failed(STORE)
            return {}

    def keep(self, model: str, cooling: Cooling | None) -> None:
        """Have it kept that a model rests, or that it does not any more, as soon as may be; without waiting."""
        with self._lock:
            self._waiting[model] = cooling
            if self._asked:
                return
            self._asked = True
        self._journal.ask(lambda _: self._write())

    def _write(self) -> None:
        with self._lock:
            waiting, self._waiting, self._asked = self._waiting, {}, False
        try:
            self._put(waiting)
        except sqlite3.Error:
            self._failed(STORE)
            with self._lock:
                self._waiting = waiting | self._waiting  # what has changed since is newer

    def _put(self, changes: Mapping[str, Cooling | None]) -> None:
        with closing(self._connect()) as database, database:
            for model, cooling in changes.items():
                if cooling is None:
                    database.execute(_FORGET, (model,))
                else:
                    row = (model, cooling.reason.value, cooling.until.isoformat(), cooling.spells)
                    database.execute(_PUT, row)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)
