"""Which model answered each conversation last, in `state.db`; its table is made by `state_sqlite`.

A conversation is a keyed hash: nothing here says what it was about. What changes is written by the journal's thread.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.adapters.journal import Journal
from gateway.adapters.last_words import LastWords, connected
from gateway.domain.affinity import Pin

logger = logging.getLogger(__name__)

STORE = "affinity"
"""Its name, as metrics have it."""
_ALL = "select conversation, model, until from pins"
_PUT = """
    insert into pins values (?, ?, ?) on conflict do update set model = excluded.model, until = excluded.until
"""
_FORGET = "delete from pins where conversation = ?"


class KeptPins:
    """Reads and writes them. `failed` is called with the store's name for each read or write that fails."""

    def __init__(self, path: Path, journal: Journal, failed: Callable[[str], None]) -> None:
        self._path = path
        self._failed = failed
        self.keep = LastWords[int, Pin](path, journal, _put, lambda: failed(STORE)).keep

    def all(self) -> dict[int, Pin]:
        """Give every one that is kept, also those that have ended; none, which is said, where they cannot be read."""
        try:
            with connected(self._path) as database:
                rows = database.execute(_ALL).fetchall()
            return {number: Pin(model, datetime.fromtimestamp(until, UTC)) for number, model, until in rows}
        except (sqlite3.Error, ValueError, TypeError, OverflowError, OSError) as error:
            words = "which models answered conversations cannot be read from state.db: the rules choose anew: %s"
            logger.error(words, error)  # noqa: TRY400 - in words
            self._failed(STORE)
            return {}


def _put(database: sqlite3.Connection, changes: Mapping[int, Pin | None]) -> None:
    database.executemany(_FORGET, ((number,) for number, pin in changes.items() if pin is None))
    pins = ((number, pin.model, int(pin.until.timestamp())) for number, pin in changes.items() if pin is not None)
    database.executemany(_PUT, pins)
