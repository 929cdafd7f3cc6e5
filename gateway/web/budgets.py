"""How budgets stand, and another limit for a while: what operators ask and do about money."""

import asyncio
from datetime import datetime
from decimal import Decimal, InvalidOperation

from aiohttp import web

from gateway.dialects.fields import object_of
from gateway.domain.budget import Action, Block, Cap, Downgrade, Override, Warn
from gateway.domain.price import NANO_USD_PER_USD, nano_usd
from gateway.runtime.spend import Standing
from gateway.web.answers import answer
from gateway.web.keys import PARTS

LARGEST_BODY = 4096


async def budgets(http: web.Request) -> web.Response:
    """Say how each budget stands, and when its window ends."""
    parts = http.app[PARTS]
    parts.recorder.note_waiting()
    return answer({"budgets": [shown(standing) for standing in parts.spend.standings()]})


async def override(http: web.Request) -> web.Response:
    """Give a budget another limit until a moment, kept over restarts; `{"limit_usd": null}` takes it back."""
    parts, name = http.app[PARTS], http.match_info["name"]
    if name not in parts.reloader.active.snapshot.budgets:
        there = ", ".join(sorted(parts.reloader.active.snapshot.budgets)) or "no budget"
        return answer({"error": {"message": f"there is no budget '{name[:100]}'; there is {there}"}}, 404)
    wanted = _read(await http.content.read(LARGEST_BODY), parts.clock.now())
    if isinstance(wanted, str):
        return answer({"error": {"message": wanted}}, 400)
    await asyncio.to_thread(parts.overrides.put, name, wanted)
    parts.spend.override(name, wanted)
    (standing,) = (each for each in parts.spend.standings() if each.budget.name == name)
    return answer(shown(standing))


def _read(body: bytes, now: datetime) -> Override | str | None:
    """Read `{"limit_usd": 80, "until": "2026-12-01T00:00:00Z"}`; a string says what is wrong with it."""
    fields = object_of(body)
    if fields is None or not fields.keys() <= {"limit_usd", "until"} or "limit_usd" not in fields:
        return 'the body is {"limit_usd": 80, "until": "2026-12-01T00:00:00Z"}, or {"limit_usd": null}'
    if fields["limit_usd"] is None:
        return None
    try:
        limit = nano_usd(Decimal(str(fields["limit_usd"])))
        until = datetime.fromisoformat(str(fields.get("until")))
    except (ValueError, InvalidOperation) as error:
        return f"limit_usd is a number of dollars and until a moment such as 2026-12-01T00:00:00Z: {error}"
    if limit < 0 or until.tzinfo is None or until <= now:
        return "limit_usd is not negative, and until is a moment to come, with its distance from UTC"
    return Override(limit, until)


def shown(standing: Standing) -> dict[str, object]:
    """Give a budget as JSON values, money in dollars."""
    budget, override = standing.budget, standing.override
    return {
        "name": budget.name,
        "scope": {dimension.value: name for dimension, name in budget.scope.parts},
        "period": str(budget.period),
        "timezone": budget.zone.key,
        "hard": budget.hard,
        "limit_usd": usd(standing.limit_nano_usd),
        "spent_usd": usd(standing.spent_nano_usd),
        "spent_nano_usd": standing.spent_nano_usd,
        "spent_known": not standing.unread,
        "reserved_usd": usd(standing.held_nano_usd),
        "used": round(standing.spent_nano_usd / max(standing.limit_nano_usd, 1), 6),
        "possible_overshoot_usd": usd(standing.overshoot_nano_usd),
        "forecast_usd": None if standing.forecast_nano_usd is None else usd(standing.forecast_nano_usd),
        "window": {"start": standing.window.start.isoformat(), "end": standing.window.end.isoformat()},
        "resets_at": standing.window.end.astimezone(budget.zone).isoformat(),
        "holding": [{"at": f"{rung.share:.4g}", "action": _action(rung.action)} for rung in standing.rungs],
        "override": override and {"limit_usd": usd(override.limit_nano_usd), "until": override.until.isoformat()},
        "file": budget.file,
        "line": budget.mark.line,
    }


def usd(nano: int) -> float:
    """Give nano-dollars in dollars."""
    return nano / NANO_USD_PER_USD


def _action(action: Action) -> object:
    match action:
        case Warn():
            return "warn"
        case Block():
            return "block"
        case Downgrade():
            return {"prefer": action.prefer.value}
        case Cap():
            return {"cap": dict(action.params)}
