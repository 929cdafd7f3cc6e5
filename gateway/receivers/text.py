"""Text that fits: cleaned, escaped and cut to what a receiver takes, never in the middle of a character or an escape.

Vendors count characters without saying which. `units` counts UTF-16 code units, which no vendor's count exceeds;
`octets` counts the bytes of a JSON string.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from gateway.domain.alert import Json

Size = Callable[[str], int]
Escape = Callable[[str], str]
"""Gives a text escaped, one character after another."""

ELLIPSIS = "…"
_BREAKS = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def units(text: str) -> int:
    """Count UTF-16 code units: what JavaScript calls the length."""
    return len(text.encode("utf-16-le")) // 2


def octets(text: str) -> int:
    """Count the bytes of a clean text in a JSON string, without the quotes."""
    return len(text.encode()) + text.count('"') + text.count("\\") + text.count("\n")


def paragraphs(text: str) -> str:
    """Give a text without control characters and half surrogates, which some receivers refuse; lines stay."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROLS.sub("", _BREAKS.sub("\n", whole).replace("\t", " ")).strip()


def line(text: str) -> str:
    """Give a clean text on one line."""
    return " ".join(paragraphs(text).split())


def as_it_is(text: str) -> str:
    """Escape nothing."""
    return text


def cut(text: str, limit: int, escape: Escape = as_it_is, size: Size = units) -> str:
    """Give a clean text escaped: whole, or as far as it and an ellipsis fit into `limit`, which is at least 3."""
    whole = escape(text)
    if size(whole) <= limit:
        return whole
    room, kept = limit - size(ELLIPSIS), []
    for character in text:
        escaped = escape(character)
        room -= size(escaped)
        if room < 0:
            break
        kept.append(escaped)
    return "".join(kept) + ELLIPSIS


def rfc3339(moment: datetime) -> str:
    """Give an aware moment in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(body: object) -> bytes:
    """Give the JSON bytes of clean values."""
    return msgspec.json.encode(body)


def plain(value: Json) -> Any:  # noqa: ANN401 - JSON
    """Give machine-readable values with clean texts, in the types that can be encoded; NaN and infinity become null."""
    if isinstance(value, str):
        return paragraphs(value)
    if isinstance(value, Mapping):
        return {paragraphs(name): plain(inner) for name, inner in value.items()}
    if value is None or isinstance(value, bool | int | float):
        return value
    return [plain(inner) for inner in value]


Item = TypeVar("Item")


def fitting(items: Iterable[Item], room: int, cost: Callable[[Item], int]) -> list[Item]:
    """Give the items up to the first that there is no room for."""
    kept = []
    for item in items:
        room -= cost(item)
        if room < 0:
            break
        kept.append(item)
    return kept


def json_octets(value: object) -> int:
    """Count the bytes of a clean value as an item of a JSON array."""
    return len(encode(value)) + 1


def entries_within(values: Mapping[str, Json], room: int) -> dict[str, Any]:
    """Give the entries, clean, up to the first that there is no room for in so many bytes of JSON."""
    return dict(fitting(plain(values).items(), room, json_octets))
