"""Answers whose callers have left: read to their end where a rule says so, within bounds, else let go of at once.

What is read serves for nothing but what the provider reports of its use. Nobody waits for it when the daemon stops.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any

from gateway.runtime.drain import CutShortError, Drain
from gateway.runtime.exchange import Exchange
from gateway.runtime.executor import Exhausted
from gateway.runtime.ports import Timekeeper
from gateway.runtime.streamer import Stream
from gateway.runtime.whole import Answered

Walk = asyncio.Task[Answered | Stream | Exhausted]
Show = Callable[[int], object]
MOST = 100
LONGEST_S = 60.0


class Leftovers:
    """Counts what is read to its end for nobody; what is beyond `most`, or takes longer, ends as if it were not.

    `show` is told the count whenever it changes.
    """

    def __init__(
        self, clock: Timekeeper, drain: Drain, show: Show, most: int = MOST, longest_s: float = LONGEST_S
    ) -> None:
        self._clock = clock
        self._drain = drain
        self._show = show
        self._most = most
        self._longest_s = longest_s
        self.count = 0

    @property
    def room(self) -> bool:
        """Whether one more may be read."""
        return self.count < self._most and not self._drain.draining

    async def stream(self, stream: Stream) -> None:
        """See to a stream whose caller has left, and close it."""
        try:
            if stream.drains and self.room:
                await self._bounded(stream.drain)
        finally:
            stream.close(caller_left=True)

    async def walk(self, exchange: Exchange, walk: Walk) -> None:
        """See to a walk along a chain whose caller has left; it has ended then, whatever comes in between.

        One that goes on ends with the attempt that is under way: no further step is asked.
        """
        try:
            if exchange.decision.chain.courtesy.drains and self.room:
                exchange.left = True
                await self._bounded(lambda: _ended(walk))
        finally:
            walk.cancel()
            await _ended(walk)
            if not walk.cancelled() and walk.exception() is None and isinstance(stream := walk.result(), Stream):
                await self.stream(stream)

    async def _bounded(self, read: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._counted(1)
        deadline = self._clock.deadline()
        try:
            with closing(deadline), self._drain.until_stop(), deadline.until(self._clock.monotonic() + self._longest_s):
                await read()
        except (TimeoutError, CutShortError):
            pass  # what was not read is estimated
        finally:
            self._counted(-1)

    def _counted(self, change: int) -> None:
        self.count += change
        self._show(self.count)


async def _ended(walk: Walk) -> None:
    await asyncio.wait([walk])
