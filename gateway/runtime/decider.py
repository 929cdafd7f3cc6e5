"""Decides for requests, with what the daemon knows at the moment.

That is how models are doing, what budgets have left, and which models answered the conversations that go on.
"""

from asyncio import Future
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.dialects.base import CallerDialect
from gateway.domain.budget import Spender
from gateway.domain.request import Request
from gateway.engine.features import Live, tags_of
from gateway.runtime.affinity import Pins
from gateway.runtime.exchange import Active, Arrived, Exchange, Unrouted, account, begin
from gateway.runtime.health import HealthBoard
from gateway.runtime.spend import SpendBook
from gateway.runtime.together import Together


class Decider:
    """Opens exchanges, and answers what would be decided; `alone` says whether requests come one by one."""

    def __init__(self, board: HealthBoard, spend: SpendBook, pins: Pins, alone: Callable[[], bool]) -> None:
        self._spend = spend
        self._pins = pins
        self._live = Live(board.state, spend.used, pins.model_of)
        self._moving = Live(board.state, spend.used)
        self._together: Together[Exchange | Unrouted] = Together(alone)

    def begin(self, arrived: Arrived, started_s: float, request: Request, caller: CallerDialect) -> Exchange | Unrouted:
        """Decide for a request that had come whole at `started_s`, and open its exchange."""
        request, live = self._preferring(request, arrived.active)
        return begin(arrived, started_s, request, caller, live, self._pins)

    def begin_together(
        self, arrived: Arrived, started_s: float, request: Request, caller: CallerDialect
    ) -> "Future[Exchange | Unrouted]":
        """Begin beside the requests that come at the same time."""
        return self._together.done(lambda: self.begin(arrived, started_s, request, caller))

    def account(self, active: Active, request: Request, at: datetime) -> dict[str, Any]:
        """Give the whole account of the Decision for a request, as JSON values; no model is asked."""
        request, live = self._preferring(request, active)
        return account(active, request, at, live)

    def _preferring(self, request: Request, active: Active) -> tuple[Request, Live]:
        """Give a request as the ladders of budgets want it: from some share on it prefers what they say.

        Where that is not what it preferred, its conversation moves on: to stay would be to spend on as before.
        """
        if not self._spend.climbing:
            return request, self._live
        caller = request.caller
        prefer = self._spend.prefers(Spender(caller.team, caller.name, caller.tags | tags_of(request.headers)))
        if prefer is None or prefer is (request.prefer or active.snapshot.defaults.prefer):
            return request, self._live
        return replace(request, prefer=prefer), self._moving
