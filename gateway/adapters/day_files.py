"""The log's files as their writer holds them: one open at a time, the oldest dropped, a broken one moved aside.

A row has a number in the file of its day, which its writer gives it: the ledger keeps up to which number it has booked.
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, starmap
from pathlib import Path
from threading import Event

from gateway.adapters.log_rows import COLUMNS, WRITTEN, row_of
from gateway.adapters.log_sqlite import NAMED, days_in, file_name
from gateway.domain.entry import Entry
from gateway.domain.snapshot import Defaults

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 1.0
WAL_TRIES, WAL_PAUSE_S = 50, 0.005
MOST_MOVED_ASIDE = 10
"""Broken files of one day; past that the disk is at fault, and a new file would help no more than the last ones."""
LOOK_EVERY_ROWS = 1_000
_NAMES = ", ".join(WRITTEN)
_DEFINED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
_MARKS = ", ".join("?" for _ in WRITTEN)
_CREATE = f"begin; create table requests ({_DEFINED}); pragma user_version={SCHEMA_VERSION}; commit;"
_INSERT = f"insert into requests ({_NAMES}) values ({_MARKS}) on conflict (id) do nothing"  # noqa: S608 - our own names
AT_ONCE = 16
"""Rows of one statement: between two statements the event loop's thread takes its turn, and the two change places."""
_INSERT_SOME = _INSERT.replace(f"({_MARKS})", ", ".join([f"({_MARKS})"] * AT_ONCE))
_TOP = "select coalesce(max(rowid), 0) from requests"
_SIDES = ("", "-wal", "-shm")
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY = 0xFF
"""The part of an extended result code that is the plain one."""
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

Numbered = tuple[int, Entry]


@dataclass(slots=True)
class DayFile:
    """A day file that is open for writing. `inode` tells whether the path still leads to it, `top` is its last row."""

    day: date
    path: Path
    inode: int
    database: sqlite3.Connection
    top: int

    def is_there(self) -> bool:
        """Say whether the file has not been moved away or deleted: what is written to such a file is lost."""
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False


class DayFiles:
    """Writes rows to the file of their day; used by one thread. `kept` gives the retention that holds now.

    What raises sqlite3.Error or OSError has written nothing, and may be tried again.
    """

    def __init__(self, directory: Path, kept: Callable[[], Defaults]) -> None:
        self.directory = directory
        self._kept = kept
        self._file: DayFile | None = None
        self._looked: tuple[date, int, int] | None = None
        self._written = 0
        self._stuck: set[str] = set()

    def top(self, day: date) -> int:
        """Give the number of a day's last row, 0 for none; makes the file where there is none."""
        return self._opened(day).top

    def insert(self, day: date, rows: Sequence[Numbered]) -> Sequence[Entry]:
        """Write entries with their numbers in one transaction; give those that no file could take."""
        file = self._opened(day)
        try:
            with file.database as database:
                for first in range(0, len(rows) - AT_ONCE + 1, AT_ONCE):
                    some = starmap(row_of, rows[first : first + AT_ONCE])
                    database.execute(_INSERT_SOME, tuple(chain.from_iterable(some)))
                database.executemany(_INSERT, starmap(row_of, rows[len(rows) // AT_ONCE * AT_ONCE :]))
            refused: Sequence[Entry] = ()
        except _UNWRITABLE:
            with file.database as database:
                refused = [entry for number, entry in rows if not _is_inserted(database, number, entry)]
        file.top = max(file.top, rows[-1][0])
        self._written += len(rows)
        self._drop_old(day)
        return refused

    def move_aside_if_broken(self, day: date, error: Exception) -> None:
        """Give a file that SQLite calls broken another name, so that a new one is begun; it is never deleted."""
        if not is_broken(error):
            return
        self.close()
        path = self.directory / file_name(day)
        for number in range(1, MOST_MOVED_ASIDE + 1):
            aside = path.with_suffix(f".broken-{number}")
            if not aside.exists():
                break
        else:
            return
        try:
            for side in _SIDES:
                beside = Path(f"{path}{side}")
                if beside.exists():
                    beside.rename(f"{aside}{side}")
        except OSError as failed:
            logger.error("the broken log file %s cannot be moved aside: %s", path, failed)  # noqa: TRY400 - in words
            return
        words = "the log file %s is broken (%s): it is kept as %s, and a new one is begun; its rows are not shown"
        logger.error(words, path, error, aside.name)

    def close(self) -> None:
        """Let go of the file that is open."""
        if self._file is not None:
            self._file.database.close()
            self._file = None

    def _opened(self, day: date) -> DayFile:
        if self._file is None or self._file.day != day or not self._file.is_there():
            self.close()
            self.directory.mkdir(parents=True, exist_ok=True)
            path = self.directory / file_name(day)
            database, top = _open(path)
            self._file = DayFile(day, path, path.stat().st_ino, database, top)
        return self._file

    def _drop_old(self, today: date) -> None:
        """Delete the files of the oldest days, past the days or the bytes that are kept; never those of `today`.

        Looks when the day or what is kept has changed, and every so many rows.
        """
        kept = self._kept()
        looked = (today, kept.retention_days, kept.retention_bytes)
        if looked == self._looked and self._written < LOOK_EVERY_ROWS:
            return
        self._looked, self._written = looked, 0
        kept_from = today - timedelta(days=min(kept.retention_days, today.toordinal() - 1))
        days = days_in(self.directory, f"{NAMED}*")  # and what a process that was killed left beside them
        sizes = {day: sum(_size(path) for path in self._paths(day)) for day in days}
        total = sum(sizes.values())
        for day in days:
            if day < kept_from or (day < today and total > kept.retention_bytes):
                total -= sizes[day]
                self._delete(day)

    def _paths(self, day: date) -> list[Path]:
        path = self.directory / file_name(day)
        return [Path(f"{path}{side}") for side in _SIDES]

    def _delete(self, day: date) -> None:
        for path in self._paths(day):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                if path.name not in self._stuck:
                    self._stuck.add(path.name)
                    logger.warning("the old log file %s cannot be deleted: %s", path.name, error.strerror)


def is_broken(error: Exception) -> bool:
    """Say whether an error says that a file is no database any more, which no waiting mends."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _BROKEN


def _is_inserted(database: sqlite3.Connection, number: int, entry: Entry) -> bool:
    try:
        database.execute(_INSERT, row_of(number, entry))
    except _UNWRITABLE as error:
        words = "the log row of request %s cannot be kept: %s"
        logger.error(words, entry.id, type(error).__name__)  # noqa: TRY400 - no trace: in words
        return False
    return True


def _open(path: Path) -> tuple[sqlite3.Connection, int]:
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
    try:
        version = database.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"{path.name} was written by a later version ({version} > {SCHEMA_VERSION})")
        database.execute("pragma page_size=8192")  # a row is over 1 KB: smaller pages hold few and waste their ends
        _write_ahead(database)
        database.execute("pragma synchronous=normal")
        if version == 0:
            database.executescript(_CREATE)
        top: int = database.execute(_TOP).fetchone()[0]
    except sqlite3.Error:
        database.close()
        raise
    return database, top


def _write_ahead(database: sqlite3.Connection) -> None:
    """Have a new file written ahead; a reader who is there just then is waited for, which SQLite does not do here."""
    for _ in range(WAL_TRIES):
        try:
            database.execute("pragma journal_mode=wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            Event().wait(WAL_PAUSE_S)
        else:
            return
    database.execute("pragma journal_mode=wal")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
