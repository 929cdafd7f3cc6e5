"""What `rulegate report` is asked for: dimensions, a stretch of days, a time zone and a ledger, each with a remedy."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from shlex import quote
from typing import Final, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import click

from gateway.app import SIMULATED
from gateway.domain.window import Calendar
from gateway.engine.report import By, Dimension, Period
from gateway.engine.windows import buckets, window_at, window_of

T = TypeVar("T")
CHOICES: Final[tuple[Period | Dimension, ...]] = (*get_args(Dimension), *get_args(Period))
_LAST_DAYS = re.compile(r"([1-9][0-9]{0,4})d")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1980, 9000)
"""Years that a day may be of: time zones are whole quarter hours from UTC in them."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Days by the wall clock of a zone, both ends included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def quarters(self) -> tuple[int, int]:
        """The first and the last quarter hour of them, in Unix seconds."""
        return buckets(window_of(self.first, self.last, self.zone))

    def __str__(self) -> str:
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"{days} ({self.zone})"


def read(reading: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Make a callback of an option from a function that raises ValueError with the remedy."""

    @wraps(reading)
    def callback(_: click.Context, __: click.Parameter, value: str | None) -> T | None:
        try:
            return None if value is None else reading(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def dimensions(text: str) -> By:
    """Read dimensions with commas between them."""
    names = [each.strip() for each in text.split(",") if each.strip()]
    for name in names:
        if name not in CHOICES:
            raise ValueError(f"there is no dimension '{name}': {_near(name, CHOICES) or ', '.join(CHOICES)}")
    if not names:
        raise ValueError(f"name at least one of {', '.join(CHOICES)}")
    return tuple(choice for name in dict.fromkeys(names) for choice in CHOICES if choice == name)


def zone(text: str) -> ZoneInfo:
    """Read the name of a time zone."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = _near(text, available_timezones()) or "names are those of the IANA database, such as Europe/Berlin"
        raise ValueError(f"there is no time zone '{text}': {near}") from error


def day(text: str) -> date:
    """Read a day."""
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        raise ValueError(f"'{text}' is no day: write it as 2026-11-25")
    return found


def beginning(text: str) -> date | int:
    """Read a day, or a number of days such as `30d`."""
    if found := _LAST_DAYS.fullmatch(text):
        return int(found[1])
    try:
        return day(text)
    except ValueError as error:
        raise ValueError(f"{error}, or the last days as 30d") from error


def span_of(first: date | int | None, last: date | None, where: ZoneInfo, now: datetime) -> Span:
    """Give the days that are meant: to today, and from the first of that month, where nothing is said.

    Raises UsageError where they end before they begin.
    """
    end = last or window_at(Calendar.DAY, where, now).start.astimezone(where).date()
    if isinstance(first, int):
        first = end - (first - 1) * _DAY
        if first.year not in _YEARS:
            raise click.UsageError(f"--from goes back to before {_YEARS[0]}: give fewer days")
    begin = first or end.replace(day=1)
    if begin > end:
        raise click.UsageError(f"--from {begin} is after --to {end}: nothing is in between")
    return Span(begin, end, where)


def ledger_in(data: Path) -> Path:
    """Give the file that holds the ledger of a data directory; ends with what to do where there is none."""
    try:
        if (data / "state.db").is_file():
            return data / "state.db"
        simulated = (data / SIMULATED / "state.db").is_file()
    except OSError as error:
        raise click.ClickException(f"{data} cannot be read: {(error.strerror or 'unknown error').lower()}") from error
    if simulated:
        raise click.ClickException(
            f"{data} has no ledger of real requests, only one of simulated ones: "
            f"rulegate report --data {quote(str(data / SIMULATED))}"
        )
    raise click.ClickException(
        f"there is no ledger in {data}: give the gateway's directory with --data DIR, or fill one without any cost: "
        "rulegate serve --simulate"
    )


def is_simulated(data: Path) -> bool:
    """Say whether a directory is where a rehearsal keeps its data."""
    return data.resolve().name == SIMULATED


def day_in(quarter: int, where: ZoneInfo) -> date:
    """Give the day of a quarter hour by a wall clock."""
    return window_at(Calendar.DAY, where, datetime.fromtimestamp(quarter, UTC)).start.astimezone(where).date()


def _near(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else ""
