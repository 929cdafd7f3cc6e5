"""The state of one daemon, in `state.db`: its tables, its generations with the text of every accepted set, its keys.

What is done with the ledger is in `ledger_sqlite.py`. One daemon holds a data directory; a second one is told so.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.alert_tables import ALERTS
from gateway.adapters.prices_sqlite import PRICES
from gateway.adapters.shifts_sqlite import SHIFTS
from gateway.domain.problem import StoreError
from gateway.domain.snapshot import RuleFile

MIGRATIONS = (
    """
    create table sets (fingerprint text primary key, accepted_at text not null) without rowid;
    create table files (
        fingerprint text not null, name text not null, data blob not null, primary key (fingerprint, name)
    ) without rowid;
    create table generations (number integer primary key, fingerprint text not null, at text not null);
    create table keys (name text primary key, value blob not null) without rowid;
    """,
    """
    create table ledger (
        quarter integer not null, kind text not null, team text not null, caller text not null, rule text not null,
        category text not null, model text not null, provider text not null, tags text not null,
        attempts integer not null, fresh_input_tokens integer not null, cache_read_tokens integer not null,
        cache_write_tokens integer not null, output_tokens integer not null, nano_usd integer not null,
        estimated_nano_usd integer not null,
        primary key (quarter, kind, team, caller, rule, category, model, provider, tags)
    ) without rowid;
    create table booked (day text primary key, number integer not null) without rowid;
    """,
    """
    create table overrides (
        budget text primary key, limit_nano_usd integer not null, until text not null
    ) without rowid;
    """,
    ALERTS,
    """
    create table coolings (
        model text primary key, reason text not null, until text not null, spells integer not null
    ) without rowid;
    """,
    PRICES,
    """
    create table pins (conversation integer primary key, model text not null, until integer not null);
    """,
    SHIFTS,
)
"""Append only: the position of a migration is the version it leads to."""

HASH_KEY_BYTES = 32
_LAST = "select number, fingerprint from generations order by number desc limit 1"


class DataDirectoryError(Exception):
    """The data directory cannot be used; the message says why and what to do."""


class Lock:
    """The lock file of a data directory; the system lets go of it when the process ends."""

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+")
        except OSError as error:
            words = (error.strerror or "unknown error").lower()
            raise DataDirectoryError(
                f"cannot write to {directory}: {words}; give another one with --data DIR"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "?"
            self._file.close()
            hint = "stop it, or give another directory with --data DIR"
            raise DataDirectoryError(f"{directory} is in use by process {holder}: {hint}") from error
        except OSError as error:
            self._file.close()
            words = (error.strerror or "unknown error").lower()
            hint = "give one on a file system that has locks with --data DIR"
            raise DataDirectoryError(f"{directory} cannot be locked: {words}; {hint}") from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def close(self) -> None:
        """Let go."""
        self._file.close()


class Generation(NamedTuple):
    """A set of rules that ran, from `at` on."""

    number: int
    fingerprint: str
    at: datetime


class State:
    """Reads and writes `state.db`; each call is one short transaction, made off the loop."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = _open(path)
        except sqlite3.Error as error:
            raise DataDirectoryError(f"{path} cannot be used: {error}; move it away to begin anew") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def accepted(self, fingerprint: str, files: Sequence[RuleFile], at: datetime) -> int:
        """Note a set that runs now; give its generation, the same one for the set that ran last. Raises StoreError."""
        try:
            with self._database as database:
                return _accept(database, fingerprint, files, at)
        except sqlite3.Error as error:
            raise StoreError(f"the new generation cannot be noted in state.db: {error}") from error

    def knows(self, fingerprint: str) -> bool:
        """Say whether a set was accepted before."""
        query = "select 1 from sets where fingerprint = ?"
        return self._database.execute(query, (fingerprint,)).fetchone() is not None

    def files(self, fingerprint: str) -> tuple[RuleFile, ...]:
        """Give the files of an accepted set, none for one that is not known."""
        query = "select name, data from files where fingerprint = ? order by name"
        return tuple(RuleFile(name, data) for name, data in self._database.execute(query, (fingerprint,)))

    def generations(self) -> tuple[Generation, ...]:
        """Give all generations, the first one first."""
        rows = self._database.execute("select number, fingerprint, at from generations order by number")
        return tuple(Generation(number, fingerprint, datetime.fromisoformat(at)) for number, fingerprint, at in rows)

    def last_good(self) -> tuple[RuleFile, ...] | None:
        """Give the files of the set that was accepted last."""
        last = self._database.execute(_LAST).fetchone()
        return None if last is None else self.files(last[1])

    def hash_key(self) -> bytes:
        """Give the key of the prompt hashes, made at the first call and kept with the data. Raises StoreError."""
        new = ("prompt_hash", secrets.token_bytes(HASH_KEY_BYTES))
        try:
            with self._database as database:
                database.execute("insert or ignore into keys values (?, ?)", new)
                value: bytes = database.execute("select value from keys where name = 'prompt_hash'").fetchone()[0]
                return value
        except sqlite3.Error as error:
            raise StoreError(f"the key of the prompt hashes cannot be kept in state.db: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    try:
        migrate(database)
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=normal")
    except sqlite3.Error:
        database.close()
        raise
    return database


_STEPS = tuple(f"begin; {script}; pragma user_version={at}; commit;" for at, script in enumerate(MIGRATIONS, start=1))


def _accept(database: sqlite3.Connection, fingerprint: str, files: Sequence[RuleFile], at: datetime) -> int:
    last = database.execute(_LAST).fetchone()
    if last is not None and last[1] == fingerprint:
        return int(last[0])
    database.execute("insert or ignore into sets values (?, ?)", (fingerprint, at.isoformat()))
    rows = [(fingerprint, file.name, file.data) for file in files]
    database.executemany("insert or ignore into files values (?, ?, ?)", rows)
    number = 1 if last is None else int(last[0]) + 1
    database.execute("insert into generations values (?, ?, ?)", (number, fingerprint, at.isoformat()))
    return number


def migrate(database: sqlite3.Connection) -> None:
    """Bring a database to the newest version, one step at a time; one of a later version is left alone."""
    version = database.execute("pragma user_version").fetchone()[0]
    if version > len(_STEPS):
        raise sqlite3.DatabaseError(f"it was written by a later version ({version} > {len(_STEPS)})")
    for step in _STEPS[version:]:
        database.executescript(step)
