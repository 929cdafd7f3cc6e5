"""What operators ask a running daemon: is it well, what runs, what happened."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aiohttp import web

from gateway.domain.caller import Caller
from gateway.domain.limit import Crowd, GateKind
from gateway.domain.problem import Problem
from gateway.domain.refusal import Refusal
from gateway.domain.registry import EnvSecret, FileSecret, Model, Secret
from gateway.domain.snapshot import Snapshot
from gateway.runtime.drain import Phase
from gateway.runtime.exchange import Active
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import LedgerSpans
from gateway.runtime.reloader import Rejection
from gateway.web.answers import answer
from gateway.web.errors import Handler, edge
from gateway.web.keys import PARTS

MOST_ROWS = 1_000
MOST_DIGITS = 4


class LogRows(Protocol):
    """The rows of the log."""

    def rows(self, limit: int, before: str | None = None) -> list[dict[str, Any]]:
        """Give up to `limit` rows older than the id `before`, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Daemon:
    """What stays the same while the daemon runs. `log_healthy` says whether rows are being written.

    `booked` returns once the `ledger` has what has ended by now, and says whether it has all of it.
    """

    version: str
    rules: str
    simulated: bool
    log: LogRows
    log_healthy: Callable[[], bool]
    ledger: LedgerSpans
    booked: Callable[[], Awaitable[bool]]


DAEMON = web.AppKey("daemon", Daemon)


