"""Work beside the loop: what hangs holds up nobody but itself."""

import asyncio
import threading

import pytest

from gateway.adapters.aside import Aside
from gateway.domain.upstream import UpstreamError
from gateway.domain.words import Failure


async def test_work_gives_what_it_gives_or_raises_the_error_that_it_gives() -> None:
    aside = Aside()
    assert await aside.run(lambda: 5) == 5
    with pytest.raises(UpstreamError, match="nothing"):
        await aside.run(lambda: UpstreamError(Failure.AUTH, "nothing"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_in_the_work_reaches_who_waits() -> None:
    aside = Aside(1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a bug"):
            await aside.run(lambda: int("no number"))
    for thread in left():
        thread.join()


async def test_who_waits_may_leave_and_the_work_keeps_its_place_until_it_ends() -> None:
    """U-35: a service that hangs takes as many threads as there are places, however many requests give it up."""
    aside, go, began = Aside(1), threading.Event(), threading.Event()

    def hang() -> int:
        began.set()
        go.wait(20)
        return 1

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(aside.run(hang))
        await asyncio.to_thread(began.wait, 20)
        second = tasks.create_task(aside.run(lambda: 2))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not second.done()
        go.set()
        assert await second == 2


def test_the_end_does_not_wait_for_work_that_hangs() -> None:
    go = threading.Event()

    async def main() -> None:
        aside = Aside()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await aside.run(lambda: go.wait(20))

    asyncio.run(main())
    hanging = left()
    assert hanging
    assert all(thread.daemon for thread in hanging)
    go.set()
    for thread in hanging:
        thread.join()


def left() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "aside"]
