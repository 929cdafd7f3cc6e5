"""An entry as a row of the log, the row as operators are shown it, and the postings that a row gives.

What is kept of a request, and as what. An attempt has figures of its own only where the columns of its row are not
those: where several attempts used something, or one that is not the answer.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from gateway.domain.attempt import Attempt, Event, Skipped, shown
from gateway.domain.entry import Entry
from gateway.domain.extra import extra_ms
from gateway.domain.ledger import EPOCH, Account, Posting, Spent, amounts_of, quarter_of, unix_seconds
from gateway.domain.usage import COUNTERS, STANDARD, Usage, counters_of
from gateway.domain.words import Failure, SpendKind

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
    **dict.fromkeys(COUNTERS, "integer not null"),
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
WRITTEN = (*(name for name in COLUMNS if name not in ("quality", "quality_source")), "rowid")
"""The columns that a row is written with; nobody judges quality yet. Its number is SQLite's own `rowid`."""
_JSON = ("tags", "shadows", "facts", "chain", "attempts")
_FLAGS = ("stream", "simulated")
_NOTHING = Usage()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_ESTIMATED = "estimated"


class Tried(msgspec.Struct, omit_defaults=True, gc=False):
    """An attempt as a row keeps it; zeros, and what is plain without being said, are left out.

    `kind` is left out where `failure` says it: an answer without one, `failed` with one. `hedged` says that it was
    begun beside another that was slow, and `extra_ms` by how much it delayed the answer in vain. `provider` is left out
    where it is the row's. `usage` has the counters that are not zero, a service tier that is not the standard one, and
    `estimated`.
    """

    model: str
    status: int
    failure: str | None
    seconds: float
    kind: str = ""
    unpriced: bool = False
    again: bool = False
    upstream_id: str = ""
    provider: str = ""
    usage: dict[str, Any] | None = None
    cost_nano_usd: int = 0
    hedged: bool = False
    extra_ms: int = 0


def row_of(number: int, entry: Entry) -> tuple[object, ...]:
    """Give the values of an entry, in the order of `WRITTEN`. Raises TypeError for facts that JSON cannot hold.

    Words and truth values are plain texts and numbers: SQLite's module looks up how to adapt anything else.
    """
    usage = entry.usage or _NOTHING
    return (
        entry.id,
        _moment(entry.at),
        entry.generation,
        entry.fingerprint,
        entry.caller,
        entry.team,
        _text(entry.tags),
        entry.surface,
        entry.requested_model,
        entry.prompt_hash,
        entry.rule,
        str(entry.mode),
        _text(entry.shadows),
        entry.category,
        _encode(entry.facts).decode(),
        _text(entry.chain),
        entry.model,
        entry.upstream_model,
        entry.response_model,
        entry.provider,
        entry.propensity,
        _encode(_attempts_of(entry)).decode(),
        *counters_of(usage),
        usage.service_tier,
        "none" if entry.usage is None else _ESTIMATED if usage.estimated else "reported",
        entry.price_version,
        entry.cost_nano_usd,
        entry.first_content_s,
        entry.duration_s,
        entry.overhead_s,
        int(entry.stream),
        int(entry.simulated),
        str(entry.outcome),
        number,
    )


