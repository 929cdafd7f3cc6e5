"""Carries a decision out: a thin loop around the transport. What comes next is for `engine.chain` to say."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from gateway.domain.attempt import ProviderError, Skipped
from gateway.domain.health import Rest
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.words import Outcome, Skip
from gateway.engine.budgets import words_of, words_of_unread
from gateway.engine.capable import refusal_of
from gateway.engine.chain import NOBODY_AWAY, Away, Halt, Next, Pass, Try, Wait, is_again, next_step
from gateway.engine.failure import blame_of, final_error, resting_error
from gateway.runtime.attempts import Attempts
from gateway.runtime.exchange import Exchange
from gateway.runtime.gates import GateBoard
from gateway.runtime.hedging import Hedges
from gateway.runtime.ports import Timekeeper
from gateway.runtime.retries import Further, Retries
from gateway.runtime.running import Boards, Running
from gateway.runtime.spend import REREAD_EVERY_S
from gateway.runtime.streamer import Stream
from gateway.runtime.whole import Answered

NOWHERE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No step answered: the status for the caller, and what to say; a refusal where no model could even be asked.

    `blame` says who is at fault: `gateway` or `provider`.
    """

    status: int
    error: ProviderError | Refusal
    blame: str


class Executor:
    """Runs exchanges; what it learns of the models stays on the boards."""

    def __init__(
        self, clock: Timekeeper, attempts: Attempts, boards: Boards, retries: Retries, gates: GateBoard
    ) -> None:
        self._clock = clock
        self._attempts = attempts
        self._board = boards.health
        self._retries = retries
        self._gates = gates
        self._hedges = Hedges(attempts, clock, boards, retries)

    async def run(self, exchange: Exchange) -> Answered | Stream | Exhausted:
        """Walk the chain to an answer, to a stream whose first content has come, or to its end.

        A stream's last attempt is noted when the stream is closed, every other one here. On a cancellation the
        attempt is noted as cancelled and the upstream connection is closed before the cancellation goes on.
        """
        self._retries.came()
        chain, unfit, history = exchange.decision.chain, exchange.decision.unfit, exchange.history
        while True:
            step = self._next(exchange)
            match step:
                case Halt():
                    return _exhausted(exchange, step.outcome, self._board.resting())
                case Pass():
                    lacks = unfit.get(step.position, ())
                    history.append(Skipped(step.position, chain.steps[step.position].model, step.skip, lacks))
                case Try() | Wait():
                    if isinstance(step, Wait):
                        begun = await self._waited(exchange, step)
                    else:
                        begun = self._attempts.begin(exchange, step)
                    if isinstance(begun, Refusal):
                        return _crowded(exchange, begun)
                    if isinstance(begun, Skipped):
                        history.append(begun)
                        continue
                    delay_s = None if chain.hedge is None else self._hedges.delay_s(begun)
                    if delay_s is not None:
                        result = await self._hedges.race(begun, delay_s)
                    else:
                        came = await self._attempts.carry_out(begun)
                        result = None if came is None else came.taken()
                    if result is not None:
                        return result
                case _:
                    assert_never(step)

    async def _waited(self, exchange: Exchange, step: Wait) -> Running | Skipped | Refusal:
        """Begin an attempt once there is a place at one of some steps; the refusal where there is none in time."""
        chain, began_s = exchange.decision.chain, self._clock.monotonic()
        try:
            placed = await self._gates.wait(chain, step)
        except asyncio.CancelledError:
            exchange.outcome = Outcome.CANCELLED
            raise
        finally:
            exchange.waited(began_s, self._clock.monotonic())
        if isinstance(placed, Refusal):
            return placed
        position, place = placed
        model = chain.steps[position].model
        if model in self._board.resting():
            place.leave()
            return Skipped(position, model, Skip.COOLING)
        left_s = exchange.started_s + chain.deadline_s - self._clock.monotonic()
        return self._attempts.begin(exchange, Try(position, left_s), place)

    def _next(self, exchange: Exchange) -> Next:
        chain, unfit, history = exchange.decision.chain, exchange.decision.unfit, exchange.history
        elapsed_s = self._clock.monotonic() - exchange.started_s
        resting = self._board.resting()
        full = self._gates.full(chain) if chain.gated else NOWHERE
        away = Away(resting, unfit, full) if resting or unfit or full else NOBODY_AWAY
        step = next_step(chain, history, elapsed_s, away)
        if history and isinstance(step, Try) and not self._affordable(exchange, step):
            return next_step(chain, history, elapsed_s, away._replace(sparing=True))
        return step

    def _affordable(self, exchange: Exchange, step: Try) -> bool:
        """Say whether the budget for further attempts has room for one, which only another try of a step needs."""
        budget = exchange.active.snapshot.defaults.retry_budget
        if is_again(exchange.history, step):
            return self._retries.allows(Further.TRY, budget)
        if exchange.attempts:
            self._retries.fell_back(budget)
        return True


def _crowded(exchange: Exchange, refusal: Refusal) -> Exhausted:
    """Say that there was no room anywhere; where a model was asked before, what became of that."""
    if attempts := exchange.attempts:
        exchange.outcome = Outcome.FAILED
        status, error = final_error(attempts, exchange.caller.overloaded)
        return Exhausted(status, error, blame_of(attempts))
    exchange.outcome = Outcome.REFUSED
    return Exhausted(refusal.status_where(exchange.caller.overloaded), refusal, "gateway")


def _exhausted(exchange: Exchange, outcome: Outcome, resting: Mapping[str, Rest]) -> Exhausted:
    attempts = exchange.attempts
    if all(isinstance(e, Skipped) and e.skip is Skip.INCAPABLE for e in exchange.history) and exchange.history:
        exchange.outcome = Outcome.REFUSED
        decision = exchange.decision
        refusal = refusal_of(decision.chain, decision.unfit, exchange.refusals)
        return Exhausted(refusal.status, refusal, "gateway")
    cooling = [e.model for e in exchange.history if isinstance(e, Skipped) and e.skip is Skip.COOLING]
    rests = [rest for model in cooling if (rest := resting.get(model)) is not None and not rest.mild]
    exchange.outcome = outcome
    if rests and not attempts:
        return Exhausted(*resting_error(rests))
    if exchange.unread is not None and not attempts:
        exchange.outcome = Outcome.REFUSED
        words = words_of_unread(exchange.unread)
        closed = Refusal(RefusalKind.STORE_FAILED, words, retry_after_s=REREAD_EVERY_S)
        return Exhausted(closed.status, closed, "gateway")
    if exchange.overspent is not None and not attempts:
        exchange.outcome = Outcome.REFUSED
        refusal = Refusal(RefusalKind.OVER_BUDGET, words_of(exchange.overspent))
        return Exhausted(refusal.status, refusal, "gateway")
    status, error = final_error(attempts, exchange.caller.overloaded)
    return Exhausted(status, error, blame_of(attempts))
