"""What budget windows promise: they tile time by the zone's own calendar, and the ledger's quarter hours sum them.

The oracle walks the instants and watches the local date change; it shares no formula with the code.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.window import Calendar, Period, Rolling, RollingUnit, Window
from gateway.engine.windows import (
    LEAST_SHARE,
    buckets,
    forecast,
    frees_at,
    grain_s,
    next_reset,
    window_at,
)

MICROSECOND = timedelta.resolution
MINUTE = timedelta(minutes=1)
QUARTER_HOUR = timedelta(minutes=15)
ZONES = {
    "UTC": "no change",
    "Europe/Berlin": "changes at 01:00 UTC",
    "America/New_York": "changes at 02:00 local",
    "Asia/Kathmandu": "5:45 from UTC",
    "Pacific/Apia": "left out 2011-12-30",
    "Australia/Lord_Howe": "changes by half an hour",
    "America/Sao_Paulo": "skipped midnight, and fell back at midnight, until 2019",
    "Asia/Beirut": "skips midnight",
    "America/Havana": "has midnight twice",
    "America/St_Johns": "fell back at 00:01 into the evening before, until 2011",
    "America/Toronto": "skipped 23:30 to 00:30 in 1919",
    "Africa/Cairo": "skips midnight, on a Friday",
}
SPANS = ((2009, 2014), (2026, 2029))
"""Years, first and last: the odd changes of 2010 and 2011 and a leap year, and now and another."""
WALKS = [*((zone, span) for zone in ZONES for span in SPANS), ("America/Toronto", (1918, 1920))]
BY_DATE = (Calendar.DAY, Calendar.WEEK, Calendar.MONTH, Calendar.QUARTER, Calendar.YEAR)
ROLLING = (Rolling(15, RollingUnit.MINUTES), Rolling(6, RollingUnit.HOURS), Rolling(7, RollingUnit.DAYS))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day, ...


@cache
def beginnings(zone: str, span: tuple[int, int]) -> list[tuple[datetime, date]]:
    """Give each local date of the span that came, with the minute it came first: walked, not computed."""
    info, at, found = ZoneInfo(zone), utc(span[0], 1, 1), []
    latest = at.astimezone(info).date()
    while at.year <= span[1]:
        if (at + QUARTER_HOUR).astimezone(info).date() > latest:
            while (local := at.astimezone(info).date()) <= latest:
                at += MINUTE
            latest = local
            found.append((at, local))
        at += QUARTER_HOUR
    return found


def name_of(period: Calendar, day: date) -> tuple[int, ...]:
    """Name the period that a date is in."""
    return {
        Calendar.DAY: (day.toordinal(),),
        Calendar.WEEK: tuple(day.isocalendar())[:2],
        Calendar.MONTH: (day.year, day.month),
        Calendar.QUARTER: (day.year, (day.month + 2) // 3),
        Calendar.YEAR: (day.year,),
    }[period]


@cache
def edges(zone: str, span: tuple[int, int], period: Calendar) -> list[datetime]:
    """Give the instants of the span at which the name of the period changes."""
    days = pairwise(beginnings(zone, span))
    return [at for (_, before), (at, day) in days if name_of(period, before) != name_of(period, day)]


zones = st.sampled_from(sorted(ZONES))
instants = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
periods: st.SearchStrategy[Period] = st.sampled_from([*Calendar, *ROLLING])


microseconds = st.integers(0, 366 * 86_400 * 10**6) | st.integers(0, 9 * 10**10) | st.sampled_from([0, 1, -1])
"""Where in a window: anywhere, within the hours of the clock changes, or at its edges."""


@given(st.sampled_from(WALKS), st.sampled_from(BY_DATE), st.integers(0, 3000), microseconds)
def test_days_to_years_are_what_a_walk_through_the_dates_finds(
    walk: tuple[str, tuple[int, int]], period: Calendar, place: int, offset: int
) -> None:
    """U-76: the edges follow the zone, the days of both clock changes included."""
    found = list(pairwise(edges(*walk, period)))
    start, end = found[place % len(found)]
    at = start + offset * MICROSECOND % (end - start)
    assert window_at(period, ZoneInfo(walk[0]), at) == Window(start, end)


@pytest.mark.parametrize(("zone", "span"), WALKS)
def test_every_day_of_the_walked_years_is_found(zone: str, span: tuple[int, int]) -> None:
    """U-76: no day among them is cut, joined or shifted: from both ends, and from the hour that may come twice."""
    for start, end in pairwise(edges(zone, span, Calendar.DAY)):
        for at in (start, start + 2 * QUARTER_HOUR, end - MICROSECOND):
            assert window_at(Calendar.DAY, ZoneInfo(zone), at) == Window(start, end)


@pytest.mark.parametrize(
    ("zone", "at", "start", "hours"),
    [
        pytest.param("Europe/Berlin", utc(2026, 3, 29, 12), utc(2026, 3, 28, 23), 23, id="Berlin, spring"),
        pytest.param("Europe/Berlin", utc(2026, 10, 25, 12), utc(2026, 10, 24, 22), 25, id="Berlin, autumn"),
        pytest.param("America/New_York", utc(2026, 3, 8, 12), utc(2026, 3, 8, 5), 23, id="New York, spring"),
        pytest.param("America/New_York", utc(2026, 11, 1, 12), utc(2026, 11, 1, 4), 25, id="New York, autumn"),
        pytest.param("Asia/Kathmandu", utc(2026, 7, 1, 18), utc(2026, 6, 30, 18, 15), 24, id="Kathmandu"),
        pytest.param("Australia/Lord_Howe", utc(2026, 4, 4, 20), utc(2026, 4, 4, 13), 24.5, id="Lord Howe, autumn"),
        pytest.param("Australia/Lord_Howe", utc(2026, 10, 3, 20), utc(2026, 10, 3, 13, 30), 23.5, id="its spring"),
        pytest.param("Asia/Beirut", utc(2026, 3, 29, 12), utc(2026, 3, 28, 22), 23, id="midnight is skipped"),
        pytest.param("America/Havana", utc(2026, 11, 1, 12), utc(2026, 11, 1, 4), 25, id="midnight comes twice"),
        pytest.param("America/Sao_Paulo", utc(2013, 2, 16, 12), utc(2013, 2, 16, 2), 25, id="falls back at midnight"),
        pytest.param("Pacific/Apia", utc(2011, 12, 29, 12), utc(2011, 12, 29, 10), 24, id="before a date left out"),
        pytest.param("Pacific/Apia", utc(2011, 12, 30, 10), utc(2011, 12, 30, 10), 24, id="after it"),
        pytest.param("America/St_Johns", utc(2010, 11, 7, 3), utc(2010, 11, 7, 2, 30), 25, id="the evening again"),
        pytest.param(
            "America/Toronto", utc(1919, 3, 31, 12), utc(1919, 3, 31, 4, 30), 23.5, id="half past to half past"
        ),
    ],
)
def test_a_day_begins_at_the_first_instant_of_its_date(zone: str, at: datetime, start: datetime, hours: float) -> None:
    """U-76: by the clock changes as the newspapers had them."""
    assert window_at(Calendar.DAY, ZoneInfo(zone), at) == Window(start, start + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("period", "at", "start", "end"),
    [
        (Calendar.MINUTE, utc(2026, 11, 25, 7, 19, 44), utc(2026, 11, 25, 7, 19), utc(2026, 11, 25, 7, 20)),
        (Calendar.HOUR, utc(2026, 11, 25, 7, 19, 44), utc(2026, 11, 25, 7), utc(2026, 11, 25, 8)),
        (Calendar.DAY, utc(2028, 2, 29, 12), utc(2028, 2, 29), utc(2028, 3, 1)),
        (Calendar.WEEK, utc(2027, 1, 1), utc(2026, 12, 28), utc(2027, 1, 4)),
        (Calendar.MONTH, utc(2028, 2, 29, 23, 59, 59), utc(2028, 2, 1), utc(2028, 3, 1)),
        (Calendar.MONTH, utc(2026, 12, 31, 23), utc(2026, 12, 1), utc(2027, 1, 1)),
        (Calendar.QUARTER, utc(2026, 11, 25), utc(2026, 10, 1), utc(2027, 1, 1)),
        (Calendar.YEAR, utc(2026, 1, 1), utc(2026, 1, 1), utc(2027, 1, 1)),
        (
            Rolling(7, RollingUnit.DAYS),
            utc(2026, 11, 25, 7, 19, 44),
            utc(2026, 11, 18, 7, 30),
            utc(2026, 11, 25, 7, 30),
        ),
        (Rolling(1, RollingUnit.HOURS), utc(2026, 11, 25, 7, 30), utc(2026, 11, 25, 6, 45), utc(2026, 11, 25, 7, 45)),
    ],
)
def test_a_window_is_the_one_on_the_wall(period: Period, at: datetime, start: datetime, end: datetime) -> None:
    assert window_at(period, ZoneInfo("UTC"), at) == Window(start, end)


@given(st.sampled_from(sorted(available_timezones())), periods, instants)
def test_windows_tile_time(zone: str, period: Period, at: datetime) -> None:
    """U-75: whoever asks at whatever instant gets the same windows, so a restart across an edge changes nothing."""
    info = ZoneInfo(zone)
    window = window_at(period, info, at)
    assert at in window
    assert (window.start.tzinfo, window.end.tzinfo) == (UTC, UTC)
    assert next_reset(period, info, at) == window.end
    following = window_at(period, info, window.end)
    if isinstance(period, Rolling):
        assert window.end - window.start == timedelta(seconds=period.length_s)
        assert (following.start - window.start, following.end - window.end) == (QUARTER_HOUR, QUARTER_HOUR)
        assert window_at(period, info, window.end - QUARTER_HOUR) == window
    else:
        assert following.start == window.end
        assert window_at(period, info, window.start) == window
        assert window_at(period, info, window.start - MICROSECOND).end == window.start
    assert window_at(period, info, window.end - MICROSECOND) == window


@given(zones, st.sampled_from([Calendar.MINUTE, Calendar.HOUR]), instants)
def test_minutes_and_hours_are_the_same_everywhere(zone: str, period: Calendar, at: datetime) -> None:
    length_s = {Calendar.MINUTE: 60, Calendar.HOUR: 3600}[period]
    start = at.replace(microsecond=0)
    while int(start.timestamp()) % length_s:
        start -= timedelta(seconds=1)
    assert window_at(period, ZoneInfo(zone), at) == Window(start, start + timedelta(seconds=length_s))


@given(zones, zones, periods, instants)
def test_an_instant_is_the_same_in_whatever_zone_it_is_written(
    zone: str, written_in: str, period: Period, at: datetime
) -> None:
    info = ZoneInfo(zone)
    assert window_at(period, info, at.astimezone(ZoneInfo(written_in))) == window_at(period, info, at)


def test_an_instant_written_in_an_hour_that_was_skipped_is_taken_for_the_one_it_stands_for() -> None:
    """Half past midnight did not come in Beirut that day; with the offset of after the change it is 23:30."""
    zone = ZoneInfo("Asia/Beirut")
    at = datetime(2026, 3, 29, 0, 30, fold=1, tzinfo=zone)
    assert at in window_at(Calendar.DAY, zone, at)


def test_an_instant_without_a_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        window_at(Calendar.HOUR, ZoneInfo("UTC"), datetime(2026, 11, 25))  # noqa: DTZ001


spends = st.lists(st.tuples(st.integers(-400_000, 400_000), st.integers(0, 10**12)), max_size=30)


def ledger_of(rows: list[tuple[datetime, int]], minutes: int = 15) -> Counter[int]:
    """Sum spends by quarter hours of UTC, as the ledger does."""
    sums: Counter[int] = Counter()
    for at, nano_usd in rows:
        start = at.replace(minute=at.minute // minutes * minutes, second=0, microsecond=0)
        sums[int(start.timestamp())] += nano_usd
    return sums


@given(zones, periods, instants, spends)
def test_the_stretches_of_a_window_hold_its_spend_and_no_other(
    zone: str, period: Period, at: datetime, offsets: list[tuple[int, int]]
) -> None:
    """U-75: spend of a window is a sum over the ledger's quarter hours; that of a minute is read from the log."""
    window = window_at(period, ZoneInfo(zone), at)
    rows = [(edge + timedelta(seconds=offset), cost) for edge in (window.start, window.end) for offset, cost in offsets]
    grain = grain_s(period)
    first, last = buckets(window, grain)
    summed = sum(cost for start, cost in ledger_of(rows, grain // 60).items() if first <= start <= last)
    assert summed == sum(cost for when, cost in rows if when in window)


def test_only_a_minute_is_finer_than_the_ledger() -> None:
    assert {period: grain_s(period) for period in (*Calendar, *ROLLING) if grain_s(period) != 900} == {
        Calendar.MINUTE: 60
    }
    window = window_at(Calendar.MINUTE, ZoneInfo("UTC"), utc(2026, 11, 25, 7, 29))
    assert buckets(window, 60) == (int(utc(2026, 11, 25, 7, 29).timestamp()),) * 2


@given(st.sampled_from(ROLLING), instants, spends, st.integers(1, 10**13))
def test_spend_leaves_a_rolling_window_when_it_is_said_to(
    period: Rolling, at: datetime, offsets: list[tuple[int, int]], excess: int
) -> None:
    """U-74: the instant that a refusal names is true: before it too little has left, at it enough."""
    info = ZoneInfo("UTC")
    window = window_at(period, info, at)
    rows = [(at - timedelta(seconds=abs(offset)), cost) for offset, cost in offsets]
    ledger = {q: cost for q, cost in ledger_of([row for row in rows if row[0] in window]).items() if cost}

    def left_by(instant: datetime) -> int:
        first, last = buckets(window_at(period, info, instant))
        return sum(cost for quarter_hour, cost in ledger.items() if not first <= quarter_hour <= last)

    free = frees_at(period, window, ledger, excess)
    if free is None:
        assert sum(ledger.values()) < excess
    else:
        assert left_by(free) >= excess > left_by(free - MICROSECOND)


def test_the_spend_of_a_calendar_window_leaves_it_at_once() -> None:
    window = window_at(Calendar.MONTH, ZoneInfo("UTC"), utc(2026, 11, 25))
    assert frees_at(Calendar.MONTH, window, {int(window.start.timestamp()): 7}, 7) == utc(2026, 12, 1)
    assert frees_at(Calendar.MONTH, window, {int(window.start.timestamp()): 7}, 8) is None


shares = st.fractions(0, 1, max_denominator=10**6)
lengths = st.integers(900, 366 * 86_400)


@given(instants, lengths, shares, st.integers(0, 10**15))
def test_a_forecast_goes_on_as_it_went_and_is_silent_early(
    start: datetime, length_s: int, share: Fraction, spent: int
) -> None:
    """Half the spend in half the time is the whole in the whole; the first tenth says nothing."""
    window = Window(start, start + timedelta(seconds=length_s))
    passed = timedelta(microseconds=int(share * length_s * 10**6))
    expected = forecast(spent, window, start + passed)
    if passed < LEAST_SHARE * timedelta(seconds=length_s):
        assert expected is None
    else:
        assert expected is not None
        exact = Fraction(spent * length_s * 10**6, passed // MICROSECOND)
        assert -Fraction(1, 2) < expected - exact <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("spent", "day", "expected"),
    [(10, 1, None), (10, 3, None), (10, 4, 100), (200, 16, 400), (300, 31, 300), (300, 32, 300)],
)
def test_a_month_is_forecast_from_its_fourth_day(spent: int, day: int, expected: int | None) -> None:
    window = Window(utc(2026, 11, 1), utc(2026, 12, 1))
    assert forecast(spent, window, window.start + timedelta(days=day - 1)) == expected


def test_a_forecast_wants_as_much_to_go_by_as_it_is_told() -> None:
    window = Window(utc(2026, 11, 1), utc(2026, 12, 1))
    assert forecast(9, window, utc(2026, 11, 16), least_spent=10) is None
    assert forecast(10, window, utc(2026, 11, 16), least_spent=10) == 20
    assert forecast(10, window, utc(2026, 11, 2), least_share=0) == 300
    assert forecast(10, window, utc(2026, 11, 1), least_share=0) is None
