"""Quantities as rules write them: durations, sizes and percentages, from text to numbers.

Each function raises ValueError with a message fit for a Problem. The forms are those of `schemas/rules.schema.json`.
"""

import re

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(_NUMBER + r"(ms|s|m|h|d)")
_SIZE = re.compile(_NUMBER + r"(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)")
_PERCENT = re.compile(_NUMBER + r"%")
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
