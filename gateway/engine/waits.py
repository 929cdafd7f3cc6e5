"""When a provider says to come again: its headers to seconds."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def wait_asked_s(status: int, headers: Mapping[str, str], now: datetime) -> float | None:
    """Give how long a provider asks to be left alone, None where it does not say; headers by lower-case name.

    `retry-after-ms` and `Retry-After` come first, else, for a 429, the reset of a limit of which nothing remains:
    OpenAI's `x-ratelimit-reset-*` (`6m0s`, `20ms`) and Anthropic's `anthropic-ratelimit-*-reset` (RFC 3339).
    A moment is counted from the provider's own `Date` where it gives one: our clock may be wrong.
    """
    now = _moment(headers.get("date", "")) or now
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.isascii() and milliseconds.isdigit():
        return min(int(milliseconds[:12]) / 1000, LONGEST_WAIT_S)
    if (asked_s := retry_after_s(headers.get("retry-after", ""), now)) is not None:
        return asked_s
    if status != 429:
        return None
    resets = [_reset_s(headers, name, now) for name, left in headers.items() if "remaining" in name and left == "0"]
    return max((reset for reset in resets if reset is not None), default=None)


def _reset_s(headers: Mapping[str, str], remaining: str, now: datetime) -> float | None:
    written = headers.get(remaining.replace("remaining", "reset"), "")
    if parts := _SPAN.fullmatch(written):
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in parts.groups())
        return min(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000, LONGEST_WAIT_S)
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    return min(max((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 0.0), LONGEST_WAIT_S)


_SPAN = re.compile(r"(?=\d)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?")


def retry_after_s(written: str, now: datetime) -> float | None:
    """Read a Retry-After header: seconds, or the seconds until an HTTP date (RFC 9110, section 10.2.3)."""
    if written.isascii() and written.isdigit():
        return float(min(int(written[:9]), LONGEST_WAIT_S))
    at = _moment(written)
    return None if at is None else min(max((at - now).total_seconds(), 0.0), LONGEST_WAIT_S)


def _moment(written: str) -> datetime | None:
    """Read an HTTP date, None for anything else."""
    try:
        at = parsedate_to_datetime(written)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)


LONGEST_WAIT_S = 86_400.0
"""A provider that asks for more than a day is taken to ask for a day."""
