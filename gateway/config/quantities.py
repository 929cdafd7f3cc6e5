"""Quantities as rules write them: durations, sizes, percentages, rates and dates, from text to values.

Each function raises ValueError with a message fit for a Problem. The forms are those of `schemas/rules.schema.json`.
"""

import re
from datetime import UTC, datetime, timedelta
from math import inf

NEVER = "never"
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(_NUMBER + r"(ms|s|m|h|d)")
_SIZE = re.compile(_NUMBER + r"(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)")
_PERCENT = re.compile(_NUMBER + r"%")
_RATE = re.compile(r"([1-9][0-9]{0,11})/min")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1970, 9000)
"""Years that dates may have; near the ends of the calendar another time zone may have no date at all."""
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_KILO, _KIBI = 1000, 1024
_BYTES = {
    "B": 1,
    "KB": _KILO,
    "MB": _KILO**2,
    "GB": _KILO**3,
    "TB": _KILO**4,
    "KiB": _KIBI,
    "MiB": _KIBI**2,
    "GiB": _KIBI**3,
    "TiB": _KIBI**4,
}


def duration_s(text: str) -> float:
    """Give the seconds of a duration such as `500ms`, `2s`, `10m`, `1h` or `30d`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a duration such as 500ms, 2s, 10m, 1h or 30d")
    return float(found[1]) / 1000 if found[2] == "ms" else float(found[1]) * _SECONDS[found[2]]


def never_or_s(text: str) -> float:
    """Give the seconds of a duration, infinity for `never`."""
    return inf if text == NEVER else duration_s(text)


def size_bytes(text: str) -> int:
    """Give the bytes of a size such as `32MB` (of 1000² bytes) or `32MiB` (of 1024²), rounded down to a whole one."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a size such as 512KB, 32MB, 32MiB or 5GB")
    whole, _, fraction = found[1].partition(".")
    scale: int = 10 ** len(fraction)
    return int(whole + fraction) * _BYTES[found[2]] // scale


def percent(text: str) -> float:
    """Give the fraction that a percentage stands for: 0.8 for `80%`."""
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a percentage such as 80%")
    return float(found[1]) / 100


def per_minute(text: str) -> int:
    """Give how many a rate such as `600/min` lets through in a minute."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a rate such as 600/min")
    return int(found[1])


def end_of(text: str) -> datetime:
    """Give the moment in UTC that a date such as `2026-12-31` ends with there, or that a moment names."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"'{text}' is no date: {error}") from error
    if at.year not in _YEARS:
        raise ValueError(f"'{text}' is no date: its year is not one from {_YEARS[0]} to {_YEARS[-1]}")
    if _DATE.fullmatch(text):
        return at.replace(tzinfo=UTC) + timedelta(days=1)
    if at.tzinfo is None:
        raise ValueError(f"'{text}' is no moment: it has no time zone")
    return at.astimezone(UTC)
