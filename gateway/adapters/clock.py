"""The system's clock, and the moments at which it ends a wait."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol

from gateway.adapters.tasks import Tasks


class Alarm(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Let it not come."""
        ...


class Deadline:
    """The moment at which what a task waits for is given up: `with deadline.until(moment)` raises TimeoutError then.

    It is for one wait after another, each with a moment of its own. One alarm serves them all: it is set anew only
    where it would ring too late, and where it rings too early it looks when it has to ring instead. So a piece of a
    stream costs no alarm. Cancellations are counted as `asyncio.Timeout` does, so that one that means something else,
    such as the caller's leaving, goes on as what it is.
    """

    __slots__ = ("_alarm", "_clock", "_others", "_passed", "_rings_s", "_task", "_tasks", "when_s")

    def __init__(self, clock: "SystemClock", tasks: Tasks) -> None:
        self._clock = clock
        self._tasks = tasks
        self._alarm: Alarm | None = None
        self._rings_s = 0.0
        self._task: asyncio.Task[Any] | None = None
        self._others = 0
        self._passed = False
        self.when_s = 0.0

    def until(self, when_s: float) -> "Deadline":
        """Give up at a moment of the clock's monotonic seconds; also in the middle of a wait."""
        self.when_s = when_s
        if self._alarm is None or when_s < self._rings_s:
            self._set()
        return self

    def close(self) -> None:
        """Let no alarm ring any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def __enter__(self) -> None:
        self._task = task = self._tasks.current()
        self._others = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._passed or task is None:
            return
        self._passed = False
        others = task.uncancel() > self._others
        if kind is not None and issubclass(kind, asyncio.CancelledError) and not others:
            raise TimeoutError from error

    def _set(self) -> None:
        self.close()
        self._rings_s = self.when_s
        self._alarm = self._clock.call_at(self.when_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._task is None or self._passed:
            return  # nobody waits: the next wait sets it anew
        if self._clock.monotonic() < self.when_s:
            self._set()
            return
        self._passed = True
        self._task.cancel()


FAR_S = 2.0
"""What is to be called later than in this time is called a little before; whoever it is looks again."""


class _Far:
    """A call that is to come in some second, with others."""

    __slots__ = ("_others", "call")

    def __init__(self, call: Callable[[], object], others: "set[_Far]") -> None:
        self.call = call
        self._others = others
        others.add(self)

    def cancel(self) -> None:
        """Let it not come."""
        self._others.discard(self)


class SystemClock:
    """Time as this machine has it.

    Nearly all limits on waiting are minutes away and are taken back at once: those of one second share a timer.
    """

    def __init__(self) -> None:
        self._tasks = Tasks()
        self._far: dict[int, set[_Far]] = {}

    def now(self) -> datetime:
        """Give the time of day in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the edge

    monotonic = staticmethod(time.monotonic)
    """Give seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def call_at(self, when_s: float, call: Callable[[], object]) -> Alarm:
        """Have the running loop call something at a moment of the monotonic seconds, or a little before."""
        left_s = when_s - self.monotonic()
        if left_s < FAR_S:
            return self._tasks.loop().call_later(left_s, call)
        second = int(when_s)
        others = self._far.get(second)
        if others is None:
            others = self._far[second] = set()
            self._tasks.loop().call_later(second - when_s + left_s, self._ring, second)
        return _Far(call, others)

    def _ring(self, second: int) -> None:
        others = self._far.pop(second)
        while others:
            others.pop().call()

    def deadline(self) -> Deadline:
        """Give the deadline of a task of the running loop, which has no moment yet."""
        return Deadline(self, self._tasks)
