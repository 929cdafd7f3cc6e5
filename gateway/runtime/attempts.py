"""Makes attempts: one step is asked, and answers in time, or fails with a word for how."""

import asyncio
from dataclasses import dataclass, replace

from gateway.dialects.base import Answer, Bad, Endpoint
from gateway.dialects.relay import Relay
from gateway.domain.attempt import ProviderError, Skipped
from gateway.domain.budget import Unread
from gateway.domain.chat import Stop
from gateway.domain.refusal import Refusal
from gateway.domain.registry import Model
from gateway.domain.upstream import Reply, UpstreamError
from gateway.domain.words import Failure, Outcome, Skip
from gateway.engine.chain import Try
from gateway.engine.failure import failure_of
from gateway.engine.waits import wait_asked_s
from gateway.runtime.asking import Asked, Spoken, asked, native
from gateway.runtime.exchange import Exchange
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Deadline, Timekeeper, Transport
from gateway.runtime.reserve import reserve
from gateway.runtime.running import Running, estimated_usage
from gateway.runtime.spend import SpendBook
from gateway.runtime.streamer import CALLER_LEFT, Stream


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer in the caller's dialect."""

    body: bytes


class Attempts:
    """Asks steps; what that says of the models stays on the board, and what it costs in the book."""

    def __init__(
        self, transport: Transport, clock: Timekeeper, spoken: Spoken, board: HealthBoard, book: SpendBook
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._spoken = spoken
        self._board = board
        self._book = book

    async def make(self, exchange: Exchange, chosen: Try) -> Answered | Stream | None:
        """Make one attempt; None when it failed or could not be made, with the failure or the skip in the history."""
        began = self._begin(exchange, chosen.position)
        if began is None:
            return None
        attempt, question = began
        deadline, stream = self._clock.deadline(), None
        last_s = attempt.started_s + min(question.call.timeouts.total_s, chosen.left_s)
        try:
            if exchange.request.stream:
                stream = await self._stream(attempt, question, deadline, last_s)
                return stream
            return await self._whole(attempt, question, deadline, last_s)
        except UpstreamError as error:
            attempt.failed(Bad(error.failure, ProviderError(0, message=str(error))), self._clock)
        except TimeoutError:
            words = f"{attempt.model.name} did not answer in time"
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

    def _begin(self, exchange: Exchange, position: int) -> tuple[Running, Asked] | None:
        """Hold back what it may cost and write the call; None where either cannot be done, with the skip noted."""
        step = exchange.decision.chain.steps[position]
        model = exchange.active.snapshot.models[step.model]
        reserved = reserve(exchange, step, model, self._book)
        if not isinstance(reserved, tuple):
            if isinstance(reserved, Unread):
                exchange.unread = reserved
            else:
                exchange.overspent = reserved
            exchange.history.append(Skipped(position, step.model, Skip.OVER_BUDGET))
            return None
        step, hold = reserved
        question = asked(exchange, self._spoken, position, step)
        if isinstance(question, Refusal):
            hold.settle(0)
            exchange.refusals.append(question)
            exchange.history.append(Skipped(position, step.model, Skip.INCAPABLE, exchange.lost))
            exchange.lost = ()
            return None
        trial = self._board.began(model.name)
        return Running(exchange, position, model, self._clock.monotonic(), self._board, hold, trial), question

    async def _whole(self, attempt: Running, question: Asked, deadline: Deadline, last_s: float) -> Answered | None:
        with deadline.until(last_s):
            reply = await self._transport.send(question.call)
            attempt.began(reply, question.endpoint)
            try:
                body = await reply.read()
            finally:
                reply.close()
        if not 200 <= reply.status < 300:
            self._refused(attempt, question, reply, body)
            return None
        answer = question.endpoint.read_answer(body)
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
        attempt.answering(self._clock, usage.output_tokens)
        attempt.ended(usage, None, self._clock)
        as_it_is = native(exchange, attempt.model)
        if as_it_is and exchange.defaulted is None:
            return Answered(body)
        kind = exchange.active.snapshot.providers[attempt.model.provider].kind
        reply = self._spoken.dialects[kind].reply(answer)
        exchange.cut = reply.stop is Stop.LENGTH
        if as_it_is:
            return Answered(body)
        # the caller is told what the provider reported: a guess of ours would look like that
        return Answered(exchange.caller.write_answer(reply, answer.usage, exchange.about, exchange.request.fields))

    async def _stream(self, attempt: Running, question: Asked, deadline: Deadline, last_s: float) -> Stream | None:
        """Wait for the head, then for the first content; each has its limit, and both end with the whole attempt's."""
        timeouts, exchange = question.call.timeouts, attempt.exchange
        reply: Reply | None = None
        stream: Stream | None = None
        try:
            with deadline.until(min(attempt.started_s + timeouts.headers_s, last_s)):
                reply = await self._transport.send(question.call)
                attempt.began(reply, question.endpoint)
                deadline.until(min(self._clock.monotonic() + timeouts.first_content_s, last_s))
                if not 200 <= reply.status < 300:
                    self._refused(attempt, question, reply, await reply.read())
                    return None
                if reply.headers.get("content-type", "").startswith("application/json"):
                    bad = _not_streamed(question.endpoint.read_answer(await reply.read()))
                    attempt.failed(bad, self._clock)
                    return None
                relay = _relay(exchange, question.endpoint, attempt.model)
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

    def _refused(self, attempt: Running, question: Asked, reply: Reply, body: bytes) -> None:
        """Note an attempt that was answered with an error status, and when the provider says to come again."""
        error = question.endpoint.read_error(reply.status, body)
        if not attempt.exchange.decision.chain.strict:
            attempt.again = attempt.mends(question.endpoint.mended(question.call.body, error))
        wait_s = wait_asked_s(reply.status, reply.headers, self._clock.now())
        attempt.failed(Bad(failure_of(error), replace(error, retry_after_s=wait_s)), self._clock)


def _relay(exchange: Exchange, endpoint: Endpoint, model: Model) -> Relay:
    if native(exchange, model):
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
