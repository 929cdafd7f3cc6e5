"""The log as it lies on disk: SQLite files of one day (UTC) each, their names, and reading them.

Files are read beside whoever writes them, each read with a connection of its own.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from gateway.adapters.log_rows import shown_row
from gateway.domain.problem import StoreError

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 5.0
NAMED = "requests-????????.db"
_DIGITS = slice(len("requests-"), len("requests-YYYYMMDD"))
_PAGE = "select * from requests where id < ? order by id desc limit ?"
_ONE = "select * from requests where id = ?"
_BETWEEN = "select * from requests where id >= ? and id < ?"
_PAST = "select rowid as number, * from requests where rowid > ? order by rowid limit ?"


class LogReader:
    """Reads the day files, newest first; a file that cannot be read has no rows."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def rows(self, limit: int, before: str | None = None) -> list[dict[str, Any]]:
        """Give up to `limit` rows that are older than the id `before`, newest first."""
        rows: list[dict[str, Any]] = []
        for path in self._files(day_of(before) if before else None):
            rows += self._page(path, before or _AFTER_ALL_IDS, limit - len(rows))
            if len(rows) >= limit:
                break
        return rows

    def _page(self, path: Path, before: str, most: int) -> Iterator[dict[str, Any]]:
        return map(shown_row, _read(path, lambda database: database.execute(_PAGE, (before, most))))

    def find(self, row_id: str) -> dict[str, Any] | None:
        """Give one row by its id, None where there is none."""
        day = day_of(row_id)
        path = self._directory / file_name(day) if day else None
        found = (
            _read(path, lambda database: database.execute(_ONE, (row_id,)))
            if path is not None and path.exists()
            else []
        )
        return shown_row(found[0]) if found else None

    def past(self, day: date, number: int, most: int) -> list[dict[str, Any]]:
        """Give up to `most` rows of a day as they are stored, in their order, that come after the row `number`."""
        return _read(self._directory / file_name(day), lambda database: database.execute(_PAST, (number, most)))

    def between(self, first_s: int, end_s: int) -> list[dict[str, Any]]:
        """Give the rows as they are stored of requests that came in some seconds of one day. Raises StoreError."""
        path = self._directory / file_name(datetime.fromtimestamp(first_s, UTC).date())
        if not path.exists():
            return []
        try:
            return _asked(path, lambda database: database.execute(_BETWEEN, (_id_at(first_s), _id_at(end_s))))
        except sqlite3.Error as error:
            raise StoreError(f"the log file {path.name} cannot be read: {error}") from error

    def days(self) -> list[date]:
        """Give the days that have a file, oldest first."""
        return days_in(self._directory)

    def _files(self, newest: date | None) -> Iterator[Path]:
        for day in reversed(self.days()):
            if newest is None or day <= newest:
                yield self._directory / file_name(day)


_AFTER_ALL_IDS = "g"
"""Sorts after every id: those are hexadecimal."""


def _read(path: Path, ask: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> list[dict[str, Any]]:
    """Give the rows of a day file that are asked for; none, with a warning, where the file cannot be read."""
    try:
        return _asked(path, ask)
    except sqlite3.Error as error:
        logger.warning("the log file %s cannot be read: %s", path.name, error)
        return []


def _asked(path: Path, ask: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> list[dict[str, Any]]:
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in ask(database)] if _is_made(database) else []


def _is_made(database: sqlite3.Connection) -> bool:
    """Say whether a file has its table; a writer that has just begun a day may not have come so far."""
    version: int = database.execute("pragma user_version").fetchone()[0]
    return version > 0


def day_of(row_id: str) -> date | None:
    """Give the day of a UUIDv7, None for what is none (RFC 9562, section 5.7)."""
    digits = row_id.replace("-", "")[:12]
    try:
        return datetime.fromtimestamp(int(digits, 16) / 1000, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def _id_at(second: int) -> str:
    """Give what sorts before every UUIDv7 that was made from a second on, and after all before."""
    digits = f"{second * 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def file_name(day: date) -> str:
    """Give the name of a day's file."""
    return f"requests-{day:%Y%m%d}.db"


def days_in(directory: Path, named: str = NAMED) -> list[date]:
    """Give the days that a directory has files of, oldest first."""
    days = set()
    for path in directory.glob(named):
        try:
            days.add(datetime.strptime(path.name[_DIGITS], "%Y%m%d").replace(tzinfo=UTC).date())
        except ValueError:
            continue  # it has another meaning: leave it alone
    return sorted(days)
