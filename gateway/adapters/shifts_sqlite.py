"""What the fold over spend remembers, and what was said last of each shift, in `state.db`: one row, written whole."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.domain.problem import StoreError
from gateway.domain.shift import Notice

SHIFTS: Final = """
    create table shifts (only integer primary key check (only = 1), fold text not null, said text not null);
"""
"""The migration that makes the table."""
BUSY_TIMEOUT_S: Final = 5.0


class Shifts:
    """Reads and writes it; it waits for a disk: ask off the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[Mapping[str, Any] | None, Sequence[Notice]]:
        """Give what was kept, None where nothing was. Raises StoreError."""
        try:
            with closing(self._connect()) as database:
                row = database.execute("select fold, said from shifts").fetchone()
            if row is None:
                return None, ()
            return msgspec.json.decode(row[0]), msgspec.json.decode(row[1], type=list[Notice])
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise StoreError(f"what is kept of spend in state.db cannot be read: {error}") from error

    def save(self, kept: Mapping[str, Any], notices: Sequence[Notice]) -> None:
        """Keep this instead of what was kept. Raises StoreError."""
        # Piece by piece: no other thread runs while msgspec encodes, and all of it takes three times as long as a turn.
        pieces = {name: msgspec.Raw(msgspec.json.encode(piece)) for name, piece in kept.items()}
        values = msgspec.json.encode(pieces).decode(), msgspec.json.encode(notices).decode()
        try:
            with closing(self._connect()) as database, database:
                database.execute("insert or replace into shifts values (1, ?, ?)", values)
        except sqlite3.Error as error:
            raise StoreError(f"what is known of spend cannot be kept in state.db: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)
