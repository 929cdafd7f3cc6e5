"""The ledger in `state.db`: sums are added to it, in one transaction with the numbers of the log's rows they are of.

`booked` holds, for each day, up to which row of the day's file the ledger has them: so nothing is added twice, and
what a killed process did not come to is found and added.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from gateway.domain.ledger import Account, Amounts, LedgerDimension
from gateway.domain.problem import StoreError

BUSY_TIMEOUT_S = 0.2
"""How long the writer waits for another one of `state.db`: no longer, for the rows that come meanwhile wait with it."""
READ_TIMEOUT_S = 5.0
MOST = 2**53
"""An amount that no quarter hour reaches, nine million dollars in nano-dollars: sums stay there instead of overflowing,
so that one provider's broken counter cannot keep everybody's money from being booked."""

Dimension = LedgerDimension
Numbers = Mapping[date, int]
"""By day, up to which row of its file."""
Spend = dict[tuple[str | int, ...], Amounts]
"""Sums by the values of dimensions."""


class Booked(NamedTuple):
    """What the ledger holds at one moment: sums as asked for, by quarter hour, and up to which row of each day."""

    spend: Spend
    quarters: dict[int, Amounts]
    numbers: Numbers


_ACCOUNT = ", ".join(Account._fields)
_AMOUNTS = ", ".join(Amounts._fields)
_VALUES = ", ".join("?" for _ in (*Account._fields, *Amounts._fields))
_SUMS = ", ".join(f"{name} = min({name} + excluded.{name}, {MOST})" for name in Amounts._fields)
_ADD = f"insert into ledger ({_ACCOUNT}, {_AMOUNTS}) values ({_VALUES}) on conflict do update set {_SUMS}"  # noqa: S608 - our own names
_MARK = "insert into booked values (?, ?) on conflict do update set number = excluded.number"
_MARKED = "select day, number from booked"

_DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
_WANTED = ", ".join(f"case when ? then {name} end" for name in _DIMENSIONS[:-1])
_TOTALS = ", ".join(f"sum({name})" for name in Amounts._fields)
_BY = ", ".join(str(place) for place in range(1, len(_DIMENSIONS) + 1))
_BETWEEN = f"where quarter between ? and ? group by {_BY}"
_SPEND = {
    False: f"select {_WANTED}, null, {_TOTALS} from ledger {_BETWEEN}",  # noqa: S608 - our own names
    True: f"""
        select {_WANTED}, coalesce(each.value, ''), {_TOTALS}
        from ledger left join json_each(ledger.tags) as each {_BETWEEN}
    """,  # noqa: S608 - the same
}
"""What sums the ledger, without regard to tags and by tag."""
_encode = msgspec.json.Encoder().encode


class Ledger:
    """The ledger as its writer holds it; the file has its tables already. Used by one thread at a time.

    `patience_s` is how long it waits for another writer of the file. Methods raise sqlite3.Error, and OSError where the
    file is gone.
    """

    def __init__(self, path: Path, patience_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = path
        self._patience_s = patience_s
        self._database: sqlite3.Connection | None = None
        self._inode = 0

    def numbers(self) -> dict[date, int]:
        """Give up to which row each day is booked."""
        return _numbers(self._opened())

    def book(self, sums: Mapping[Account, Amounts], numbers: Numbers) -> None:
        """Add sums and note up to which rows they go, at least one, all or nothing.

        Where that is noted already, nothing is done: an attempt that seemed to fail was written after all.
        """
        with self._opened() as database:
            database.execute("begin immediate")
            noted = _numbers(database)
            if any(noted.get(day, 0) >= number for day, number in numbers.items()):
                return
            database.executemany(_ADD, [_stored(account, amounts) for account, amounts in sums.items()])
            database.executemany(_MARK, [(day.isoformat(), number) for day, number in numbers.items()])

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._inode = self._path.stat().st_ino
            database = sqlite3.connect(self._path, timeout=self._patience_s, check_same_thread=False)
            database.execute("pragma synchronous=normal")
            self._database = database
        elif self._path.stat().st_ino != self._inode:
            raise OSError(f"{self._path} is not the file that was opened: put that back, or restart")
        return self._database


def _numbers(database: sqlite3.Connection) -> dict[date, int]:
    return {date.fromisoformat(day): number for day, number in database.execute(_MARKED)}


def _stored(account: Account, amounts: Amounts) -> tuple[str | int, ...]:
    """Give a line of the table. What UTF-8 cannot hold is replaced: money is booked under any name."""
    tags = [_text(tag) for tag in account.tags]
    names = (_text(str(name)) for name in account[1:-1])
    return (account.quarter, *names, _encode(tags).decode(), *(min(amount, MOST) for amount in amounts))


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


class LedgerReader:
    """Reads the ledger beside its writer, with a connection for each answer. It waits for a disk: ask off the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def spend(self, first_quarter: int, last_quarter: int, by: Sequence[Dimension] = ()) -> Spend:
        """Give sums over quarter hours, both ends included, by the values of the dimensions in their order.

        What has several tags is in the sum of each, what has none in that of the empty tag. Raises StoreError.
        """
        with self._reading() as database:
            return _spend(database, first_quarter, last_quarter, by)

    def each(self, spans: Sequence[tuple[int, int]], bys: Sequence[Sequence[Dimension]]) -> Generator[list[Spend]]:
        """Give `spend` for one span of quarter hours after the other, by each of some dimensions, all of one moment.

        A connection is held until it is exhausted or closed. Raises StoreError.
        """
        with self._reading() as database:
            database.execute("begin")
            for first_quarter, last_quarter in spans:
                yield [_spend(database, first_quarter, last_quarter, by) for by in bys]

    def booked(self, first_quarter: int, last_quarter: int, by: Sequence[Dimension] = ()) -> Booked:
        """Give `spend`, and with it by quarter hour, and up to which rows both go, of one moment; raises StoreError."""
        with self._reading() as database:
            database.execute("begin")
            spend = _spend(database, first_quarter, last_quarter, by)
            quarters = _spend(database, first_quarter, last_quarter, ("quarter",))
            sums = {int(quarter): amounts for (quarter,), amounts in quarters.items()}
            return Booked(spend, sums, _numbers(database))

    def ends(self) -> tuple[int, int] | None:
        """Give the first and the last quarter hour that has anything, None where none has. Raises StoreError."""
        with self._reading() as database:
            first, last = database.execute("select min(quarter), max(quarter) from ledger").fetchone()
        return None if first is None else (first, last)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=READ_TIMEOUT_S)) as database:
                yield database
        except sqlite3.Error as error:
            raise StoreError(f"the ledger in {self._path.name} cannot be read: {error}") from error


def _spend(database: sqlite3.Connection, first_quarter: int, last_quarter: int, by: Sequence[Dimension]) -> Spend:
    places = [_DIMENSIONS.index(name) for name in by]
    wanted = [name in by for name in _DIMENSIONS[:-1]]
    rows = database.execute(_SPEND["tag" in by], (*wanted, first_quarter, last_quarter)).fetchall()
    named = len(_DIMENSIONS)
    return {tuple(row[place] for place in places): Amounts(*row[named:]) for row in rows}
