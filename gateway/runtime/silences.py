"""What people write to silence alerts, read: for which labels, until when, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.config.quantities import duration_s
from gateway.dialects.fields import object_of

LONGEST_LABEL: Final = 200
LONGEST_COMMENT: Final = 1_000
MOST_LABELS: Final = 20
UNTIL: Final = '"for": "2h" or "until": "2026-12-01T00:00:00Z"'


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence that somebody wants."""

    matcher: Mapping[str, str] = field(hash=False)
    until: datetime
    comment: str


def read(body: bytes, now: datetime, matcher: Mapping[str, str] | None = None) -> Wanted | str:
    """Read `{"matchers": {...}, "for": "2h", "comment": "..."}`; a string says what is wrong with it.

    With a `matcher` the labels are settled, and the body has none. `until` stands for `for` with a moment.
    """
    fields = object_of(body)
    labels = '"matchers": {"alert": "budget"}, ' if matcher is None else ""
    own = {"for", "until", "comment"} | ({"matchers"} if matcher is None else set())
    if fields is None or not fields.keys() <= own or ("for" in fields) is ("until" in fields):
        return f'the body is {{{labels}{UNTIL}, "comment": "optional"}}'
    if matcher is None:
        matcher = _labels(fields.get("matchers"))
    if not matcher:
        return "matchers holds at least one label with a text: alert, kind, severity, or what the incident is about"
    until = _until(fields, now)
    if until is None or until <= now:
        return f"a silence ends at a moment to come: {UNTIL}"
    comment = fields.get("comment", "")
    if not isinstance(comment, str) or len(comment) > LONGEST_COMMENT:
        return f"a comment is a text of at most {LONGEST_COMMENT:,} characters"
    return Wanted(matcher, until, comment)


def _labels(written: Any) -> dict[str, str]:  # noqa: ANN401 - decoded JSON
    if not isinstance(written, dict) or len(written) > MOST_LABELS:
        return {}
    texts = [text for pair in written.items() for text in pair]
    whole = all(isinstance(text, str) and 0 < len(text) <= LONGEST_LABEL for text in texts)
    return dict(written) if whole else {}


def _until(fields: Mapping[str, Any], now: datetime) -> datetime | None:
    """Read when a silence ends; a moment without a distance from UTC is none."""
    try:
        if "for" in fields:
            return now + timedelta(seconds=duration_s(fields["for"]))
        until = datetime.fromisoformat(fields["until"])
    except (TypeError, ValueError, OverflowError):
        return None
    return until if until.tzinfo else None
