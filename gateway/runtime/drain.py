"""The end of the daemon's service: whether new requests are taken, who is in flight, and when those must end.

It opens and closes nothing. The handlers ask it, the signals tell it, and the stop waits for it.
"""

import asyncio
import logging
from enum import StrEnum
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

LAST_WORDS_S = 2.0
"""How long requests that are cut short have to tell their callers so."""


ALONE_FOR = 8
"""Requests that must have come one after the other before the next is taken to be alone."""


class Phase(StrEnum):
    """Where in its life the daemon is."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class CutShortError(Exception):
    """What this request waited for does not come any more: the daemon ends now."""


class Drain:
    """Counts the requests in flight, and lets them end before the daemon does. It belongs to one event loop."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.in_flight = 0
        self._alone = 0
        self.stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self._stays: set[Stay] = set()
        self._unhurried: set[Stay] = set()
        self._over = False

    @property
    def draining(self) -> bool:
        """Whether the daemon is about to end, so that it takes no new requests."""
        return self.phase is Phase.DRAINING

    def alone(self) -> bool:
        """Say whether requests come one after the other: none of the last ones came while another was in flight.

        Of those that come at once the first one finds nobody in flight, too.
        """
        return self._alone >= ALONE_FOR

    def ready(self) -> None:
        """Note that requests are taken, unless it was asked to stop by then."""
        if not self.draining:
            self.phase = Phase.READY

    def stop(self) -> None:
        """Take no new requests from here on; asked again, wait for those in flight no longer."""
        if self.draining:
            self._settled.set()
        self.phase = Phase.DRAINING
        self.stopping.set()
        for stay in tuple(self._unhurried):
            stay.cut_short()

    def came(self) -> None:
        """Count a request in."""
        self._alone = 0 if self.in_flight else self._alone + 1
        self.in_flight += 1

    def went(self) -> None:
        """Count a request out, whichever way it ended."""
        self.in_flight -= 1
        if self.draining and not self.in_flight:
            self._settled.set()

    def stay(self, task: asyncio.Task[Any] | None = None) -> "Stay":
        """Give the bounds of a wait within a request, which raise CutShortError where it lasts beyond the end.

        `task` is the one that waits, where that is known: to ask takes longer than all else here.
        """
        return Stay(self._stays, task, over=self._over)

    def until_stop(self) -> "Stay":
        """Give the bounds of a wait that nobody is to wait for at the end: `stop` cuts it short at once."""
        return Stay(self._unhurried, None, over=self.draining)

    async def ended(self, limit_s: float) -> None:
        """Take no new requests, and return once none is in flight.

        Those that still are after `limit_s`, or when `stop` was asked again, are cut short, and have a moment to say
        so. Then it returns, whoever is left.
        """
        if not self.draining:
            self.stop()
        if not self.in_flight:
            logger.info("stopping")
        else:
            words = "stopping: requests in flight: %d; they have %g s, and a second signal ends them now"
            logger.info(words, self.in_flight, limit_s)
            await self._settle(limit_s)
        if self.in_flight:
            logger.warning("stopping: requests cut short: %d", self.in_flight)
            self._over = True
            for stay in tuple(self._stays):
                stay.cut_short()
            self._settled.clear()
            await self._settle(LAST_WORDS_S)

    async def _settle(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._settled.wait()
        except TimeoutError:
            pass  # those who are left are what the caller looks at


class Stay:
    """A wait that the end of the drain cuts short, by cancelling the task that is within.

    It counts cancellations as `asyncio.Timeout` does, so that one that means something else, such as the caller's
    leaving, goes on as what it is.
    """

    __slots__ = ("_cut", "_others", "_stays", "_task")

    def __init__(self, stays: "set[Stay]", task: asyncio.Task[Any] | None, *, over: bool) -> None:
        self._stays = stays
        self._task = task
        self._cut = over

    def __enter__(self) -> None:
        task = self._task = self._task or asyncio.current_task()
        if task is None:
            raise RuntimeError("a stay is entered by a task")
        self._others = task.cancelling()
        if self._cut:
            raise CutShortError
        self._stays.add(self)

    def cut_short(self) -> None:
        """End the wait."""
        self._cut = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stays.discard(self)
        if not self._cut or self._task is None:
            return
        others = self._task.uncancel() > self._others
        if kind is not None and issubclass(kind, asyncio.CancelledError) and not others:
            raise CutShortError from error
