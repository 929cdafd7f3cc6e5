"""What rows of the log were spent on: those of a day that the ledger has booked, or those of a few seconds."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from gateway.adapters.log_rows import InVain, in_vain_of_row, spent_of_row
from gateway.adapters.log_sqlite import LogReader
from gateway.domain.ledger import Spent, quarter_of

Read = TypeVar("Read")
ROWS_AT_A_TIME = 1_000


def spent_on(log: LogReader, day: date, up_to: int) -> Iterator[Spent]:
    """Give what the attempts of a day's rows used, to the row of that number; none of rows that cannot be read."""
    number = 0
    while rows := log.past(day, number, ROWS_AT_A_TIME):
        for row in rows:
            number = row["number"]
            if number > up_to:
                return
            yield from _readable(row, spent_of_row)


def in_vain_on(log: LogReader, day: date, quarters: tuple[int, int]) -> Iterator[InVain]:
    """Give what gave no answer of a day's rows that came in some quarter hours; none of rows that cannot be read."""
    number = 0
    while rows := log.past(day, number, ROWS_AT_A_TIME):
        for row in rows:
            number = row["number"]
            if quarters[0] <= quarter_of(datetime.fromisoformat(row["at"])) <= quarters[1]:
                yield from _readable(row, in_vain_of_row)


def spent_between(log: LogReader, first_s: int, end_s: int) -> Iterator[tuple[datetime, Spent]]:
    """Give what was used by attempts of requests that came from one moment on and before another, in unix seconds.

    Both lie in one day of UTC. Raises StoreError.
    """
    for row in log.between(first_s, end_s):
        at = datetime.fromisoformat(row["at"])
        for spent in _readable(row, spent_of_row):
            yield at, spent


def _readable(row: dict[str, Any], read: Callable[[dict[str, Any]], list[Read]]) -> list[Read]:
    try:
        return read(row)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return []  # the sums of its day tell that it is missing