def _moment(at: datetime) -> str:
    return _second(unix_seconds(at)) + _MILLISECONDS[at.microsecond // 1000]


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    """Give a moment to the second; it is the same for many rows, and takes longer than most of a row."""
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


_MILLISECONDS = tuple(f".{number:03}+00:00" for number in range(1000))


@lru_cache(maxsize=256)
def _text(names: tuple[str, ...]) -> str:
    """Give names as JSON; most rows have the same few."""
    return _encode(names).decode()


def _attempts_of(entry: Entry) -> list[Tried | dict[str, object]]:
    counting = [event for event in entry.events if isinstance(event, Attempt) and event.counts]
    plain = counting[0] if len(counting) == 1 and _is_in_columns(counting[0], entry) else None
    kept = [_kept(event, entry, plain) for event in entry.events]
    if len(kept) > 1 or (kept and plain is None):
        for event, delay_ms in zip(kept, extra_ms(entry.events), strict=True):
            if isinstance(event, Tried):
                event.extra_ms = delay_ms
    return kept


def _is_in_columns(attempt: Attempt, entry: Entry) -> bool:
    """Say whether what an attempt used, and for what, is what the columns of the row say."""
    return (
        (attempt.usage is entry.usage or attempt.usage == entry.usage)
        and attempt.cost_nano_usd == entry.cost_nano_usd
        and attempt.model == entry.model
        and attempt.provider == entry.provider
        and attempt.kind is SpendKind.ANSWER
    )


def _kept(event: Event, entry: Entry, plain: Attempt | None) -> Tried | dict[str, object]:
    """Give an event for the row; `plain` is the attempt whose figures its columns are."""
    if isinstance(event, Skipped):
        return shown(event)
    failure = None if event.failure is None else str(event.failure)
    tried = Tried(
        event.model,
        event.status,
        failure,
        round(event.duration_s, 4),
        unpriced=event.unpriced,
        again=event.again,
        upstream_id=event.upstream_id,
        hedged=event.hedged,
    )
    if failure is not None and event.committed:
        tried.kind = str(SpendKind.ANSWER)
    elif event.lost:
        tried.kind = str(SpendKind.HEDGE)
    if event is not plain and event.counts:
        tried.provider = "" if event.provider == entry.provider else event.provider
        tried.usage = _usage_kept(event.usage or _NOTHING)
        tried.cost_nano_usd = event.cost_nano_usd
    return tried


def _usage_kept(usage: Usage) -> dict[str, Any]:
    kept: dict[str, Any] = {name: count for name, count in zip(COUNTERS, counters_of(usage), strict=True) if count}
    if usage.service_tier != STANDARD:
        kept["service_tier"] = usage.service_tier
    if usage.estimated:
        kept[_ESTIMATED] = True
    return kept


def shown_row(row: dict[str, Any]) -> dict[str, Any]:
    """Give a stored row with JSON values and truth values in place of their texts and numbers."""
    return row | {name: json.loads(row[name]) for name in _JSON} | {name: bool(row[name]) for name in _FLAGS}


def postings_of_row(row: Mapping[str, Any]) -> list[Posting]:
    """Give the postings of a stored row: those of its entry."""
    return [Posting(account, amounts_of(usage, nano_usd)) for account, usage, nano_usd, _ in spent_of_row(row)]


def spent_of_row(row: Mapping[str, Any]) -> list[Spent]:
    """Give what the attempts of a stored row used; raises msgspec's errors, ValueError and TypeError for a bent row.

    Where no attempt has figures, one answer has those of the columns; so it is in all rows of before the ledger.
    """
    events = _decode(row["attempts"])
    attempts = [msgspec.convert(event, Tried) for event in events if "skip" not in event]
    apart = [attempt for attempt in attempts if attempt.usage is not None]
    if apart:
        return [_spent(row, attempt, Usage(**(attempt.usage or {}))) for attempt in apart]
    used = Usage(
        **{name: row[name] for name in COUNTERS},
        service_tier=row["service_tier"],
        estimated=row["usage_source"] == _ESTIMATED,
    )
    nano_usd = row["cost_nano_usd"]
    if used.anything or nano_usd or any(_kind_of(attempt) is SpendKind.ANSWER for attempt in attempts):
        unpriced = any(attempt.unpriced for attempt in attempts if _kind_of(attempt) is SpendKind.ANSWER)
        return [_spent(row, Tried(row["model"], 0, None, 0.0, unpriced=unpriced, cost_nano_usd=nano_usd), used)]
    return []


class InVain(NamedTuple):
    """An attempt of a row that gave no answer, and by how much it delayed one."""

    rule: str
    kind: SpendKind
    delay_ms: int


def in_vain_of_row(row: Mapping[str, Any]) -> list[InVain]:
    """Give the attempts of a stored row that gave no answer and that no caller ended; raises as `spent_of_row`."""
    events = (msgspec.convert(event, Tried) for event in _decode(row["attempts"]) if "skip" not in event)
    kinds = ((attempt, _kind_of(attempt)) for attempt in events)
    return [
        InVain(row["rule"], kind, attempt.extra_ms)
        for attempt, kind in kinds
        if kind is SpendKind.HEDGE or (kind is SpendKind.FAILED and attempt.failure != Failure.CANCELLED)
    ]


def _kind_of(attempt: Tried) -> SpendKind:
    if attempt.kind:
        return SpendKind(attempt.kind)
    return SpendKind.ANSWER if attempt.failure is None else SpendKind.FAILED


def _spent(row: Mapping[str, Any], attempt: Tried, usage: Usage) -> Spent:
    account = Account(
        quarter_of(datetime.fromisoformat(row["at"])),
        _kind_of(attempt),
        row["team"],
        row["caller"],
        row["rule"],
        row["category"],
        attempt.model,
        attempt.provider or row["provider"],
        tuple(_decode(row["tags"])),
    )
    return Spent(account, usage, attempt.cost_nano_usd, attempt.unpriced)
