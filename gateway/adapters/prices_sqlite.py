"""What models cost when somebody looked last, and what has changed lately, in `state.db`.

Both are few, and are written whole, in one transaction; the tables are made by `state_sqlite`.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.domain.price_change import KeptPrices, from_json, known_from_json, known_to_json, to_json
from gateway.domain.problem import StoreError

PRICES: Final = """
    create table prices (model text primary key, price text not null) without rowid;
    create table price_changes (number integer primary key, change text not null);
"""
"""The migration that makes the tables."""
BUSY_TIMEOUT_S: Final = 5.0


class Prices:
    """Reads and writes them; it waits for a disk: ask off the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> KeptPrices:
        """Give all that is kept. Raises StoreError."""
        try:
            with closing(self._connect()) as database:
                prices = database.execute("select model, price from prices").fetchall()
                changes = database.execute("select change from price_changes order by number").fetchall()
            known = {model: known_from_json(json.loads(price)) for model, price in prices}
            return KeptPrices(known, tuple(from_json(json.loads(change)) for (change,) in changes))
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"what is kept of prices in state.db cannot be read: {error}") from error

    def save(self, kept: KeptPrices) -> None:
        """Keep this instead of what was kept. Raises StoreError."""
        prices = [(model, _text(known_to_json(known))) for model, known in kept.known.items()]
        try:
            with closing(self._connect()) as database, database:
                database.execute("delete from prices")
                database.executemany("insert into prices values (?, ?)", prices)
                database.execute("delete from price_changes")
                changes = [(_text(to_json(change)),) for change in kept.changes]
                database.executemany("insert into price_changes (change) values (?)", changes)
        except sqlite3.Error as error:
            raise StoreError(f"prices cannot be kept in state.db: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