def private(handler: Handler) -> Handler:
    """Let only this machine ask, and the holders of an operator's key."""

    async def guarded(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        callers = parts.reloader.active.snapshot.callers
        operator = parts.door.operate(http.headers, http.remote, callers, parts.clock.now())
        if isinstance(operator, Refusal):
            return answer({"error": {"message": operator.message}}, operator.status)
        return await handler(http)

    return edge(guarded)


def page(handler: Handler) -> Handler:
    """Give the page of metrics, with all that has happened by now."""

    async def noted(http: web.Request) -> web.StreamResponse:
        http.app[PARTS].recorder.note_waiting()
        return await handler(http)

    return edge(noted)


async def livez(_: web.Request) -> web.Response:
    """Say that the process answers."""
    return web.Response(text="ok\n")


async def readyz(http: web.Request) -> web.Response:
    """Say that requests are taken, or with 503 why not; `degraded` when the log fails, or requests are turned away."""
    phase = http.app[PARTS].drain.phase
    if phase is not Phase.READY:
        return web.Response(status=503, text=f"{phase}\n")
    troubles = [] if http.app[DAEMON].log_healthy() else ["the log or the ledger is not written"]
    if http.app[PARTS].spend.unread:
        troubles.append("what budgets have spent cannot be read")
    troubles += [f"requests were turned away: {words}" for words in http.app[PARTS].load.troubles]
    return web.Response(text=f"ready, degraded: {'; '.join(troubles)}\n" if troubles else "ready\n")


async def status(http: web.Request) -> web.Response:
    """Say what runs and what was rejected."""
    parts = http.app[PARTS]
    return answer(status_of(http.app[DAEMON], parts.reloader.active, parts.reloader.rejection, parts.clock.now()))


def status_of(daemon: Daemon, active: Active, rejection: Rejection | None, at: datetime) -> dict[str, object]:
    """Give the body of `/api/status` at an aware moment."""
    snapshot = active.snapshot
    return {
        "generation": snapshot.generation,
        "fingerprint": snapshot.fingerprint,
        "loaded_at": active.loaded_at.isoformat(),
        "rejected": None
        if rejection is None
        else {"at": rejection.at.isoformat(), "problems": [problem_shown(each) for each in rejection.problems]},
        "warnings": [problem_shown(each) for each in active.warnings(at)],
        "rules_directory": daemon.rules,
        "rules": [rule.name for rule in snapshot.rules],
        "models": sorted(snapshot.models),
        "simulated": daemon.simulated,
        "log": "written" if daemon.log_healthy() else "degraded",
        "version": daemon.version,
    }


def problem_shown(problem: Problem) -> dict[str, object]:
    """Give a Problem as JSON."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }


async def config(http: web.Request) -> web.Response:
    """Show what runs, which may not be what is on disk; secrets are named, never shown."""
    return answer(config_of(http.app[PARTS].reloader.active.snapshot))


def config_of(snapshot: Snapshot) -> dict[str, object]:
    """Give the body of `/api/config`."""
    providers = {
        name: {
            "kind": provider.kind,
            "base_url": provider.base_url,
            "api_key": secret_shown(provider.api_key),
            "via": provider.via,
        }
        for name, provider in snapshot.providers.items()
    }
    return {
        "generation": snapshot.generation,
        "fingerprint": snapshot.fingerprint,
        "providers": providers,
        "models": {
            name: {"provider": model.provider, "model": model.upstream, "strength": model.strength}
            for name, model in snapshot.models.items()
        },
        "rules": [
            {"name": rule.name, "priority": rule.priority, "mode": rule.mode, "file": rule.file, "line": rule.mark.line}
            for rule in snapshot.rules
        ],
        "callers": {name: _caller_shown(caller) for name, caller in snapshot.callers.by_name.items()},
        "files": {file.name: file.data.decode("utf-8", "replace") for file in snapshot.files},
    }


def _caller_shown(caller: Caller) -> dict[str, object]:
    return {
        "team": caller.team or None,
        "tags": sorted(caller.tags),
        "models": None if caller.models is None else sorted(caller.models),
        "expires": caller.expires.isoformat() if caller.expires else None,
        "operator": caller.operator,
        "limits": caller.limits,
    }


def secret_shown(secret: Secret) -> object:
    """Name where a secret is."""
    match secret:
        case EnvSecret():
            return {"env": secret.name}
        case FileSecret():
            return {"file": secret.path}
        case _:
            return "none"


async def model_health(http: web.Request) -> web.Response:
    """Say how each model is doing, by its own recent traffic: no model is asked."""
    parts = http.app[PARTS]
    crowds, models = tuple(parts.gates.crowds()), parts.reloader.active.snapshot.models.values()
    return answer({"models": [_model_shown(model, parts.board, crowds) for model in models]})


def _model_shown(model: Model, board: HealthBoard, crowds: Sequence[Crowd]) -> dict[str, object]:
    checkup = board.checkup(model.name)
    passed = {(GateKind.MODEL, model.name), (GateKind.PROVIDER, model.provider)}
    return {
        "name": model.name,
        "provider": model.provider,
        "model": model.upstream,
        "state": checkup.state,
        "reason": checkup.reason,
        "until": checkup.until.isoformat(timespec="milliseconds") if checkup.until else None,
        "concurrent": [
            {"at": each.kind, "requests": each.there, "waiting": each.waiting, "limit": each.limit}
            for each in crowds
            if (each.kind, each.name) in passed
        ],
    }


async def reload(http: web.Request) -> web.Response:
    """Reload now; 200 with what runs, or 422 with the Problems of what does not."""
    daemon, parts = http.app[DAEMON], http.app[PARTS]
    result = await parts.reloader.reload()
    if isinstance(result, Rejection):
        return answer(status_of(daemon, parts.reloader.active, result, parts.clock.now()), 422)
    return answer(status_of(daemon, result, None, parts.clock.now()))


async def log(http: web.Request) -> web.Response:
    """Give rows of the log, newest first; `next` is the `before` of the next page."""
    if strange := http.query.keys() - {"limit", "before"}:
        return answer(
            {"error": {"message": f"there is no parameter '{min(strange)[:100]}'; there is limit, before"}}, 400
        )
    written = http.query.get("limit", "100")
    if not (
        written.isascii() and written.isdecimal() and len(written) <= MOST_DIGITS and 1 <= int(written) <= MOST_ROWS
    ):
        return answer({"error": {"message": f"limit is a number from 1 to {MOST_ROWS}"}}, 400)
    limit = int(written)
    rows = await asyncio.to_thread(http.app[DAEMON].log.rows, limit, http.query.get("before"))
    return answer({"rows": rows, "next": rows[-1]["id"] if len(rows) == limit else None})
