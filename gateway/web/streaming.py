"""Answers that reach the caller piece by piece, and requests that outlast their caller's patience.

A stream begins with its first content, unless its rule says that it begins after a while all the same: from then on
nothing can be told by a status any more, and a failure of all steps is an error event.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from math import inf, isfinite

from aiohttp import web

from gateway.domain.attempt import ProviderError
from gateway.domain.refusal import Refusal
from gateway.runtime.drain import CutShortError
from gateway.runtime.exchange import Exchange
from gateway.runtime.executor import Exhausted
from gateway.runtime.leftovers import Walk
from gateway.runtime.streamer import Stream
from gateway.runtime.whole import Answered
from gateway.web.answers import streamed
from gateway.web.keys import Parts

CUT_SHORT = "the gateway is stopping: this answer is not whole"
EVENTS = "text/event-stream; charset=utf-8"
Headers = Callable[[Parts, Exchange, str], dict[str, str]]
"""Gives the headers of an answer of some type, as far as they are known now."""


def is_patient(exchange: Exchange) -> bool:
    """Say whether a request may begin to be answered, or goes on without its caller, while its chain is walked."""
    courtesy = exchange.decision.chain.courtesy
    return courtesy.drains or (exchange.request.stream and isfinite(courtesy.commit_after_s))


class Outflow:
    """The stream to one caller; `headers` gives those of its beginning, whenever that is."""

    __slots__ = ("_exchange", "_headers", "_http", "_parts", "_response")

    def __init__(self, http: web.BaseRequest, parts: Parts, exchange: Exchange, headers: Headers) -> None:
        self._http = http
        self._parts = parts
        self._exchange = exchange
        self._headers = headers
        self._response: web.StreamResponse | None = None

    @property
    def begun(self) -> bool:
        """Whether a status has been sent."""
        return self._response is not None

    async def run(self) -> Answered | Stream | Exhausted | None:
        """Walk the chain beside the caller: begin the answer where it takes too long, go on where the caller leaves.

        None where the caller is found to have left. Raises CutShortError.
        """
        exchange, parts = self._exchange, self._parts
        with parts.drain.stay(self._http.task):
            async with asyncio.TaskGroup() as tasks:
                walk = tasks.create_task(parts.executor.run(exchange))
                try:
                    await self._wait(walk)
                except (ConnectionError, asyncio.CancelledError) as error:
                    await parts.leftovers.walk(exchange, walk)
                    if isinstance(error, asyncio.CancelledError):
                        raise
                    return None
                return walk.result()

    async def _wait(self, walk: Walk) -> None:
        """Wait for the end of a walk; from its moment on with signs of life."""
        exchange, parts = self._exchange, self._parts
        courtesy = exchange.decision.chain.courtesy
        begins_s = exchange.started_s + (courtesy.commit_after_s if exchange.request.stream else inf)
        await _passed(walk, begins_s - parts.clock.monotonic())
        while not walk.done():
            response = self._response or await self._begin()
            await response.write(exchange.caller.keepalive)
            await _passed(walk, courtesy.keepalive_s)

    async def relay(self, stream: Stream) -> web.StreamResponse:
        """Give a stream to the caller, to its end or to an error event."""
        left = False
        try:
            response = self._response or await self._begin()
            try:
                with self._parts.drain.stay(self._http.task):
                    while (piece := await stream.next()) and not stream.over:
                        await response.write(piece)
            except CutShortError:
                piece = stream.cut_short(CUT_SHORT)
            await response.write_eof(piece)
        except ConnectionError:
            left = True
            return web.Response(status=499)  # the caller left: nobody reads this
        except asyncio.CancelledError:
            left = True
            raise
        else:
            return response
        finally:
            if left:
                await self._parts.leftovers.stream(stream)
            else:
                stream.close()

    async def fail(self, exhausted: Exhausted) -> web.StreamResponse:
        """End an answer that has begun and has no content with what would have been its status and its body."""
        exchange, error = self._exchange, exhausted.error
        status = exhausted.status
        words = (
            ProviderError(status, message=error.message)
            if isinstance(error, Refusal)
            else replace(error, status=status)
        )
        event = exchange.caller.error_event(words, exchange.blame(exhausted.blame), exchange.id)
        response = self._response or await self._begin()
        try:
            await response.write_eof(event)
        except ConnectionError:
            return web.Response(status=499)
        return response

    async def _begin(self) -> web.StreamResponse:
        headers = self._headers(self._parts, self._exchange, EVENTS)
        headers["Cache-Control"] = "no-cache"
        headers["X-Accel-Buffering"] = "no"
        response = self._response = streamed(self._http, headers)
        await response.prepare(self._http)
        self._exchange.begun = True
        return response


async def _passed(walk: Walk, limit_s: float) -> None:
    """Wait for the end of a walk, for so long."""
    await asyncio.wait([walk], timeout=max(0.0, limit_s) if isfinite(limit_s) else None)
