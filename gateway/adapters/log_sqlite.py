"""The log: one row a request, in SQLite files of one day (UTC) each, written by one thread.

`put` never waits. Rows are written in batches of a fraction of a second, so that a kill loses at most the last one.
When a file cannot be written the rows wait in the bounded queue; past the bound they are dropped and counted.
"""

import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.domain.attempt import shown
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
MOST_WAITING = 50_000
MOST_IN_A_BATCH = 1_000
BATCH_EVERY_S = 0.2
RETRY_EVERY_S = 1.0
_USAGE = (
    "fresh_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_searches",
)
_COLUMNS = {
    "id": "text primary key",
    "at": "text not null",
    "generation": "integer not null",
    "fingerprint": "text not null",
    "caller": "text not null",
    "team": "text not null",
    "tags": "text not null",
    "surface": "text not null",
    "requested_model": "text not null",
    "prompt_hash": "text not null",
    "rule": "text not null",
    "mode": "text not null",
    "shadows": "text not null",
    "category": "text not null",
    "facts": "text not null",
    "chain": "text not null",
    "model": "text not null",
    "upstream_model": "text not null",
    "response_model": "text not null",
    "provider": "text not null",
    "propensity": "real not null",
    "attempts": "text not null",
    **dict.fromkeys(_USAGE, "integer not null"),
    "usage_source": "text not null",
    "price_version": "text not null",
    "cost_nano_usd": "integer not null",
    "first_content_s": "real",
    "duration_s": "real not null",
    "overhead_s": "real not null",
    "stream": "integer not null",
    "simulated": "integer not null",
    "outcome": "text not null",
    "quality": "real",
    "quality_source": "text",
}
_JSON = ("tags", "shadows", "facts", "chain", "attempts")
_FLAGS = ("stream", "simulated")
_DEFINED = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
_CREATE = f"create table if not exists requests ({_DEFINED}) without rowid"
_INSERT = f"insert or ignore into requests values ({', '.join('?' for _ in _COLUMNS)})"  # noqa: S608 - our own names
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class LogWriter:
    """The thread that writes. `failed` is called, from that thread, for each write that fails."""

    def __init__(self, directory: Path, retention_days: Callable[[], int], failed: Callable[[], None]) -> None:
        self._directory = directory
        self._retention_days = retention_days
        self._failed = failed
        self._queue: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._database: tuple[date, sqlite3.Connection] | None = None
        self._healthy = True

    @property
    def healthy(self) -> bool:
        """Whether the last write succeeded."""
        return self._healthy

    def start(self) -> None:
        """Begin to write."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def put(self, entry: Entry) -> bool:
        """Take an entry without waiting; False when too many wait already and it had to be dropped."""
        if self._queue.qsize() >= MOST_WAITING:
            return False
        self._queue.put(entry)
        return True

    def close(self) -> None:
        """Write what waits and end; what cannot be written is lost, and counted as failed."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        batch: list[Entry] = []
        while not (self._stop.is_set() and self._queue.empty() and not batch):
            self._stop.wait(BATCH_EVERY_S if self._healthy else RETRY_EVERY_S)
            while len(batch) < MOST_IN_A_BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            if batch and (self._write(batch) or self._stop.is_set()):
                batch = []
        if self._database is not None:
            self._database[1].close()

    def _write(self, batch: list[Entry]) -> bool:
        try:
            for day in sorted({entry.at.date() for entry in batch}):
                rows = [_row(entry) for entry in batch if entry.at.date() == day]
                database = self._open(day)
                with database:
                    database.executemany(_INSERT, rows)
        except (sqlite3.Error, OSError) as error:
            if self._healthy:
                logger.error("log rows cannot be written and wait: %s", error)  # noqa: TRY400 - no trace: once, in words
            self._healthy = False
            self._database = None
            self._failed()
            return False
        if not self._healthy:
            logger.warning("log rows are written again")
        self._healthy = True
        return True

    def _open(self, day: date) -> sqlite3.Connection:
        if self._database is not None and self._database[0] == day:
            return self._database[1]
        if self._database is not None:
            self._database[1].close()
        self._directory.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._directory / _file_name(day), check_same_thread=False, timeout=5.0)
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=normal")
        database.execute(_CREATE)
        database.execute(f"pragma user_version={SCHEMA_VERSION}")
        self._database = (day, database)
        self._drop_old(day)
        return database

    def _drop_old(self, today: date) -> None:
        oldest = _file_name(today - timedelta(days=self._retention_days()))
        for path in self._directory.glob("requests-*.db*"):
            if path.name[: len(oldest)] < oldest:
                path.unlink(missing_ok=True)


class LogReader:
    """Reads the day files, newest first, beside whoever writes them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def rows(self, limit: int, before: str | None = None) -> list[dict[str, Any]]:
        """Give up to `limit` rows that are older than the id `before`, newest first."""
        rows: list[dict[str, Any]] = []
        for path in self._files(day_of(before) if before else None):
            query = "select * from requests where id < ? order by id desc limit ?"
            rows += self._query(path, query, (before or "g", limit - len(rows)))
            if len(rows) >= limit:
                break
        return rows

    def find(self, row_id: str) -> dict[str, Any] | None:
        """Give one row by its id, None where there is none."""
        day = day_of(row_id)
        if day is None:
            return None
        path = self._directory / _file_name(day)
        found = self._query(path, "select * from requests where id = ?", (row_id,)) if path.exists() else []
        return found[0] if found else None

    def _files(self, newest: date | None) -> Iterator[Path]:
        last = _file_name(newest) if newest else "requests-g"
        for path in sorted(self._directory.glob("requests-????????.db"), reverse=True):
            if path.name <= last:
                yield path

    def _query(self, path: Path, query: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        database.row_factory = sqlite3.Row
        try:
            return [_decoded(dict(row)) for row in database.execute(query, values)]
        except sqlite3.OperationalError as error:
            logger.warning("the log file %s cannot be read: %s", path.name, error)
            return []
        finally:
            database.close()


def day_of(row_id: str) -> date | None:
    """Give the day of a UUIDv7, None for what is none (RFC 9562, section 5.7)."""
    digits = row_id.replace("-", "")[:12]
    try:
        return datetime.fromtimestamp(int(digits, 16) / 1000, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def _file_name(day: date) -> str:
    return f"requests-{day:%Y%m%d}.db"


def _row(entry: Entry) -> tuple[object, ...]:
    usage = entry.usage or Usage()
    source = "none" if entry.usage is None else "estimated" if usage.estimated else "reported"
    return (
        entry.id,
        entry.at.isoformat(timespec="milliseconds"),
        entry.generation,
        entry.fingerprint,
        entry.caller,
        entry.team,
        _encode(entry.tags),
        entry.surface,
        entry.requested_model,
        entry.prompt_hash,
        entry.rule,
        entry.mode,
        _encode(entry.shadows),
        entry.category,
        _encode(entry.facts),
        _encode(entry.chain),
        entry.model,
        entry.upstream_model,
        entry.response_model,
        entry.provider,
        entry.propensity,
        _encode([shown(event) for event in entry.events]),
        *(getattr(usage, name) for name in _USAGE),
        source,
        entry.price_version,
        entry.cost_nano_usd,
        entry.first_content_s,
        entry.duration_s,
        entry.overhead_s,
        entry.stream,
        entry.simulated,
        entry.outcome.value,
        None,
        None,
    )


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: json.loads(row[name]) for name in _JSON} | {name: bool(row[name]) for name in _FLAGS}
