"""Carries a decision out: a thin loop around the transport. What comes next is for `engine.chain` to say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from gateway.domain.attempt import ProviderError, Skipped
from gateway.domain.health import Rest
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.words import Outcome, Skip
from gateway.engine.budgets import words_of, words_of_unread
from gateway.engine.capable import refusal_of
from gateway.engine.chain import NOBODY_AWAY, Away, Halt, Pass, Try, next_step
from gateway.engine.failure import blame_of, final_error, resting_error
from gateway.runtime.asking import Spoken
from gateway.runtime.attempts import Answered, Attempts
from gateway.runtime.exchange import Exchange
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Timekeeper, Transport
from gateway.runtime.spend import REREAD_EVERY_S, SpendBook
from gateway.runtime.streamer import Stream


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
    ) -> None:
        self._clock = clock
        self._board = board
        self._attempts = Attempts(transport, clock, spoken, board, book)

    async def run(self, exchange: Exchange) -> Answered | Stream | Exhausted:
        """Walk the chain to an answer, to a stream whose first content has come, or to its end.

        A stream's last attempt is noted when the stream is closed, every other one here. On a cancellation the
        attempt is noted as cancelled and the upstream connection is closed before the cancellation goes on.
        """
        chain, unfit = exchange.decision.chain, exchange.decision.unfit
        while True:
            elapsed_s = self._clock.monotonic() - exchange.started_s
            resting = self._board.resting()
            away = Away(resting, unfit) if resting or unfit else NOBODY_AWAY
            step = next_step(chain, exchange.history, elapsed_s, away)
            match step:
                case Halt():
                    return _exhausted(exchange, step.outcome, resting)
                case Pass():
                    lacks = unfit.get(step.position, ())
                    skipped = Skipped(step.position, chain.steps[step.position].model, step.skip, lacks)
                    exchange.history.append(skipped)
                case Try():
                    result = await self._attempts.make(exchange, step)
                    if isinstance(result, Stream):
                        return result
                    if result is not None:
                        exchange.outcome = _outcome(exchange)
                        return result
                case _:
                    assert_never(step)


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


def _outcome(exchange: Exchange) -> Outcome:
    step = next_step(exchange.decision.chain, exchange.history, 0.0)
    if not isinstance(step, Halt):
        raise TypeError("an answered chain has nothing left to try")
    return step.outcome
