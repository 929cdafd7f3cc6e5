"""What the ledger lacks at a start: rows that a killed process wrote and did not come to book, or all there are."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from gateway.adapters.day_files import is_broken
from gateway.adapters.ledger_sqlite import Ledger
from gateway.adapters.log_rows import postings_of_row
from gateway.adapters.log_sqlite import LogReader
from gateway.domain.ledger import Posting, summed
from gateway.domain.problem import StoreError

logger = logging.getLogger(__name__)

ROWS_AT_A_TIME = 1_000
PATIENCE_S = 5.0


def reconcile(log: LogReader, state: Path) -> dict[date, int]:
    """Book every row that is not in the ledger; give up to which number each day is booked now. Raises StoreError.

    A file that cannot be read gives no rows, with a warning. A kill on the way loses nothing: what is booked is noted.
    """
    try:
        with closing(Ledger(state, PATIENCE_S)) as ledger:
            numbers = ledger.numbers()
            added = sum(_reconciled(day, log, ledger, numbers) for day in log.days())
    except (sqlite3.Error, OSError) as error:
        hint = f"; move {state} away, and the ledger is made anew from the log" if is_broken(error) else ""
        raise StoreError(f"the ledger cannot be brought up to the log: {error}{hint}") from error
    if added:
        logger.info("%d rows of the log were not in the ledger yet, and are now", added)
    return numbers


def _reconciled(day: date, log: LogReader, ledger: Ledger, numbers: dict[date, int]) -> int:
    added = 0
    while rows := log.past(day, numbers.get(day, 0), ROWS_AT_A_TIME):
        numbers[day] = rows[-1]["number"]
        ledger.book(summed(posting for row in rows for posting in _postings(row)), {day: numbers[day]})
        added += len(rows)
    return added


def _postings(row: dict[str, Any]) -> Iterator[Posting]:
    try:
        yield from postings_of_row(row)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        logger.error("the log row %s cannot be booked: %s", row["id"], type(error).__name__)  # noqa: TRY400 - in words
