"""The end of the service: who is waited for, for how long, and how a wait is cut short."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.runtime.drain import ALONE_FOR, CutShortError, Drain, Phase

FOR_EVER_S = 3600.0


async def held(drain: Drain, wait: Callable[[], Awaitable[object]], said: list[str]) -> None:
    """Be a request that waits, and say how its wait ended."""
    drain.came()
    try:
        with drain.stay():
            await wait()
        said.append("ended")
    except CutShortError:
        said.append("cut short")
    except asyncio.CancelledError:
        said.append("cancelled")
        raise
    finally:
        drain.went()


async def begun(drain: Drain, count: int) -> None:
    """Let tasks run up to their waits."""
    while drain.in_flight < count:  # noqa: ASYNC110 - a turn of the loop, not a time
        await asyncio.sleep(0)


async def test_a_request_is_alone_where_the_last_ones_came_one_after_the_other() -> None:
    """Of those that come at once the first one finds nobody in flight either, and is not alone."""
    drain, told = Drain(), list[bool]()
    for at_once in [1] * (ALONE_FOR + 1) + [2] + [1] * ALONE_FOR:
        for _ in range(at_once):
            drain.came()
        told.append(drain.alone())
        for _ in range(at_once):
            drain.went()
    assert told == [False] * (ALONE_FOR - 1) + [True, True, False] + [False] * (ALONE_FOR - 1) + [True]


async def test_it_is_ready_between_the_start_and_the_stop() -> None:
    drain = Drain()
    phases = [drain.phase]
    drain.ready()
    phases.append(drain.phase)
    drain.stop()
    phases.append(drain.phase)
    drain.ready()
    assert [*phases, drain.phase] == [Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.DRAINING]
    assert drain.stopping.is_set()


async def test_nobody_in_flight_is_not_waited_for() -> None:
    drain = Drain()
    drain.came()
    drain.went()
    await drain.ended(FOR_EVER_S)
    assert (drain.draining, drain.in_flight) == (True, 0)


async def test_a_request_that_ends_in_time_is_waited_for() -> None:
    """Also one of two that ends before the other."""
    drain, said = Drain(), list[str]()
    first, last = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(held(drain, first.wait, said))
        tasks.create_task(held(drain, last.wait, said))
        await begun(drain, 2)
        ended = tasks.create_task(drain.ended(FOR_EVER_S))
        first.set()
        await begun(drain, 1)
        assert not ended.done()
        last.set()
    assert said == ["ended", "ended"]


@pytest.mark.parametrize("why", ["the time is over", "a second stop", "a second stop before the wait"])
async def test_a_request_is_cut_short_once_it_is_waited_for_no_longer(why: str) -> None:
    drain, said = Drain(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(held(drain, asyncio.Event().wait, said))
        await begun(drain, 1)
        if "before" in why:
            drain.stop()
            drain.stop()
        ended = tasks.create_task(drain.ended(0 if "time" in why else FOR_EVER_S))
        if why == "a second stop":
            await drain.stopping.wait()
            drain.stop()
        await ended
        assert drain.in_flight == 0
    assert said == ["cut short"]


async def test_a_wait_that_begins_after_that_is_cut_short_too() -> None:
    """A request whose first wait was caught does not begin a second one."""
    drain, said = Drain(), list[str]()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            said.append("first")

    async def request() -> None:
        drain.came()
        with drain.stay():
            await stubborn()
        await held(drain, asyncio.Event().wait, said)
        drain.went()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(request())
        await begun(drain, 1)
        await drain.ended(0)
    assert said == ["first", "cut short"]


async def test_a_caller_who_leaves_is_not_taken_for_the_end() -> None:
    """A cancellation goes on as one, before the end and in the same moment."""
    for both in (False, True):
        drain, said = Drain(), list[str]()
        task = asyncio.get_running_loop().create_task(held(drain, asyncio.Event().wait, said))
        await begun(drain, 1)
        if both:
            for stay in tuple(drain._stays):
                stay.cut_short()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert said == ["cancelled"]
        assert drain.in_flight == 0


async def test_a_wait_that_ended_is_not_cut_short_afterwards() -> None:
    """What comes behind it, such as the sending of an answer, is not cancelled."""
    drain = Drain()
    sent = asyncio.Event()

    async def request() -> None:
        drain.came()
        with drain.stay():
            await asyncio.sleep(0)
        await sent.wait()
        drain.went()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(request())
        await begun(drain, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended = tasks.create_task(drain.ended(0))
        await drain.stopping.wait()
        while not drain._over:  # noqa: ASYNC110 - a turn of the loop, not a time
            await asyncio.sleep(0)
        sent.set()
        await ended
    assert not task.cancelled()


async def test_a_timeout_within_a_wait_stays_a_timeout() -> None:
    drain = Drain()
    with pytest.raises(TimeoutError), drain.stay():
        async with asyncio.timeout(0):
            await asyncio.Event().wait()


async def test_who_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon ends all the same, after a moment for last words."""
    monkeypatch.setattr("gateway.runtime.drain.LAST_WORDS_S", 0)
    drain = Drain()
    drain.came()
    await drain.ended(0)
    assert drain.in_flight == 1


def test_a_stay_belongs_to_a_task() -> None:
    with pytest.raises(RuntimeError), Drain().stay():
        pass
