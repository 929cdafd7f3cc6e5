"""A clock that stands until the test moves it, and rings what is due then: limits of hours take no time."""

import asyncio
import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.adapters.clock import Deadline, SystemClock

EPOCH = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(order=True)
class Alarm:
    """A call that is due at a moment."""

    when_s: float
    number: int
    call: Callable[[], object] | None = field(compare=False)

    def cancel(self) -> None:
        self.call = None


class HandClock(SystemClock):
    """Its monotonic seconds begin at 1,000; `deadlines` are those it gave, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1_000.0
        self._alarms: list[Alarm] = []
        self.rings = 0
        self.deadlines: list[Deadline] = []

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._now_s)

    def monotonic(self) -> float:
        return self._now_s

    def call_at(self, when_s: float, call: Callable[[], object]) -> Alarm:
        self.rings += 1
        alarm = Alarm(when_s, self.rings, call)
        heapq.heappush(self._alarms, alarm)
        return alarm

    def deadline(self) -> Deadline:
        self.deadlines.append(super().deadline())
        return self.deadlines[-1]

    @property
    def pending(self) -> int:
        """How many alarms are still to ring."""
        return sum(alarm.call is not None for alarm in self._alarms)

    def advance(self, seconds: float) -> None:
        """Let time pass, and ring on the way what is due."""
        end_s = self._now_s + seconds
        while self._alarms and self._alarms[0].when_s <= end_s:
            alarm = heapq.heappop(self._alarms)
            self._now_s = max(self._now_s, alarm.when_s)
            if alarm.call is not None:
                alarm.call()
        self._now_s = end_s

    async def waits_until(self, when_s: float) -> None:
        """Return once the innermost wait is until a moment; the time limit of the test bounds it."""
        while self._innermost_s() != when_s:  # noqa: ASYNC110 - what is waited for is a socket
            await asyncio.sleep(0)

    def _innermost_s(self) -> float | None:
        return next((each.when_s for each in reversed(self.deadlines) if each._task is not None), None)


class LeapingClock(SystemClock):
    """The system's clock, but for leaps; waits that come again and again take a fraction of their time."""

    def __init__(self, now: datetime, hurry: float = 50.0) -> None:
        super().__init__()
        self._ahead_s = (now - super().now()).total_seconds()
        self._hurry = hurry

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead_s)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._hurry)

    def leap(self, seconds: float) -> None:
        """Let time pass at once; limits of what is under way end sooner by that."""
        self._ahead_s += seconds


class SetClock(SystemClock):
    """The system's clock, but for the time of day, which somebody sets; seconds go on as they do."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self._ahead = now - super().now()

    def now(self) -> datetime:
        return super().now() + self._ahead

    def set(self, by: timedelta) -> None:
        """Set the time of day, forward or back."""
        self._ahead += by
