"""Which task runs, asked for cheaply."""

import asyncio
from typing import Any


class Tasks:
    """Tells the task that runs in the loop that it was first asked in.

    asyncio finds out which loop runs by asking the system for the number of this process: some requests would do so
    ten times. Where nothing runs in that loop any more, it is asked again.
    """

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def current(self) -> asyncio.Task[Any]:
        """Give the task that runs. Raises RuntimeError where none does."""
        task = None if self._loop is None else asyncio.current_task(self._loop)
        if task is None:
            task = asyncio.current_task(self.loop())
        if task is None:
            raise RuntimeError("a task waits, nobody else")
        return task

    def loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop that runs. Raises RuntimeError where none does."""
        if self._loop is None or asyncio.current_task(self._loop) is None:
            self._loop = asyncio.get_running_loop()
        return self._loop
