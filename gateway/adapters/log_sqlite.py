"""The log: one row a request, in SQLite files of one day (UTC) each, written by one thread.

`put` never waits. Rows are written in batches of a fraction of a second, so that a kill loses at most the last one.
When a file cannot be written the rows wait in the bounded queue; past the bound they are dropped and counted.
"""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.adapters.log_rows import COLUMNS, row_of, shown_row
from gateway.domain.entry import Entry

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
MOST_WAITING = 50_000
MOST_IN_A_BATCH = 1_000
BATCH_EVERY_S = 0.2
RETRY_EVERY_S = 1.0
BUSY_TIMEOUT_S = 5.0
_NAMES = ", ".join(COLUMNS)
_DEFINED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
_MARKS = ", ".join("?" for _ in COLUMNS)
_CREATE = f"begin; create table requests ({_DEFINED}); pragma user_version={SCHEMA_VERSION}; commit;"
_INSERT = f"insert into requests ({_NAMES}) values ({_MARKS}) on conflict (id) do nothing"  # noqa: S608 - our own names
_PAGE = "select * from requests where id < ? order by id desc limit ?"
_ONE = "select * from requests where id = ?"
_UNWRITABLE = (
    TypeError,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What a row raises that no file could take; all else is the file's fault and passes."""


@dataclass(frozen=True, slots=True)
class DayFile:
    """A day file that is open for writing; `inode` tells whether the path still leads to it."""

    day: date
    path: Path
    inode: int
    database: sqlite3.Connection

    def is_there(self) -> bool:
        """Say whether the file has not been moved away or deleted: what is written to such a file is lost."""
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False


def _uncounted() -> None:
    """Count nothing."""


class LogWriter:
    """The thread that writes.

    `failed` is called for each write that fails, `dropped` for each row that is given up after `put` took it; both
    from that thread.
    """

    def __init__(
        self,
        directory: Path,
        retention_days: Callable[[], int],
        failed: Callable[[], None],
        dropped: Callable[[], None] = _uncounted,
    ) -> None:
        self._directory = directory
        self._retention_days = retention_days
        self._failed = failed
        self._dropped = dropped
        self._queue: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._batch: list[Entry] = []
        self._file: DayFile | None = None
        self._kept_from = date.min
        self._healthy = True

    @property
    def healthy(self) -> bool:
        """Whether the last write succeeded."""
        return self._healthy

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, entry: Entry) -> bool:
        """Take an entry without waiting; False when too many wait already and it had to be dropped."""
        if self._queue.qsize() >= MOST_WAITING:
            return False
        self._queue.put(entry)
        return True

    def close(self) -> None:
        """Write what waits and end; what cannot be written now is lost, and counted as dropped."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(BATCH_EVERY_S if self._healthy else RETRY_EVERY_S):
            self._write_waiting()
        self._write_waiting()
        lost = len(self._batch) + self._queue.qsize()
        for _ in range(lost):
            self._dropped()
        if lost:
            logger.error("%d log rows are lost: they could not be written before the end", lost)
        self._let_go()

    def _write_waiting(self) -> None:
        """Write all that waits; stop at the first write that fails, with its rows kept for the next time."""
        full = True
        while full:
            while len(self._batch) < MOST_IN_A_BATCH and not self._queue.empty():
                self._batch.append(self._queue.get_nowait())
            full = len(self._batch) == MOST_IN_A_BATCH
            if not self._batch or not self._write_batch():
                return

    def _write_batch(self) -> bool:
        try:
            for day in sorted({entry.at.date() for entry in self._batch}):
                self._insert(self._opened(day), [entry for entry in self._batch if entry.at.date() == day])
                self._batch = [entry for entry in self._batch if entry.at.date() != day]
        except (sqlite3.Error, OSError) as error:
            self._let_go()
            if self._healthy:
                words = "log rows cannot be written to %s and wait: %s"
                logger.error(words, self._directory, error)  # noqa: TRY400 - no trace: once, in words
            self._healthy = False
            self._failed()
            return False
        if not self._healthy:
            logger.warning("log rows are written again")
        self._healthy = True
        return True

    def _insert(self, database: sqlite3.Connection, entries: list[Entry]) -> None:
        """Write entries in one transaction, without those that no file could take."""
        try:
            with database:
                database.executemany(_INSERT, map(row_of, entries))
        except _UNWRITABLE:
            with database:
                for entry in entries:
                    self._insert_one(database, entry)

    def _insert_one(self, database: sqlite3.Connection, entry: Entry) -> None:
        try:
            database.execute(_INSERT, row_of(entry))
        except _UNWRITABLE as error:
            words = "the log row of request %s cannot be kept: %s"
            logger.error(words, entry.id, type(error).__name__)  # noqa: TRY400 - no trace: in words
            self._dropped()

    def _opened(self, day: date) -> sqlite3.Connection:
        if self._file is None or self._file.day != day or not self._file.is_there():
            self._let_go()
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / _file_name(day)
            database = _open_for_writing(path)
            self._file = DayFile(day, path, path.stat().st_ino, database)
        self._drop_old(day)
        return self._file.database

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.database.close()
            self._file = None

    def _drop_old(self, today: date) -> None:
        """Delete the files of days that are no longer kept; looks only when that day has changed."""
        kept_from = today - timedelta(days=min(self._retention_days(), today.toordinal() - 1))
        if kept_from == self._kept_from:
            return
        self._kept_from = kept_from
        oldest = _file_name(kept_from)
        for path in sorted(self._directory.glob("requests-*.db*")):
            if path.name[: len(oldest)] < oldest:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    logger.warning("the old log file %s cannot be deleted: %s", path.name, error.strerror)


def _open_for_writing(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
    try:
        version = database.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"{path.name} was written by a later version ({version} > {SCHEMA_VERSION})")
        database.execute("pragma page_size=8192")  # a row is over 1 KB: smaller pages hold few and waste their ends
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=normal")
        if version == 0:
            database.executescript(_CREATE)
    except sqlite3.Error:
        database.close()
        raise
    return database


class LogReader:
    """Reads the day files, newest first, beside whoever writes them; a file that cannot be read has no rows."""

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
        path = self._directory / _file_name(day) if day else None
        found = (
            _read(path, lambda database: database.execute(_ONE, (row_id,)))
            if path is not None and path.exists()
            else []
        )
        return shown_row(found[0]) if found else None

    def _files(self, newest: date | None) -> Iterator[Path]:
        for path in sorted(self._directory.glob("requests-????????.db"), reverse=True):
            if newest is None or path.name <= _file_name(newest):
                yield path


_AFTER_ALL_IDS = "g"
"""Sorts after every id: those are hexadecimal."""


def _read(path: Path, ask: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> list[dict[str, Any]]:
    """Give the rows of a day file that are asked for; none, with a warning, where the file cannot be read."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in ask(database)] if _is_made(database) else []
    except sqlite3.Error as error:
        logger.warning("the log file %s cannot be read: %s", path.name, error)
        return []


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


def _file_name(day: date) -> str:
    return f"requests-{day:%Y%m%d}.db"
