"""Makes attempts: one step is asked, and answers in time, or fails with a word for how."""

import asyncio
from dataclasses import replace

from gateway.dialects.base import Answer, Bad, Endpoint
from gateway.dialects.relay import Relay
from gateway.domain.attempt import ProviderError, Skipped
from gateway.domain.budget import Unread
from gateway.domain.registry import Model
from gateway.domain.rule import Step
from gateway.domain.upstream import Reply, UpstreamError
from gateway.domain.words import Failure, Skip
from gateway.engine.chain import Try
from gateway.engine.failure import failure_of
from gateway.engine.waits import wait_asked_s
from gateway.runtime.asking import Spoken, Unaskable, asked, native
from gateway.runtime.exchange import Exchange
from gateway.runtime.gates import GateBoard, Place
from gateway.runtime.ports import Deadline, Timekeeper, Transport
from gateway.runtime.reserve import reserve
from gateway.runtime.running import Boards, Running, folded
from gateway.runtime.spend import SpendBook
from gateway.runtime.streamer import Stream
from gateway.runtime.whole import Whole


class Attempts:
    """Asks steps; what that says of the models stays on the boards, and what it costs in the book."""

    def __init__(
        self,
        transport: Transport,
        clock: Timekeeper,
        spoken: Spoken,
        boards: Boards,
        book: SpendBook,
        gates: GateBoard,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._spoken = spoken
        self._boards = boards
        self._book = book
        self._gates = gates

    def begin(
        self, exchange: Exchange, chosen: Try, place: Place | None = None, *, hedged: bool = False
    ) -> Running | Skipped:
        """Take a place at a step, unless one was waited for, hold back what the attempt may cost, and write its call.

        Where one of these cannot be done, the step is skipped. `hedged` says that another attempt is under way, beside
        which this one is begun.
        """
        step = exchange.decision.chain.steps[chosen.position]
        if place is None and step.gates:
            place = self._gates.enter(step)
            if place is None:
                return Skipped(chosen.position, step.model, Skip.FULL)
        begun = self._prepared(exchange, chosen, step, place, hedged=hedged)
        if place is not None:
            exchange.places.append(place)
            if isinstance(begun, Skipped):
                place.leave()
        return begun

    def _prepared(
        self, exchange: Exchange, chosen: Try, step: Step, place: Place | None, *, hedged: bool
    ) -> Running | Skipped:
        position = chosen.position
        model = exchange.active.snapshot.models[step.model]
        reserved = reserve(exchange, step, model, self._book)
        if not isinstance(reserved, tuple):
            if isinstance(reserved, Unread):
                exchange.unread = reserved
            else:
                exchange.overspent = reserved
            return Skipped(position, step.model, Skip.OVER_BUDGET)
        step, hold = reserved
        question = asked(exchange, self._spoken, position, step)
        if isinstance(question, Unaskable):
            hold.settle(0)
            exchange.refusals.append(question.refusal)
            return Skipped(position, step.model, Skip.INCAPABLE, question.lost)
        started_s = self._clock.monotonic()
        return Running(
            exchange,
            position,
            model,
            question,
            self._boards,
            hold,
            started_s,
            last_s=started_s + min(question.call.timeouts.total_s, chosen.left_s),
            nth=len(exchange.history),
            place=place,
            hedged=hedged,
            trial=self._boards.health.began(model.name),
        )

    async def carry_out(self, attempt: Running) -> Whole | Stream | None:
        """Make an attempt; None when it failed, with the failure in the history.

        What comes is neither noted nor given to anybody yet. On a cancellation the attempt is noted, as one that gives
        way or one that its caller left, and the upstream connection is closed before the cancellation goes on.
        """
        exchange, deadline, stream = attempt.exchange, self._clock.deadline(), None
        try:
            if exchange.request.stream:
                stream = await self._stream(attempt, deadline)
                return stream
            return await self._whole(attempt, deadline)
        except UpstreamError as error:
            attempt.hurried = error.ours
            attempt.failed(Bad(error.failure, ProviderError(0, message=str(error)), attempt.reported), self._clock)
        except TimeoutError:
            words = f"{attempt.model.name} did not answer in time"
            attempt.hurried = exchange.started_s + exchange.decision.chain.deadline_s <= self._clock.monotonic()
            attempt.failed(Bad(Failure.TIMEOUT, ProviderError(0, message=words), attempt.reported), self._clock)
        except asyncio.CancelledError:
            if attempt.lost:
                attempt.gives_way(self._clock)
            else:
                attempt.leaves(self._clock)
            raise
        finally:
            if stream is None:
                deadline.close()
        return None

    async def _whole(self, attempt: Running, deadline: Deadline) -> Whole | None:
        with deadline.until(attempt.last_s):
            reply = await self._transport.send(attempt.question.call)
            try:
                attempt.began(reply)
                body = await reply.read()
            finally:
                reply.close()
        if not 200 <= reply.status < 300:
            self._refused(attempt, reply, body)
            return None
        answer = attempt.question.endpoint.read_answer(body)
        if isinstance(answer, Bad):
            attempt.failed(answer, self._clock)
            return None
        attempt.content_s = self._clock.monotonic()
        return Whole(attempt, answer, body, self._spoken, self._clock)

    async def _stream(self, attempt: Running, deadline: Deadline) -> Stream | None:
        """Wait for the head, then for the first content; each has its limit, and both end with the whole attempt's."""
        question, timeouts = attempt.question, attempt.question.call.timeouts
        reply: Reply | None = None
        stream: Stream | None = None
        try:
            with deadline.until(min(attempt.started_s + timeouts.headers_s, attempt.last_s)):
                reply = await self._transport.send(question.call)
                attempt.began(reply)
                deadline.until(min(self._clock.monotonic() + timeouts.first_content_s, attempt.last_s))
                if not 200 <= reply.status < 300:
                    self._refused(attempt, reply, await reply.read())
                    return None
                if reply.headers.get("content-type", "").startswith("application/json"):
                    bad = _not_streamed(question.endpoint.read_answer(await reply.read()))
                    attempt.failed(bad, self._clock)
                    return None
                relay = attempt.relay = _relay(attempt.exchange, question.endpoint, attempt.model)
                first = await _first_content(reply, relay)
            if relay.bad is not None:
                attempt.garbage = relay.garbage
                attempt.failed(replace(relay.bad, usage=relay.usage), self._clock)
                return None
            attempt.content_s = self._clock.monotonic()
            stream = Stream(attempt, reply, relay, first, self._clock, deadline)
        finally:
            if reply is not None and stream is None:
                reply.close()
        return stream

    def _refused(self, attempt: Running, reply: Reply, body: bytes) -> None:
        """Note an attempt that was answered with an error status, and when the provider says to come again."""
        question = attempt.question
        error = question.endpoint.read_error(reply.status, b"" if folded(reply) else body)
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
