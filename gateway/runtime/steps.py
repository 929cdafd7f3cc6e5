"""Steps that requests take together, so that what one of them has warmed up serves the next."""

import asyncio
from dataclasses import dataclass, field

MOST_TURNS = 6
"""Turns of the loop that the first who comes to a step may wait for others; more saves nothing."""


class Step:
    """A place that requests pass right after each other which come to it while others do.

    A request on its way through all layers pushes the code and the tables of each step out of the caches, and the next
    request finds them cold. Taken by several in a row, a step runs in about half the time. They pass in the order in
    which they came, once a turn of the loop has brought nobody more; who comes alone passes in the next turn. It
    belongs to one event loop.
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def together(self) -> "asyncio.Future[None]":
        """Give what to wait for before the step is taken."""
        loop = self._loop
        if loop is None:  # it is asked for once: asyncio asks the system each time
            loop = self._loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.append(waiter)
        if len(self._waiting) == 1:
            loop.call_soon(self._look, loop, 1, 1)
        return waiter

    def _look(self, loop: asyncio.AbstractEventLoop, came: int, turns: int) -> None:
        """Let all pass, unless others have come in the turn that has just ended."""
        waiting = self._waiting
        if len(waiting) > came and turns < MOST_TURNS:
            loop.call_soon(self._look, loop, len(waiting), turns + 1)
            return
        self._waiting = []
        for waiter in waiting:
            if not waiter.done():  # its caller may have left
                waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a request: it is decided, a provider is asked, the answer is written."""

    deciding: Step = field(default_factory=Step)
    asking: Step = field(default_factory=Step)
    answering: Step = field(default_factory=Step)
