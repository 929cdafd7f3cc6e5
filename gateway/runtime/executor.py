"""Carries a decision out: a thin loop around the transport. What comes next is for `engine.chain` to say."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from gateway.dialects.base import Answer, Bad, Endpoint, ProviderDialect
from gateway.dialects.relay import Relay
from gateway.domain.attempt import Attempt, ProviderError, Skipped
from gateway.domain.budget import Unread
from gateway.domain.chat import Stop
from gateway.domain.health import Rest
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Step
from gateway.domain.upstream import Call, Reply, UpstreamError
from gateway.domain.words import Dialect, Failure, Outcome, Skip, Surface
from gateway.engine.budgets import UNKNOWN_MAX_OUTPUT_TOKENS, words_of, words_of_unread
from gateway.engine.capable import refusal_of, strict_refusal
from gateway.engine.chain import NOBODY_AWAY, Away, Halt, Pass, Try, next_step
from gateway.engine.failure import blame_of, failure_of, final_error, resting_error
from gateway.engine.fitness import unfit
from gateway.engine.waits import wait_asked_s
from gateway.runtime.exchange import Exchange
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Deadline, Timekeeper, Transport
from gateway.runtime.reserve import reserve
from gateway.runtime.running import Running, estimated_usage
from gateway.runtime.spend import REREAD_EVERY_S, SpendBook
from gateway.runtime.streamer import CALLER_LEFT, Stream

NATIVE = {
    Surface.CHAT: Dialect.OPENAI,
    Surface.MESSAGES: Dialect.ANTHROPIC,
    Surface.EMBEDDINGS: Dialect.OPENAI,
}
"""Surfaces whose bodies every provider of that dialect takes as they are; of responses a model says so."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer in the caller's dialect."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No step answered: the status for the caller, and what to say; a refusal where no model could even be asked.

    `blame` says who is at fault: `gateway` or `provider`.
    """

    status: int
    error: ProviderError | Refusal
    blame: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """How providers are spoken to: in the dialect of their kind, but for surfaces with an endpoint of their own.

    That one takes only what it can pass on as it is, and is made for each request.
    """

    dialects: Mapping[Dialect, ProviderDialect]
    apart: Mapping[Surface, Callable[[Request], Endpoint]]


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
        self._transport = transport
        self._clock = clock
        self._spoken = spoken
        self._board = board
        self._book = book

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
                    result = await self._attempt(exchange, step.position, step.left_s)
                    if isinstance(result, Stream):
                        return result
                    if result is not None:
                        exchange.outcome = _outcome(exchange)
                        return result
                case _:
                    assert_never(step)

    async def _attempt(self, exchange: Exchange, position: int, left_s: float) -> Answered | Stream | None:
        """Make one attempt; None when it failed, with the failure in the history."""
        step = exchange.decision.chain.steps[position]
        model, provider, target = exchange.upstream_of(step)
        native, translator = _native(exchange, model), self._spoken.dialects[provider.kind]
        own = self._spoken.apart.get(exchange.request.surface) if native else None
        endpoint: Endpoint = translator if own is None else own(exchange.request)
        reserved = reserve(exchange, step, model, self._book)
        if not isinstance(reserved, tuple):
            if isinstance(reserved, Unread):
                exchange.unread = reserved
            else:
                exchange.overspent = reserved
            exchange.history.append(Skipped(position, step.model, Skip.OVER_BUDGET))
            return None
        step, hold = reserved
        body = _passed_on(exchange, endpoint, model, step) if native else _translated(exchange, translator, model, step)
        if exchange.decision.chain.strict and exchange.dropped and not isinstance(body, Refusal):
            body = strict_refusal(step.model, exchange.dropped)
        if isinstance(body, Refusal):
            hold.settle(0)
            exchange.refusals.append(body)
            exchange.history.append(Skipped(position, step.model, Skip.INCAPABLE, exchange.lost))
            exchange.lost = ()
            return None
        body = _mended(exchange, endpoint, position, body)
        headers = endpoint.headers(target.secret, exchange.request)
        call = Call(provider.name, target.base_url + endpoint.path, headers, body, step.timeouts, target.way)
        trial = self._board.began(model.name)
        attempt = Running(exchange, position, model, self._clock.monotonic(), self._board, hold, trial)
        deadline, stream = self._clock.deadline(), None
        last_s = attempt.started_s + min(call.timeouts.total_s, left_s)
        try:
            if exchange.request.stream:
                stream = await self._stream(attempt, call, endpoint, deadline, last_s)
                return stream
            return await self._whole(attempt, call, endpoint, deadline, last_s)
        except UpstreamError as error:
            attempt.failed(Bad(error.failure, ProviderError(0, message=str(error))), self._clock)
        except TimeoutError:
            words = f"{model.name} did not answer in time"
            attempt.hurried = exchange.started_s + exchange.decision.chain.deadline_s <= self._clock.monotonic()
            attempt.failed(Bad(Failure.TIMEOUT, ProviderError(0, message=words)), self._clock)
        except asyncio.CancelledError:
            attempt.failed(CALLER_LEFT, self._clock)
            exchange.outcome = Outcome.CANCELLED
            raise
        finally:
            if stream is None:
                deadline.close()
        return None

    async def _whole(
        self, attempt: Running, call: Call, endpoint: Endpoint, deadline: Deadline, last_s: float
    ) -> Answered | None:
        with deadline.until(last_s):
            reply = await self._transport.send(call)
            attempt.began(reply, endpoint)
            try:
                body = await reply.read()
            finally:
                reply.close()
        if not 200 <= reply.status < 300:
            self._refused(attempt, endpoint, call, reply, body)
            return None
        answer = endpoint.read_answer(body)
        if isinstance(answer, Bad):
            attempt.failed(answer, self._clock)
            return None
        return self._answered(attempt, answer, body)

    def _answered(self, attempt: Running, answer: Answer, body: bytes) -> Answered:
        exchange = attempt.exchange
        usage = answer.usage
        if usage is None or usage.estimated:
            usage = estimated_usage(exchange, answer.characters, usage)
        exchange.response_model = answer.model
        attempt.answering(self._clock)
        attempt.ended(usage, None, self._clock)
        native = _native(exchange, attempt.model)
        if native and exchange.defaulted is None:
            return Answered(body)
        kind = exchange.active.snapshot.providers[attempt.model.provider].kind
        reply = self._spoken.dialects[kind].reply(answer)
        exchange.cut = reply.stop is Stop.LENGTH
        if native:
            return Answered(body)
        # the caller is told what the provider reported: a guess of ours would look like that
        return Answered(exchange.caller.write_answer(reply, answer.usage, exchange.about, exchange.request.fields))

    async def _stream(
        self, attempt: Running, call: Call, endpoint: Endpoint, deadline: Deadline, last_s: float
    ) -> Stream | None:
        """Wait for the head, then for the first content; each has its limit, and both end with the whole attempt's."""
        timeouts, exchange = call.timeouts, attempt.exchange
        reply: Reply | None = None
        stream: Stream | None = None
        try:
            with deadline.until(min(attempt.started_s + timeouts.headers_s, last_s)):
                reply = await self._transport.send(call)
                attempt.began(reply, endpoint)
                deadline.until(min(self._clock.monotonic() + timeouts.first_content_s, last_s))
                if not 200 <= reply.status < 300:
                    self._refused(attempt, endpoint, call, reply, await reply.read())
                    return None
                if reply.headers.get("content-type", "").startswith("application/json"):
                    bad = _not_streamed(endpoint.read_answer(await reply.read()))
                    attempt.failed(bad, self._clock)
                    return None
                relay = _relay(exchange, endpoint, attempt.model)
                first = await _first_content(reply, relay)
            if relay.bad is not None:
                attempt.garbage = relay.garbage
                attempt.failed(replace(relay.bad, usage=relay.usage), self._clock)
                return None
            stream = Stream(attempt, reply, relay, first, self._clock, deadline)
        finally:
            if reply is not None and stream is None:
                reply.close()
        attempt.answering(self._clock)
        attempt.waited(self._clock)
        return stream

    def _refused(self, attempt: Running, endpoint: Endpoint, call: Call, reply: Reply, body: bytes) -> None:
        """Note an attempt that was answered with an error status, and when the provider says to come again."""
        error = endpoint.read_error(reply.status, body)
        if not attempt.exchange.decision.chain.strict:
            attempt.again = attempt.mends(endpoint.mended(call.body, error))
        wait_s = wait_asked_s(reply.status, reply.headers, self._clock.now())
        attempt.failed(Bad(failure_of(error), replace(error, retry_after_s=wait_s)), self._clock)


