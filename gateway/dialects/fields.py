"""Reading what every surface and every provider shares: JSON objects, and the fields that all dialects have."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.domain.words import Prefer

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, no UTF-8, or nested too deeply."""

_PREFERENCES = frozenset(Prefer)


def object_of(data: bytes) -> dict[str, Any] | None:
    """Decode a JSON object; None for anything else."""
    try:
        decoded = msgspec.json.decode(data)
    except UNREADABLE:
        return None
    return decoded if type(decoded) is dict else None


def dict_of(value: Any) -> dict[str, Any]:  # noqa: ANN401 - decoded JSON
    """Give an object within decoded JSON; an empty one where there is none."""
    return value if type(value) is dict else {}


def list_of(value: Any) -> list[Any]:  # noqa: ANN401 - decoded JSON
    """Give a list within decoded JSON; an empty one where there is none."""
    return value if type(value) is list else []


def text_of(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Give a string within decoded JSON; an empty one where there is none."""
    return value if type(value) is str else ""


def word_of(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Give a word of an error, which some write as a number or as an object; empty where there is none."""
    if value is None or type(value) is str:
        return value or ""
    try:
        return str(value)
    except RecursionError:
        return ""


def count_of(value: Any) -> int | None:  # noqa: ANN401 - decoded JSON
    """Give a whole number within decoded JSON, None where there is none."""
    return value if type(value) is int else None


def reported_in(usage_field: Any) -> dict[str, Any]:  # noqa: ANN401 - decoded JSON
    """Give the counters of a usage object that are not null."""
    counters = dict_of(usage_field)
    if None not in counters.values():
        return counters
    return {name: value for name, value in counters.items() if value is not None}


def prefer_of(headers: Mapping[str, str]) -> Prefer | None:
    """Read the `x-rulegate-prefer` header; a word that is none is as if it were not there."""
    written = headers.get("x-rulegate-prefer")
    if written is None:
        return None
    word = written.strip().lower()
    return Prefer(word) if word in _PREFERENCES else None


def metadata_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """Read the request's `metadata` as text values: a string as it is, anything else as JSON, null as absent."""
    values = dict_of(fields.get("metadata"))
    return {name: _word(value) for name, value in values.items() if value is not None} if values else {}


def _word(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    return value if type(value) is str else msgspec.json.encode(value).decode()


def created_at(request_id: str) -> int:
    """Give the time of a request in seconds, as its UUIDv7 says (RFC 9562, section 5.7)."""
    return int(request_id.replace("-", "")[:12], 16) // 1000
