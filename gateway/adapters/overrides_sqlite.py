"""The limits of budgets that operators have set for a while, in `state.db`; its table is made by `state_sqlite`."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from gateway.domain.budget import Override
from gateway.domain.problem import StoreError

BUSY_TIMEOUT_S = 5.0
_ALL = "select budget, limit_nano_usd, until from overrides"
_PUT = "insert into overrides values (?, ?, ?) on conflict do update set limit_nano_usd = ?2, until = ?3"
_FORGET = "delete from overrides where budget = ?"


class Overrides:
    """Reads and writes them, each time with a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, Override]:
        """Give every one that is kept, those that have ended too. Raises StoreError."""
        try:
            with closing(self._connect()) as database:
                rows = database.execute(_ALL).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the limits that operators have set cannot be read from state.db: {error}") from error
        return {budget: Override(limit, datetime.fromisoformat(until)) for budget, limit, until in rows}

    def put(self, budget: str, override: Override | None) -> None:
        """Keep one, or forget it. Raises StoreError."""
        try:
            with closing(self._connect()) as database, database:
                if override is None:
                    database.execute(_FORGET, (budget,))
                else:
                    database.execute(_PUT, (budget, override.limit_nano_usd, override.until.isoformat()))
        except sqlite3.Error as error:
            raise StoreError(f"the limit of budget '{budget}' cannot be kept in state.db: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)
