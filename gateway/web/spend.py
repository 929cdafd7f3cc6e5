"""What was spent, for charts: sums of the ledger by time and by whatever is asked, with marks of what moved."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from aiohttp import web

from gateway.domain.problem import StoreError
from gateway.domain.spending import Bucket, Mark, SpendAsked, Spending
from gateway.runtime.spending import answer, marks_of, read
from gateway.web.answers import answer as answer_json
from gateway.web.keys import PARTS
from gateway.web.operations import DAEMON


async def spend(http: web.Request) -> web.Response:
    """Give what was spent in buckets of time, by all requests that have ended; 400 with what is wrong of a question."""
    parts, daemon = http.app[PARTS], http.app[DAEMON]
    asked = read(http.query.items(), parts.reloader.active.snapshot.budgets, parts.clock.now())
    if isinstance(asked, str):
        return answer_json({"error": {"message": asked}}, 400)
    parts.recorder.note_waiting()
    try:
        complete = await daemon.booked()
        found = await asyncio.to_thread(answer, daemon.ledger, asked)
        marks = await marks_of(parts.alerts, asked.window)
    except StoreError as error:
        return answer_json({"error": {"message": str(error)}}, 503)
    if isinstance(found, str):
        return answer_json({"error": {"message": found}}, 400)
    limits = {each.budget.name: each.limit_nano_usd for each in parts.spend.standings()}
    beside = {"complete": complete, "shifts": [_mark_shown(mark) for mark in marks]}
    return answer_json({**_asked_shown(asked, limits), **_found_shown(asked, found), **beside})


def _asked_shown(asked: SpendAsked, limits: Mapping[str, int]) -> dict[str, object]:
    return {
        "from": _moment(asked.window.start),
        "to": _moment(asked.window.end),
        "step": asked.step.value,
        "timezone": asked.zone.key,
        "by": list(asked.by),
        "where": {dimension: sorted(wanted) for dimension, wanted in asked.where.items()},
        "budget": {"name": asked.budget, "limit_nano_usd": limits.get(asked.budget)} if asked.budget else None,
    }


def _found_shown(asked: SpendAsked, found: Spending) -> dict[str, object]:
    buckets = [_bucket_shown(asked, bucket) for bucket in found.buckets]
    return {"total": found.total._asdict(), "buckets": buckets}


def _bucket_shown(asked: SpendAsked, bucket: Bucket) -> dict[str, object]:
    return {
        "start": _moment(bucket.span.start),
        "end": _moment(bucket.span.end),
        "total": bucket.total._asdict(),
        "rows": [{**dict(zip(asked.by, key, strict=True)), **amounts._asdict()} for key, amounts in bucket.by_cost()],
    }


def _mark_shown(mark: Mark) -> dict[str, object]:
    return {
        "id": mark.id,
        "alert": mark.alert,
        "kind": mark.kind.value,
        "scope": dict(mark.scope),
        "severity": mark.severity.value,
        "summary": mark.summary,
        "started_at": _moment(mark.started_at),
        "ended_at": _moment(mark.ended_at) if mark.ended_at else None,
    }


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
