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
from gateway.engine.chain import NOBODY_AWAY, Away, Halt, Pass, Try, Wait, next_step
from gateway.engine.failure import blame_of, final_error, resting_error
from gateway.runtime.asking import Spoken
from gateway.runtime.attempts import Answered, Attempts
from gateway.runtime.exchange import Exchange
from gateway.runtime.gates import GateBoard, Place
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Timekeeper, Transport
from gateway.runtime.spend import REREAD_EVERY_S, SpendBook
from gateway.runtime.streamer import Stream

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
    """Runs exchanges; what it learns of the models stays on the board."""

    def __init__(
        self,
        transport: Transport,
        clock: Timekeeper,
        spoken: Spoken,
        board: HealthBoard,
        book: SpendBook,
        gates: GateBoard | None = None,
    ) -> None:
        self._clock = clock
        self._board = board
        self._gates = gates or GateBoard(clock)
        self._attempts = Attempts(transport, clock, spoken, board, book)

    async def run(self, exchange: Exchange) -> Answered | Stream | Exhausted:
        """Walk the chain to an answer, to a stream whose first content has come, or to its end.

        A stream's last attempt is noted when the stream is closed, every other one here. On a cancellation the
        attempt is noted as cancelled and the upstream connection is closed before the cancellation goes on.
        """
        chain, unfit = exchange.decision.chain, exchange.decision.unfit
        gated = any(step.gates for step in chain.steps)
        while True:
            elapsed_s = self._clock.monotonic() - exchange.started_s
            resting = self._board.resting()
            full = self._gates.full(chain) if gated else NOWHERE
            away = Away(resting, unfit, full) if resting or unfit or full else NOBODY_AWAY
            step = next_step(chain, exchange.history, elapsed_s, away)
            match step:
                case Halt():
                    return _exhausted(exchange, step.outcome, resting)
                case Pass():
                    lacks = unfit.get(step.position, ())
                    skipped = Skipped(step.position, chain.steps[step.position].model, step.skip, lacks)
                    exchange.history.append(skipped)
                case Try() | Wait():
                    result = await self._at(exchange, step)
                    if isinstance(result, Answered):
                        exchange.outcome = _outcome(exchange)
                    if result is not None:
                        return result
                case _:
                    assert_never(step)

    async def _at(self, exchange: Exchange, step: Try | Wait) -> Answered | Stream | Exhausted | None:
        """Ask a step once there is a place at it; None when that failed, or there is none, with that in the history."""
        chain = exchange.decision.chain
        if isinstance(step, Wait):
            placed = await self._waited(exchange, step)
            if isinstance(placed, Refusal):
                return _crowded(exchange, placed)
            position, place = placed
            left_s = exchange.started_s + chain.deadline_s - self._clock.monotonic()
            model = chain.steps[position].model
            if model in self._board.resting():
                place.leave()
                exchange.history.append(Skipped(position, model, Skip.COOLING))
                return None
            return await self._make(exchange, Try(position, left_s), place)
        free = self._gates.enter(chain.steps[step.position])
        if free is None:
            exchange.history.append(Skipped(step.position, chain.steps[step.position].model, Skip.FULL))
            return None
        return await self._make(exchange, step, free)

    async def _make(self, exchange: Exchange, step: Try, place: Place) -> Answered | Stream | None:
        """Make an attempt, and leave the place when it has ended; a stream is at its place until the request ends."""
        result = None
        try:
            result = await self._attempts.make(exchange, step)
        finally:
            if isinstance(result, Stream):
                exchange.places.append(place)
            else:
                place.leave()
        return result

    async def _waited(self, exchange: Exchange, step: Wait) -> tuple[int, Place] | Refusal:
        began_s = self._clock.monotonic()
        try:
            return await self._gates.wait(exchange.decision.chain, step)
        except asyncio.CancelledError:
            exchange.outcome = Outcome.CANCELLED
            raise
        finally:
            exchange.waited_s += self._clock.monotonic() - began_s


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
    rests = [rest for model in cooling if (rest := resting.get(model)) is not None]
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


def _outcome(exchange: Exchange) -> Outcome:
    step = next_step(exchange.decision.chain, exchange.history, 0.0)
    if not isinstance(step, Halt):
        raise TypeError("an answered chain has nothing left to try")
    return step.outcome
