"""Which models rest, in `state.db`, so that a restart does not ask them too early; its table is made by `state_sqlite`.

What changes is written by the journal's thread: nobody waits for it.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from gateway.adapters.journal import Journal
from gateway.adapters.last_words import LastWords, connected
from gateway.domain.health import Cooling
from gateway.domain.words import Failure

logger = logging.getLogger(__name__)

STORE = "health"
"""Its name, as metrics have it."""
_ALL = "select model, reason, until, spells from coolings"
_PUT = """
    insert into coolings values (?, ?, ?, ?)
    on conflict do update set reason = excluded.reason, until = excluded.until, spells = excluded.spells
"""
_FORGET = "delete from coolings where model = ?"


class Coolings:
    """Reads and writes them. `failed` is called with the store's name for each read or write that fails."""

    def __init__(self, path: Path, journal: Journal, failed: Callable[[str], None]) -> None:
        self._path = path
        self._failed = failed
        self.keep = LastWords[str, Cooling](path, journal, _put, lambda: failed(STORE)).keep

    def all(self) -> dict[str, Cooling]:
        """Give every one that is kept, also those that have passed; none, which is said, where they cannot be read."""
        try:
            with connected(self._path) as database:
                rows = database.execute(_ALL).fetchall()
            return {model: Cooling(Failure(why), datetime.fromisoformat(until), n) for model, why, until, n in rows}
        except (sqlite3.Error, ValueError) as error:
            logger.error("which models rest cannot be read from state.db: all are asked again: %s", error)  # noqa: TRY400 - in words
            self._failed(STORE)
            return {}


def _put(database: sqlite3.Connection, changes: Mapping[str, Cooling | None]) -> None:
    for model, cooling in changes.items():
        if cooling is None:
            database.execute(_FORGET, (model,))
        else:
            database.execute(_PUT, (model, cooling.reason.value, cooling.until.isoformat(), cooling.spells))
