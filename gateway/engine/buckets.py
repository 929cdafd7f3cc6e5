"""Buckets of time for charts of what was spent: where they begin, and the rows that sums of the ledger come to.

Every bucket begins and ends with a quarter hour of UTC, which is what the ledger tells apart: together they hold what
the ledger has of their time, and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from operator import add
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from gateway.domain.ledger import Amounts, LedgerDimension
from gateway.domain.spending import Key, SpendAsked, Step
from gateway.domain.window import Calendar, Window
from gateway.engine.windows import buckets, window_at

NOTHING: Final = Amounts(0, 0, 0, 0, 0, 0, 0)
_QUARTER_HOUR: Final = timedelta(minutes=15)
_MICROSECOND: Final = timedelta(microseconds=1)


def spans(step: Step, zone: ZoneInfo, first: datetime, end: datetime) -> Iterator[Window]:
    """Give the buckets from that of `first` to that of the last moment before `end`, whole ones."""
    at = first
    while at < end:
        span = _span(step, zone, at)
        yield span
        at = span.end


def _span(step: Step, zone: ZoneInfo, at: datetime) -> Window:
    match step:
        case Step.DAY:
            return window_at(Calendar.DAY, zone, at)
        case Step.HOUR:
            return window_at(Calendar.HOUR, zone, at)
        case Step.QUARTER_HOUR:
            hour = window_at(Calendar.HOUR, zone, at)
            start = hour.start + (at - hour.start) // _QUARTER_HOUR * _QUARTER_HOUR
            return Window(start, start + _QUARTER_HOUR)
        case _:
            assert_never(step)


def quarters(span: Window) -> tuple[int, int]:
    """Give the first and the last quarter hour of a bucket, in unix seconds."""
    return buckets(span)


def needed(asked: SpendAsked) -> tuple[LedgerDimension, ...]:
    """Give the dimensions that the ledger must tell apart for the rows."""
    return tuple(dict.fromkeys((*asked.by, *asked.where)))


def needed_for_total(asked: SpendAsked) -> tuple[LedgerDimension, ...]:
    """Give those that it must tell apart for the whole: rows by all tags do not add up to that."""
    return tuple(asked.where) if "tag" in asked.by and "tag" not in asked.where else needed(asked)


def rows_of(
    asked: SpendAsked, told_apart: tuple[LedgerDimension, ...], sums: Mapping[tuple[str | int, ...], Amounts]
) -> dict[Key, Amounts]:
    """Give the rows that sums of the ledger come to, by the dimensions that were asked for, of what was asked for."""
    rows: dict[Key, Amounts] = {}
    for values, amounts in sums.items():
        named = dict(zip(told_apart, map(str, values), strict=True))
        if all(named[dimension] in wanted for dimension, wanted in asked.where.items()):
            key = tuple(named[dimension] for dimension in asked.by if dimension in named)
            rows[key] = added(rows.get(key, NOTHING), amounts)
    return rows


def added(first: Amounts, second: Amounts) -> Amounts:
    """Add two sums."""
    return Amounts(*map(add, first, second))


def total_of(parts: Iterable[Amounts]) -> Amounts:
    """Add up sums."""
    total = NOTHING
    for part in parts:
        total = added(total, part)
    return total
