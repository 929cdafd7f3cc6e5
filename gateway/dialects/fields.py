"""Reading the fields that every surface shares."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.words import Prefer


def prefer_of(headers: Mapping[str, str]) -> Prefer | None:
    """Read the `x-rulegate-prefer` header; a word that is none is as if it were not there."""
    word = headers.get("x-rulegate-prefer", "").strip().lower()
    return Prefer(word) if word in set(Prefer) else None


def metadata_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """Read the request's `metadata` as text values."""
    metadata = fields.get("metadata")
    return {name: str(value) for name, value in metadata.items()} if isinstance(metadata, dict) else {}


def created_at(request_id: str) -> int:
    """Give the time of a request in seconds, as its UUIDv7 says (RFC 9562, section 5.7)."""
    return int(request_id.replace("-", "")[:12], 16) // 1000
