"""An entry as a row of the log, and the row as operators are shown it: what is kept of a request, and as what."""

import json
from typing import Any

import msgspec

from gateway.domain.attempt import shown
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage

_USAGE = (
    "fresh_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "cache_read_audio_tokens",
    "audio_output_tokens",
    "web_searches",
)
COLUMNS = {
    "id": "text primary key",
    "at": "text not null",
    "generation": "integer not null",
    "fingerprint": "text not null",
    "caller": "text not null",
    "team": "text not null",
    "tags": "text not null",
    "surface": "text not null",
    "requested_model": "text not null",
    "prompt_hash": "text not null",
    "rule": "text not null",
    "mode": "text not null",
    "shadows": "text not null",
    "category": "text not null",
    "facts": "text not null",
    "chain": "text not null",
    "model": "text not null",
    "upstream_model": "text not null",
    "response_model": "text not null",
    "provider": "text not null",
    "propensity": "real not null",
    "attempts": "text not null",
    **dict.fromkeys(_USAGE, "integer not null"),
    "service_tier": "text not null",
    "usage_source": "text not null",
    "price_version": "text not null",
    "cost_nano_usd": "integer not null",
    "first_content_s": "real",
    "duration_s": "real not null",
    "overhead_s": "real not null",
    "stream": "integer not null",
    "simulated": "integer not null",
    "outcome": "text not null",
    "quality": "real",
    "quality_source": "text",
}
"""The columns in their order, each with its type in SQLite."""

_JSON = ("tags", "shadows", "facts", "chain", "attempts")
_FLAGS = ("stream", "simulated")


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def row_of(entry: Entry) -> tuple[object, ...]:
    """Give the values of an entry, in the order of the columns. Raises TypeError for facts that JSON cannot hold."""
    usage = entry.usage or Usage()
    source = "none" if entry.usage is None else "estimated" if usage.estimated else "reported"
    return (
        entry.id,
        entry.at.isoformat(timespec="milliseconds"),
        entry.generation,
        entry.fingerprint,
        entry.caller,
        entry.team,
        _encode(entry.tags),
        entry.surface,
        entry.requested_model,
        entry.prompt_hash,
        entry.rule,
        entry.mode,
        _encode(entry.shadows),
        entry.category,
        _encode(entry.facts),
        _encode(entry.chain),
        entry.model,
        entry.upstream_model,
        entry.response_model,
        entry.provider,
        entry.propensity,
        _encode([shown(event) for event in entry.events]),
        *(getattr(usage, name) for name in _USAGE),
        usage.service_tier,
        source,
        entry.price_version,
        entry.cost_nano_usd,
        entry.first_content_s,
        entry.duration_s,
        entry.overhead_s,
        entry.stream,
        entry.simulated,
        entry.outcome.value,
        None,
        None,
    )


def shown_row(row: dict[str, Any]) -> dict[str, Any]:
    """Give a stored row with JSON values and truth values in place of their texts and numbers."""
    return row | {name: json.loads(row[name]) for name in _JSON} | {name: bool(row[name]) for name in _FLAGS}
