"""Work that is done for several requests right after each other, so that what one warms up serves the next."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

MOST_TURNS = 6
"""Turns of the loop that the first who comes may wait for others; more saves nothing."""

MOST_AT_ONCE = 32
"""Requests whose work is done in one turn: it is a stall for all others."""

_R = TypeVar("_R")
_Waiting = tuple["asyncio.Future[_R]", Callable[[], _R]]


class Together(Generic[_R]):
    """Work of one kind, done at once for all requests that come to it while others do.

    A request on its way through all layers pushes the code and the tables of each out of the caches, and the next one
    finds them cold: done for several in a row, work takes about half the time. It is done in the order in which they
    came, once a turn of the loop has brought nobody more. Who is `alone` waits for nobody. It belongs to one
    event loop.
    """

    __slots__ = ("_alone", "_loop", "_waiting")

    def __init__(self, alone: Callable[[], bool]) -> None:
        self._alone = alone
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Waiting[_R]] = []

    def done(self, work: Callable[[], _R]) -> "asyncio.Future[_R]":
        """Give what work will have come to; it is left undone for a waiter who has left by then."""
        loop = self._loop
        if loop is None:  # it is asked for once: asyncio asks the system each time
            loop = self._loop = asyncio.get_running_loop()
        result: asyncio.Future[_R] = loop.create_future()
        if self._alone():
            result.set_result(work())
            return result
        self._waiting.append((result, work))
        if len(self._waiting) == 1:
            loop.call_soon(self._look, loop, 1, 1)
        return result

    def _look(self, loop: asyncio.AbstractEventLoop, came: int, turns: int) -> None:
        """Do the work of all, unless others have come in the turn that has just ended; of many, a part each turn."""
        waiting = self._waiting
        if len(waiting) > came and turns < MOST_TURNS:
            loop.call_soon(self._look, loop, len(waiting), turns + 1)
            return
        self._waiting = waiting[MOST_AT_ONCE:]
        if self._waiting:
            loop.call_soon(self._look, loop, len(self._waiting), MOST_TURNS)
        for result, work in waiting[:MOST_AT_ONCE]:
            if result.done():
                continue
            try:
                result.set_result(work())
            except Exception as error:  # noqa: BLE001 - the work of the others goes on
                result.set_exception(error)