def _relay(exchange: Exchange, endpoint: Endpoint, model: Model) -> Relay:
    if _native(exchange, model):
        return Relay(endpoint.stream_reader(pieces=False), None, hide_usage=endpoint.hides_usage(exchange.request))
    writer = exchange.caller.stream_writer(exchange.request.fields, exchange.id)
    return Relay(endpoint.stream_reader(pieces=True), writer, hide_usage=False)


async def _first_content(reply: Reply, relay: Relay) -> bytes:
    """Read until something may go to the caller, or until it is clear that nothing will."""
    while not relay.committed and relay.bad is None:
        data = await reply.chunk()
        out = relay.feed(data) if data else relay.end()
        if out:
            return out
    return b""


def _not_streamed(answer: Answer | Bad) -> Bad:
    """Say what a whole answer to a request for a stream is: the error within, else an answer that cannot be used."""
    if isinstance(answer, Bad):
        return answer
    return Bad(Failure.MALFORMED, ProviderError(200, message="the provider did not stream its answer"))


def _native(exchange: Exchange, model: Model) -> bool:
    """Say whether a model takes the body as it is."""
    surface = exchange.request.surface
    if surface is Surface.RESPONSES:
        return model.responses
    return NATIVE.get(surface) is exchange.active.snapshot.providers[model.provider].kind


