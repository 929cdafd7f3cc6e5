"""What is kept of alerts, in `state.db`: read whole at the start, changed by one transaction for each change.

A transaction holds the state of an incident and the messages that it brought about, so that a process that is killed
at any moment loses none and repeats none under another name. It has a connection and a thread of its own: a disk that
hangs keeps nobody waiting but the alerts.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.domain.alert import AlertKind, from_json, to_json
from gateway.domain.outbox import Changes, Hush, Instance, Kept, Letter, Mailbox, Said
from gateway.domain.problem import StoreError

SAID_KEPT: Final = 1_000
"""Messages that are kept to be looked at, the newest."""
BUSY_S: Final = 5.0
T = TypeVar("T")


class AlertStore:
    """Reads and writes the tables of alerts; the file must have them. Made in any thread, used in an event loop."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, "alerts")
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_S, isolation_level=None)
        self._database.execute("pragma synchronous=full")  # they are few, and each is meant to be kept

    def close(self) -> None:
        """Finish what was begun, and close the file."""
        self._thread.shutdown(wait=True)
        self._database.close()

    async def load(self) -> Kept:
        """Give all that is kept. Raises StoreError."""
        return await self._run("read", lambda: _load(self._database))

    async def write(self, changes: Changes) -> None:
        """Keep some changes, all of them or none. Raises StoreError."""
        await self._run("written", lambda: _write(self._database, changes))

    async def said(self, limit: int) -> list[Said]:
        """Give the messages that arose last, newest first. Raises StoreError."""
        return await self._run("read", lambda: _said(self._database, limit))

    async def _run(self, verb: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"what is kept of alerts in state.db cannot be {verb}: {error}") from error


_Row = tuple[Any, ...]
_INSTANCES: Final = "select alert, kind, scope, state, told, summary from alert_instances"
_LETTERS: Final = "select receiver, alert, due, attempts, resend, since from outbox order by number"
_MAILBOXES: Final = "select * from mailboxes"
_SILENCES: Final = "select id, matcher, until, made_at, comment from silences order by id"
_ACCEPTED: Final = "select incident from accepted"
_SAID: Final = "select alert, silenced from alerts_said order by number desc limit ?"


def _load(database: sqlite3.Connection) -> Kept:
    unreadable: list[str] = []
    return Kept(
        instances=tuple(_read(database.execute(_INSTANCES), _instance, unreadable)),
        letters=tuple(_read(database.execute(_LETTERS), _letter, unreadable)),
        mailboxes=tuple(_read(database.execute(_MAILBOXES), _mailbox, unreadable)),
        hushes=tuple(_read(database.execute(_SILENCES), _hush, unreadable)),
        accepted=frozenset(incident for (incident,) in database.execute(_ACCEPTED)),
        unreadable=tuple(unreadable),
    )


def _said(database: sqlite3.Connection, limit: int) -> list[Said]:
    return list(_read(database.execute(_SAID, (limit,)), _one_said, []))


def _read(rows: Iterable[_Row], make: Callable[[_Row], T], unreadable: list[str]) -> Iterator[T]:
    """Give what the rows say; one that says nothing is left where it is, and its first column is noted."""
    for row in rows:
        try:
            yield make(row)
        except (ValueError, KeyError, TypeError):
            unreadable.append(str(row[0])[:100])


def _instance(row: _Row) -> Instance:
    alert, kind, scope, state, told, summary = row
    return Instance(alert, AlertKind(kind), json.loads(scope), json.loads(state), tuple(json.loads(told)), summary)


def _letter(row: _Row) -> Letter:
    receiver, alert, due, attempts, resend, since = row
    message = from_json(json.loads(alert))
    return Letter(receiver, message, datetime.fromisoformat(due), attempts, bool(resend), _moment(since))


def _mailbox(row: _Row) -> Mailbox:
    receiver, address, disabled, not_before, last_at, *rest = row
    return Mailbox(receiver, address, disabled, _moment(not_before), _moment(last_at), *rest)


def _hush(row: _Row) -> Hush:
    id_, matcher, until, made_at, comment = row
    return Hush(id_, json.loads(matcher), datetime.fromisoformat(until), datetime.fromisoformat(made_at), comment)


def _one_said(row: _Row) -> Said:
    alert, silenced = row
    return Said(from_json(json.loads(alert)), bool(silenced))


_PUT_INSTANCE: Final = "insert or replace into alert_instances values (?, ?, ?, ?, ?, ?, ?)"
_DROP_INSTANCE: Final = "delete from alert_instances where identity = ?"
_PUT_SAID: Final = "insert or replace into alerts_said (message, at, silenced, alert) values (?, ?, ?, ?)"
_FORGET_SAID: Final = "delete from alerts_said where number <= (select max(number) from alerts_said) - ?"
_PUT_LETTER: Final = """
    insert into outbox (receiver, message, due, attempts, resend, since, alert) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (receiver, message) do update
    set due = excluded.due, attempts = excluded.attempts, resend = excluded.resend, since = excluded.since
"""
_DROP_LETTER: Final = "delete from outbox where receiver = ? and message = ?"
_PUT_MAILBOX: Final = "insert or replace into mailboxes values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_SILENCE: Final = "insert or replace into silences values (?, ?, ?, ?, ?)"
_DROP_SILENCE: Final = "delete from silences where id = ?"
_PUT_ACCEPTED: Final = "insert or replace into accepted values (?)"
_DROP_ACCEPTED: Final = "delete from accepted where incident = ?"


def _write(database: sqlite3.Connection, changes: Changes) -> None:
    database.execute("begin immediate")
    try:
        database.executemany(_PUT_INSTANCE, map(_instance_row, changes.instances))
        database.executemany(_DROP_INSTANCE, _each(changes.quiet))
        database.executemany(_PUT_SAID, map(_said_row, changes.said))
        database.executemany(_FORGET_SAID, ((SAID_KEPT,) for _ in changes.said[:1]))
        database.executemany(_PUT_LETTER, map(_letter_row, changes.letters))
        database.executemany(_DROP_LETTER, changes.gone)
        database.executemany(_PUT_MAILBOX, map(_mailbox_row, changes.mailboxes))
        database.executemany(_PUT_SILENCE, map(_silence_row, changes.hushes))
        database.executemany(_DROP_SILENCE, _each(changes.unhushed))
        database.executemany(_PUT_ACCEPTED, _each(changes.accepted))
        database.executemany(_DROP_ACCEPTED, _each(changes.unaccepted))
        database.execute("commit")
    finally:
        if database.in_transaction:
            database.execute("rollback")


def _each(names: Iterable[str]) -> Iterator[_Row]:
    return ((name,) for name in names)


def _said_row(of: Said) -> _Row:
    return of.alert.message_id, of.alert.at.isoformat(), of.silenced, _json(to_json(of.alert))


def _letter_row(of: Letter) -> _Row:
    return *of.key, of.due.isoformat(), of.attempts, of.resend, _text(of.since), _json(to_json(of.alert))


def _silence_row(of: Hush) -> _Row:
    return of.id, _json(of.matcher), of.until.isoformat(), of.made_at.isoformat(), of.comment


def _instance_row(of: Instance) -> _Row:
    return of.identity, of.alert, of.kind.value, _json(of.scope), _json(of.state), _json(of.told), of.summary


def _mailbox_row(of: Mailbox) -> _Row:
    last = _text(of.last_at), of.last_message, of.last_status, of.last_result, of.last_words
    return of.receiver, of.address, of.disabled, _text(of.not_before), *last, of.failed


def _json(value: Mapping[str, Any] | tuple[str, ...]) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, separators=(",", ":"))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
