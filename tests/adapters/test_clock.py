"""The system's clock, against the system; and its deadlines, on a clock that the test moves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.clock import FAR_S, Alarm, Deadline, SystemClock
from tests.fakes.clock import HandClock


async def test_the_clock_says_utc_and_never_goes_back() -> None:
    clock = SystemClock()
    before, began_s = clock.now(), clock.monotonic()
    await clock.sleep(0)
    after, ended_s = clock.now(), clock.monotonic()
    assert before.tzinfo is UTC
    assert after.utcoffset() == timedelta(0)
    assert ended_s >= began_s


async def test_sleep_lasts_at_least_as_long_as_asked() -> None:
    clock = SystemClock()
    began_s = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - began_s >= 0.009  # the loop rounds to its clock's resolution


async def test_a_wait_is_given_up_by_the_system_too() -> None:
    """U-23: and one that has ended in time is not, nor the next one after it."""
    clock = SystemClock()
    deadline = clock.deadline()
    with deadline.until(clock.monotonic() + 20):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), deadline.until(clock.monotonic()):
        await asyncio.Event().wait()
    with deadline.until(clock.monotonic() + 20):
        await asyncio.sleep(0)
    deadline.close()
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


@dataclass
class Wait:
    """A wait of a limit for something that comes; `eased` begins with a longer limit and shortens it on the way."""

    limit_s: int
    comes_s: float
    eased: bool

    async def begin(self, clock: HandClock, deadline: Deadline) -> float | None:
        """Wait; give when it ended, None where it was given up."""
        began_s, comes = clock.monotonic(), asyncio.Event()
        clock.call_at(began_s + self.comes_s, comes.set)
        try:
            with deadline.until(began_s + self.limit_s + (100 if self.eased else 0)):
                await asyncio.sleep(0)
                deadline.until(began_s + self.limit_s)
                await comes.wait()
        except TimeoutError:
            return None
        return clock.monotonic()


waits = st.lists(
    st.builds(Wait, st.integers(1, 9), st.integers(0, 9).map(lambda s: s + 0.5), st.booleans()), max_size=9
)


@given(waits)
def test_each_wait_ends_at_its_moment_or_when_what_it_is_for_has_come(given_waits: list[Wait]) -> None:
    """U-23: of any waits one after another under one deadline; in the end nothing is left that rings."""

    async def scene() -> None:
        clock = HandClock()
        deadline = clock.deadline()
        for wait in given_waits:
            began_s = clock.monotonic()
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(wait.begin(clock, deadline))
                while not task.done():
                    for _ in range(4):  # what has rung is heard of
                        await asyncio.sleep(0)
                    if not task.done():
                        clock.advance(0.25)
            in_time = wait.comes_s < wait.limit_s
            assert clock.monotonic() == began_s + (wait.comes_s if in_time else wait.limit_s)
            assert task.result() == (clock.monotonic() if in_time else None)
            clock.advance(10)
        deadline.close()
        assert clock.pending == 0

    asyncio.run(scene())


async def test_a_cancellation_that_means_something_else_goes_on_as_what_it_is() -> None:
    """U-18: a caller who leaves just when the limit is reached has left."""
    clock = HandClock()

    async def wait() -> None:
        with clock.deadline().until(clock.monotonic() + 5):
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(wait())
        await asyncio.sleep(0)
        clock.advance(5)
        task.cancel()
    assert task.cancelled()


def test_outside_a_task_nobody_can_wait() -> None:
    with pytest.raises(RuntimeError), HandClock().deadline().until(0.0):
        pass


async def test_a_stream_of_many_pieces_costs_few_alarms() -> None:
    """A limit that moves on with each piece is the same alarm: it is set anew only when it rings."""
    clock = HandClock()
    deadline = clock.deadline()
    for _ in range(1_000):
        with deadline.until(clock.monotonic() + 60):
            await asyncio.sleep(0)
        clock.advance(0.1)
    assert clock.rings <= 3


# -- calls that are far off


class Rung(SystemClock):
    """The system's clock at a moment of the test's, on a loop that only remembers what it is to call."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.25
        self.timers: list[tuple[float, Callable[..., object], tuple[object, ...]]] = []

    def monotonic(self) -> float:
        return self.now_s

    def loop(self) -> "Rung":
        return self

    def call_later(self, delay_s: float, call: Callable[..., object], *more: object) -> Alarm:
        self.timers.append((self.now_s + delay_s, call, more))
        return asyncio.get_running_loop().call_later(3_600, int)

    def ring(self) -> None:
        """Let the first timer be due."""
        at_s, call, more = self.timers.pop(0)
        self.now_s = max(self.now_s, at_s)
        call(*more)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> Rung:
    clock = Rung()
    monkeypatch.setattr(clock, "_tasks", clock)
    return clock


async def test_calls_of_one_second_share_a_timer_and_none_comes_late(rung: Rung) -> None:
    said: list[str] = []
    for word, when_s in (("a", 160.1), ("b", 160.9), ("c", 161.0)):
        rung.call_at(when_s, lambda word=word: said.append(word))  # type: ignore[misc] # mypy knows no defaults here
    assert [at_s for at_s, _, _ in rung.timers] == [160.0, 161.0]
    rung.ring()
    assert sorted(said) == ["a", "b"]
    rung.ring()
    assert said[2:] == ["c"]


async def test_a_call_that_is_near_is_exact(rung: Rung) -> None:
    rung.call_at(100.25 + FAR_S / 2, int)
    assert [at_s for at_s, _, _ in rung.timers] == [pytest.approx(100.25 + FAR_S / 2)]


async def test_a_call_that_was_taken_back_does_not_come_and_is_not_kept(rung: Rung) -> None:
    """Also where another of its second takes it back."""
    said: list[str] = []
    first = rung.call_at(160.1, lambda: said.append("first"))
    alarms: list[Alarm] = []

    def each() -> None:
        for alarm in alarms:
            alarm.cancel()

    alarms += [rung.call_at(160.2, each) for _ in range(2)]
    first.cancel()
    assert len(rung._far[160]) == 2
    rung.ring()
    assert (said, rung._far) == ([], {})
