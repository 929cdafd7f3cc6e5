"""Decides for requests, with what the daemon knows at the moment: how models are doing, what budgets have left."""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.dialects.base import CallerDialect
from gateway.domain.budget import Spender
from gateway.domain.request import Request
from gateway.engine.features import Live, tags_of
from gateway.runtime.exchange import Active, Arrived, Exchange, Unrouted, account, begin
from gateway.runtime.health import HealthBoard
from gateway.runtime.spend import SpendBook


class Decider:
    """Opens exchanges, and answers what would be decided."""

    def __init__(self, board: HealthBoard, spend: SpendBook) -> None:
        self._spend = spend
        self._live = Live(board.state, spend.used)

    def begin(self, arrived: Arrived, started_s: float, request: Request, caller: CallerDialect) -> Exchange | Unrouted:
        """Decide for a request that had come whole at `started_s`, and open its exchange."""
        return begin(arrived, started_s, self._preferring(request), caller, self._live)

    def account(self, active: Active, request: Request, at: datetime) -> dict[str, Any]:
        """Give the whole account of the Decision for a request, as JSON values; no model is asked."""
        return account(active, self._preferring(request), at, self._live)

    def _preferring(self, request: Request) -> Request:
        """Give a request as the ladders of budgets want it: from some share on it prefers what they say."""
        if not self._spend.climbing:
            return request
        caller = request.caller
        prefer = self._spend.prefers(Spender(caller.team, caller.name, caller.tags | tags_of(request.headers)))
        return request if prefer is None else replace(request, prefer=prefer)
