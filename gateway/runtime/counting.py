"""Counts the tokens of messages that are not sent: the provider does where it is Anthropic's, else we estimate.

A count is free and has limits of its own at Anthropic. So it holds no money back, and neither asks how the models are
doing nor says it: a count that fails is no sign of how the next message will fare.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import assert_never

from gateway.dialects.base import Answer, Bad, ProviderDialect
from gateway.domain.attempt import Attempt, ProviderError, Skipped
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.rule import Chain
from gateway.domain.upstream import Call, UpstreamError
from gateway.domain.words import Dialect, Failure, Outcome
from gateway.engine.chain import Halt, Pass, Try, Wait, next_step
from gateway.engine.failure import blame_of, failure_of, final_error
from gateway.engine.fitness import unfit
from gateway.engine.waits import wait_asked_s
from gateway.runtime.exchange import Exchange
from gateway.runtime.executor import Exhausted
from gateway.runtime.ports import Clock, CountMeters, Transport
from gateway.runtime.running import without

NO_OUTPUT_TOKENS = 0
"""A count has no output, and so no limit on it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A count of the provider's, as it came."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Estimated:
    """A count of ours, for a model whose provider counts nothing."""

    tokens: int


class TokenCounter:
    """Runs counts; `dialect` is how a provider of Anthropic's kind is asked for one."""

    def __init__(self, transport: Transport, clock: Clock, dialect: ProviderDialect, meters: CountMeters) -> None:
        self.ended = meters.counted
        self._transport = transport
        self._clock = clock
        self._dialect = dialect

    async def run(self, exchange: Exchange) -> Counted | Estimated | Exhausted:
        """Count for the model that would answer: the chain's first.

        Where that is one of Anthropic's and cannot count, the other ones of Anthropic's in the chain are asked; an
        estimate never stands in for a count that failed.
        """
        chain = exchange.decision.chain
        first = exchange.active.snapshot.models[chain.steps[0].model]
        if words := unfit(first, _kind(exchange, first), exchange.request.surface):
            exchange.outcome = Outcome.REFUSED
            refusal = Refusal(RefusalKind.INVALID_REQUEST, words, "model")
            return Exhausted(refusal.status, refusal, "gateway")
        if _kind(exchange, first) is not Dialect.ANTHROPIC:
            exchange.outcome, exchange.model = Outcome.ANSWERED, first
            return Estimated(exchange.features["estimated_tokens"])
        return await self._asked(exchange, _of_anthropics(exchange, chain))

    async def _asked(self, exchange: Exchange, chain: Chain) -> Counted | Exhausted:
        while True:
            step = next_step(chain, exchange.history, self._clock.monotonic() - exchange.started_s)
            match step:
                case Halt():
                    exchange.outcome = step.outcome
                    status, error = final_error(exchange.attempts, exchange.caller.overloaded)
                    return Exhausted(status, error, blame_of(exchange.attempts))
                case Pass():
                    exchange.history.append(Skipped(step.position, chain.steps[step.position].model, step.skip))
                case Try():
                    counted = await self._attempt(exchange, chain, step)
                    if counted is not None:
                        exchange.outcome = Outcome.ANSWERED
                        return counted
                case Wait():
                    raise TypeError("a count finds no place full, and waits for none")
                case _:
                    assert_never(step)

    async def _attempt(self, exchange: Exchange, chain: Chain, chosen: Try) -> Counted | None:
        """Ask once; None when it failed, with the failure in the history."""
        step = chain.steps[chosen.position]
        model, provider, target = exchange.upstream_of(step)
        body = self._dialect.pass_on(exchange.request, model, step.params, NO_OUTPUT_TOKENS).body
        headers = self._dialect.headers(target.secret, exchange.request)
        call = Call(provider.name, target.base_url + self._dialect.path, headers, body, step.timeouts)
        began_s = self._clock.monotonic()
        status, result = await self._result(call, model.name, min(step.timeouts.total_s, chosen.left_s))
        duration_s = self._clock.monotonic() - began_s
        exchange.waited_s += duration_s
        bad = result if isinstance(result, Bad) else None
        attempt = Attempt(
            position=chosen.position,
            model=model.name,
            provider=provider.name,
            failure=bad.failure if bad else None,
            error=without(target.secret, bad.error) if bad else None,
            status=status,
            duration_s=duration_s,
        )
        exchange.history.append(attempt)
        if isinstance(result, Bad):
            return None
        exchange.model = model
        return Counted(result)

    async def _result(self, call: Call, name: str, limit_s: float) -> tuple[int, bytes | Bad]:
        """Give the status of the reply, 0 for none, and the body of a count or what is wrong."""
        try:
            async with asyncio.timeout(limit_s):
                reply = await self._transport.send(call)
                try:
                    body = await reply.read()
                finally:
                    reply.close()
        except UpstreamError as error:
            return 0, Bad(error.failure, ProviderError(0, message=str(error)))
        except TimeoutError:
            return 0, Bad(Failure.TIMEOUT, ProviderError(0, message=f"{name} did not count in time"))
        if not 200 <= reply.status < 300:
            wait_s = wait_asked_s(reply.status, reply.headers, self._clock.now())
            said = replace(self._dialect.read_error(reply.status, body), retry_after_s=wait_s)
            return reply.status, Bad(failure_of(said), said)
        answer = self._dialect.read_answer(body)
        return reply.status, body if isinstance(answer, Answer) else answer


def _kind(exchange: Exchange, model: Model) -> Dialect:
    return exchange.active.snapshot.providers[model.provider].kind


def _of_anthropics(exchange: Exchange, chain: Chain) -> Chain:
    """Give the steps of a chain whose providers count."""
    models = exchange.active.snapshot.models
    steps = (step for step in chain.steps if _kind(exchange, models[step.model]) is Dialect.ANTHROPIC)
    return replace(chain, steps=tuple(steps))
