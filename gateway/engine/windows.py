"""Budget windows: which stretch of time an instant falls into, when the next begins, and where its spend is heading.

Windows are functions of the instant, so no job resets anything: a daemon that slept through midnight, or was started
after it, computes the same windows as one that was awake. Nothing here knows money but as a number of nano-dollars.
"""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from gateway.domain.window import QUARTER_HOUR_S, Calendar, Period, Rolling, Window

LEAST_SHARE: Final = 0.1
"""The share of a window that must have passed before its spend says anything about its end."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_QUARTER_HOUR: Final = timedelta(seconds=QUARTER_HOUR_S)
_MONTHS: Final = {Calendar.MONTH: 1, Calendar.QUARTER: 3, Calendar.YEAR: 12}


def window_at(period: Period, zone: ZoneInfo, at: datetime) -> Window:
    """Give the window of a period that holds an instant; `at` must know its zone, else ValueError.

    Days, weeks, months, quarters and years follow the wall clock of `zone`. Each begins at the first instant at which
    the local date is its first day or a later one, and lasts until the next begins. So a day is 23 or 25 hours long
    when the clocks change; where midnight is skipped the day begins at the change, where midnight comes twice it
    begins at the first, and stays begun when the clock falls back into the evening before; a date that a country
    leaves out has no window.

    Minutes and hours are those of UTC. Rolling windows end at the next edge of a quarter hour and begin their length
    earlier, so what falls out of them falls out by whole quarter hours: the last N, the running one included.
    """
    if at.tzinfo is None:
        raise ValueError("an instant without a time zone falls into no window")
    at = at.astimezone(UTC)
    match period:
        case Rolling():
            end = _floor(at, _QUARTER_HOUR) + _QUARTER_HOUR
            return Window(end - timedelta(seconds=period.length_s), end)
        case Calendar.MINUTE:
            return _fixed(at, _MINUTE)
        case Calendar.HOUR:
            return _fixed(at, _HOUR)
        case Calendar.DAY | Calendar.WEEK | Calendar.MONTH | Calendar.QUARTER | Calendar.YEAR:
            return _of_dates(period, zone, at)
        case _:
            assert_never(period)


def window_of(first: date, last: date, zone: ZoneInfo) -> Window:
    """Give the time of some days of the wall clock of `zone`, both ends included, as `window_at` has days."""
    return Window(_first_instant(first, zone), _first_instant(last + _DAY, zone))


def next_reset(period: Period, zone: ZoneInfo, at: datetime) -> datetime:
    """Give the instant at which the window changes next.

    All spend is gone then if the period is of the calendar; of a rolling one only the oldest quarter hour, which may
    have cost nothing: see `frees_at`.
    """
    return window_at(period, zone, at).end


def frees_at(period: Period, window: Window, spent: Mapping[int, int], excess: int) -> datetime | None:
    """Give the first instant at which `excess` nano-dollars of a window's spend will have left it, if no more is spent.

    `spent` holds nano-dollars by quarter hour of the window. None if the window has not spent that much: what does not
    fit even an empty window never fits.
    """
    gone = 0
    for quarter_hour in sorted(spent):
        gone += spent[quarter_hour]
        if gone >= excess:
            return window.end if isinstance(period, Calendar) else _at(quarter_hour + period.length_s)
    return None


def grain_s(period: Period) -> int:
    """Give the seconds by which the spend of a period is kept: the ledger's quarter hour, but a minute for a minute."""
    return 60 if period is Calendar.MINUTE else QUARTER_HOUR_S


def buckets(window: Window, grain: int = QUARTER_HOUR_S) -> tuple[int, int]:
    """Give the first and the last stretch of `grain` seconds that a window touches, both to be summed, in unix seconds.

    They hold the window's spend and nothing else, where `grain` is the `grain_s` of its period. (Every zone has been
    whole quarter hours from UTC since Kiritimati's became so in October 1979.)
    """
    step = timedelta(seconds=grain)
    return _unix_s(_floor(window.start, step)), _unix_s(_floor(window.end - _MICROSECOND, step))


def forecast(
    spent: int, window: Window, at: datetime, *, least_share: float = LEAST_SHARE, least_spent: int = 0
) -> int | None:
    """Give the spend expected at a window's end if it goes on as it went so far, in nano-dollars, rounded half up.

    None while less than `least_share` of the window has passed or less than `least_spent` is spent: one dear request
    in the first minutes of a month would foretell a ruin that never comes. Never less than what is spent; after the
    end exactly that.
    """
    length, passed = window.end - window.start, at - window.start
    if passed >= length:
        return spent
    if passed <= timedelta(0) or passed < length * least_share or spent < least_spent:
        return None
    whole, part = length // _MICROSECOND, passed // _MICROSECOND
    return (2 * spent * whole + part) // (2 * part)


def _of_dates(period: Calendar, zone: ZoneInfo, at: datetime) -> Window:
    first, following = _dates(period, at.astimezone(zone).date())
    # When the clock falls back across midnight the evening comes again, but the next day has begun.
    while (end := _first_instant(following, zone)) <= at:
        first, following = _dates(period, following)
    return Window(_first_instant(first, zone), end)


def _dates(period: Calendar, day: date) -> tuple[date, date]:
    """Give the first date of the period that a date is in, and the first date of the next."""
    if period is Calendar.DAY:
        return day, day + _DAY
    if period is Calendar.WEEK:
        monday = day - day.weekday() * _DAY
        return monday, monday + 7 * _DAY
    months = _MONTHS[period]
    first = (day.year * 12 + day.month - 1) // months * months
    return _month(first), _month(first + months)


def _month(number: int) -> date:
    """Give the first date of a month, counted from the year 0."""
    return date(number // 12, number % 12 + 1, 1)


def _first_instant(day: date, zone: ZoneInfo) -> datetime:
    """Give the first instant whose local date is `day` or later, in UTC."""
    midnight = datetime.combine(day, time(), zone)  # fold 0: the first of two
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # Midnight was skipped. Read with the offsets of before and after the change, it lies on either side of it.
    change = range(_unix_s(midnight.replace(fold=1)), _unix_s(midnight))
    return _at(change.start + bisect_left(change, True, key=lambda unix_s: _at(unix_s).astimezone(zone).date() >= day))


def _fixed(at: datetime, length: timedelta) -> Window:
    start = _floor(at, length)
    return Window(start, start + length)


def _floor(at: datetime, step: timedelta) -> datetime:
    return _EPOCH + (at - _EPOCH) // step * step


def _unix_s(at: datetime) -> int:
    return (at - _EPOCH) // _SECOND


def _at(unix_s: int) -> datetime:
    return _EPOCH + timedelta(seconds=unix_s)
