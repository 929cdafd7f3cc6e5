"""What the rows of a day were spent on, as far as the ledger has booked them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec

from gateway.adapters.log_rows import spent_of_row
from gateway.adapters.log_sqlite import LogReader
from gateway.domain.ledger import Spent

ROWS_AT_A_TIME = 1_000


def spent_on(log: LogReader, day: date, up_to: int) -> Iterator[Spent]:
    """Give what the attempts of a day's rows used, to the row of that number; none of rows that cannot be read."""
    number = 0
    while rows := log.past(day, number, ROWS_AT_A_TIME):
        for row in rows:
            number = row["number"]
            if number > up_to:
                return
            yield from _readable(row)


def _readable(row: dict[str, Any]) -> list[Spent]:
    try:
        return spent_of_row(row)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return []  # the sums of its day tell that it is missing
