"""A stream whose first content has come: from here on it belongs to one model, to its end."""

import asyncio

from gateway.dialects.relay import Relay
from gateway.domain.attempt import ProviderError
from gateway.domain.upstream import Reply, UpstreamError
from gateway.domain.words import Failure, Outcome
from gateway.engine.chain import Halt, next_step
from gateway.runtime.ports import Clock
from gateway.runtime.running import Running, estimated_usage


class Stream:
    """The pieces for the caller, one at a time. It must be closed, however it ends; twice is as once.

    An end without the terminal marker, an error event and a silence past the idle limit all end it with an error event
    in the caller's dialect: never a clean end, never the words of another model.
    """

    def __init__(self, running: Running, reply: Reply, relay: Relay, first: bytes, clock: Clock) -> None:
        self._running = running
        self._reply = reply
        self._relay = relay
        self._first = first
        self._clock = clock
        self._timeouts = running.exchange.decision.chain.steps[running.position].timeouts
        self._broken: tuple[Failure, ProviderError] | None = None
        self._ended = False

    async def next(self) -> bytes:
        """Give the next piece as soon as it comes, empty at the end."""
        if self._first:
            piece, self._first = self._first, b""
            return piece
        while not self._ended:
            if self._relay.closed or self._relay.bad is not None:
                return self._last()
            try:
                piece = await self._piece()
            except UpstreamError as error:
                self._broken = (error.failure, ProviderError(0, message=str(error)))
                return self._last()
            except TimeoutError:
                words = "the provider stopped sending in the middle of the answer"
                self._broken = (Failure.TIMEOUT, ProviderError(0, message=words))
                return self._last()
            if piece:
                return piece
        return b""

    async def _piece(self) -> bytes:
        spent_s = self._clock.monotonic() - self._running.started_s
        async with asyncio.timeout(min(self._timeouts.idle_s, self._timeouts.total_s - spent_s)):
            data = await self._reply.chunk()
        return self._relay.feed(data) if data else self._relay.end()

    def _last(self) -> bytes:
        """Give the event that ends a stream which is not whole, else nothing."""
        self._ended = True
        if self._relay.bad is not None:
            self._broken = (self._relay.bad.failure, self._relay.bad.error)
        if self._broken is None:
            return b""
        exchange = self._running.exchange
        return exchange.caller.error_event(self._broken[1], exchange.blame("provider"), exchange.id)

    def close(self, *, caller_left: bool = False) -> None:
        """Let go of the provider and note how the attempt ended, what it used and what it cost."""
        exchange = self._running.exchange
        if exchange.outcome is not None:
            return
        self._reply.close()
        if caller_left:
            self._broken = (Failure.CANCELLED, ProviderError(0, message="the caller left"))
        elif not self._relay.closed and self._broken is None:
            self._broken = (Failure.TRUNCATED, ProviderError(0, message="the stream was not read to its end"))
        usage = self._relay.usage if self._relay.closed else None
        failure, error = self._broken or (None, None)
        exchange.response_model = self._relay.model
        exchange.garbage += self._relay.garbage
        self._running.ended(usage or estimated_usage(exchange, self._relay.text_bytes), failure, error, self._clock)
        step = next_step(exchange.decision.chain, exchange.history, 0.0)
        exchange.outcome = step.outcome if isinstance(step, Halt) else Outcome.FAILED
