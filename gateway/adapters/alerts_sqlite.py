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
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"what is kept of alerts in state.db cannot be {verb}: {error}") from error


def _load(database: sqlite3.Connection) -> Kept:
    return Kept(
        instances=tuple(_instances(database)),
        letters=tuple(_letters(database)),
        mailboxes=tuple(_mailboxes(database)),
        hushes=tuple(_hushes(database)),
        accepted=frozenset(incident for (incident,) in database.execute("select incident from accepted")),
    )


def _instances(database: sqlite3.Connection) -> Iterator[Instance]:
    query = "select alert, kind, scope, state, told, summary from alert_instances"
    for alert, kind, scope, state, told, summary in database.execute(query):
        yield Instance(alert, AlertKind(kind), json.loads(scope), json.loads(state), tuple(json.loads(told)), summary)


def _letters(database: sqlite3.Connection) -> Iterator[Letter]:
    query = "select receiver, alert, due, attempts, resend, since from outbox order by number"
    for receiver, alert, due, attempts, resend, since in database.execute(query):
        message = from_json(json.loads(alert))
        yield Letter(receiver, message, datetime.fromisoformat(due), attempts, bool(resend), _moment(since))


_PLAIN: Final = (
    *("receiver", "address", "disabled"),
    *("last_message", "last_status", "last_result", "last_words", "failed"),
)
_MAILBOXES: Final = f"select not_before, last_at, {', '.join(_PLAIN)} from mailboxes"  # noqa: S608 - our own words


def _mailboxes(database: sqlite3.Connection) -> Iterator[Mailbox]:
    for not_before, last_at, *rest in database.execute(_MAILBOXES):
        known: dict[str, Any] = dict(zip(_PLAIN, rest, strict=True))
        yield Mailbox(not_before=_moment(not_before), last_at=_moment(last_at), **known)


def _hushes(database: sqlite3.Connection) -> Iterator[Hush]:
    for id_, matcher, until, made_at, comment in database.execute(
        "select id, matcher, until, made_at, comment from silences order by id"
    ):
        moments = datetime.fromisoformat(until), datetime.fromisoformat(made_at)
        yield Hush(id_, json.loads(matcher), *moments, comment)


def _said(database: sqlite3.Connection, limit: int) -> list[Said]:
    rows = database.execute("select alert, silenced from alerts_said order by number desc limit ?", (limit,))
    return [Said(from_json(json.loads(alert)), bool(silenced)) for alert, silenced in rows]


def _write(database: sqlite3.Connection, changes: Changes) -> None:
    database.execute("begin immediate")
    try:
        _make(database, changes)
        database.execute("commit")
    finally:
        if database.in_transaction:
            database.execute("rollback")


_PUT_SAID: Final = "insert or replace into alerts_said (message, at, silenced, alert) values (?, ?, ?, ?)"
_FORGET_SAID: Final = "delete from alerts_said where number <= (select max(number) from alerts_said) - ?"
_PUT_LETTER: Final = """
    insert into outbox (receiver, message, due, attempts, resend, since, alert) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (receiver, message) do update
    set due = excluded.due, attempts = excluded.attempts, resend = excluded.resend, since = excluded.since
"""


def _make(database: sqlite3.Connection, changes: Changes) -> None:
    database.executemany(
        "insert or replace into alert_instances values (?, ?, ?, ?, ?, ?, ?)", map(_instance_row, changes.instances)
    )
    database.executemany("delete from alert_instances where identity = ?", _ones(changes.quiet))
    database.executemany(_PUT_SAID, map(_said_row, changes.said))
    database.executemany(_FORGET_SAID, ((SAID_KEPT,) for _ in changes.said[:1]))
    database.executemany(_PUT_LETTER, map(_letter_row, changes.letters))
    database.executemany("delete from outbox where receiver = ? and message = ?", changes.gone)
    database.executemany(
        "insert or replace into mailboxes values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_mailbox_row, changes.mailboxes)
    )
    database.executemany("insert or replace into silences values (?, ?, ?, ?, ?)", map(_hush_row, changes.hushes))
    database.executemany("delete from silences where id = ?", _ones(changes.unhushed))
    database.executemany("insert or replace into accepted values (?)", _ones(changes.accepted))
    database.executemany("delete from accepted where incident = ?", _ones(changes.unaccepted))


def _ones(values: Iterable[str]) -> Iterator[tuple[str]]:
    return ((each,) for each in values)


def _said_row(of: Said) -> tuple[object, ...]:
    return of.alert.message_id, of.alert.at.isoformat(), of.silenced, _json(to_json(of.alert))


def _letter_row(of: Letter) -> tuple[object, ...]:
    return *of.key, of.due.isoformat(), of.attempts, of.resend, _text(of.since), _json(to_json(of.alert))


def _hush_row(of: Hush) -> tuple[object, ...]:
    return of.id, _json(of.matcher), of.until.isoformat(), of.made_at.isoformat(), of.comment


def _instance_row(of: Instance) -> tuple[object, ...]:
    return of.identity, of.alert, of.kind.value, _json(of.scope), _json(of.state), _json(of.told), of.summary


def _mailbox_row(of: Mailbox) -> tuple[object, ...]:
    last = _text(of.last_at), of.last_message, of.last_status, of.last_result, of.last_words
    return of.receiver, of.address, of.disabled, _text(of.not_before), *last, of.failed


def _json(value: Mapping[str, Any] | tuple[str, ...]) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, separators=(",", ":"))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
