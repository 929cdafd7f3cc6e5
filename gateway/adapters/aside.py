"""Threads for what blocks and may hang, such as asking a cloud for credentials: nothing else waits behind them.

The loop's own threads are few, and looking up names needs them. Nobody waits for these at the end.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from gateway.domain.upstream import UpstreamError

T = TypeVar("T")
MOST = 4
"""How much may be under way at once: a service that hangs keeps as many threads, and not one for each request."""


class _Outcome(Generic[T]):
    """What a thread leaves behind, unless it ended with a bug."""

    value: T | UpstreamError


class Aside:
    """Runs work beside the loop; made inside a running loop."""

    def __init__(self, most: int = MOST) -> None:
        self._room = asyncio.Semaphore(most)

    async def run(self, work: Callable[[], T | UpstreamError]) -> T:
        """Give what the work gives, or raise the UpstreamError that it gives.

        Whoever waits may leave: the work goes on to its end, and keeps its place until then.
        """
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        outcome: _Outcome[T] = _Outcome()

        def settle() -> None:
            self._room.release()
            if not ended.done():
                ended.set_result(None)

        def body() -> None:
            try:
                outcome.value = work()
            finally:
                with suppress(RuntimeError):  # the loop is closed, and nobody waits
                    loop.call_soon_threadsafe(settle)

        threading.Thread(target=body, name="aside", daemon=True).start()
        await ended
        if not hasattr(outcome, "value"):
            raise RuntimeError("work beside the loop met a bug")
        if isinstance(outcome.value, UpstreamError):
            raise outcome.value
        return outcome.value