def _unfit(exchange: Exchange, model: Model) -> Refusal | None:
    kind, surface = exchange.active.snapshot.providers[model.provider].kind, exchange.request.surface
    words = unfit(model, kind, surface)
    return Refusal(RefusalKind.INVALID_REQUEST, words, "model") if words else None


def _most(model: Model) -> int:
    return model.max_output_tokens or UNKNOWN_MAX_OUTPUT_TOKENS


def _passed_on(exchange: Exchange, endpoint: Endpoint, model: Model, step: Step) -> bytes | Refusal:
    exchange.lost, exchange.defaulted = (), None
    if refusal := _unfit(exchange, model):
        return refusal
    passed = endpoint.pass_on(exchange.request, model, step.params, _most(model))
    exchange.lost, exchange.defaulted = passed.lost, passed.defaulted
    return passed.body


def _translated(exchange: Exchange, dialect: ProviderDialect, model: Model, step: Step) -> bytes | Refusal:
    exchange.lost, exchange.defaulted = (), None
    if refusal := _unfit(exchange, model):
        return refusal
    chat = exchange.caller.chat(exchange.request.fields)
    if isinstance(chat, Refusal):
        return chat
    written = dialect.write_request(chat, model, step.params, _most(model))
    if isinstance(written, Refusal):
        return written
    exchange.lost = tuple(sorted({exchange.caller.names.get(name, name) for name in written.lost}))
    exchange.defaulted = written.defaulted
    return written.body


def _mended(exchange: Exchange, endpoint: Endpoint, position: int, body: bytes) -> bytes:
    """Leave out of a request what the provider turned down when this step was asked before."""
    last = exchange.history[-1] if exchange.history else None
    if not isinstance(last, Attempt) or last.position != position or not last.again or last.error is None:
        return body
    mended = endpoint.mended(body, last.error)
    if mended is None:
        return body
    exchange.lost = tuple(sorted({*exchange.lost, *(exchange.caller.names.get(name, name) for name in mended.lost)}))
    return mended.body


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
