"""Answers that are read for nobody: how many, how long, and not beyond the end of the daemon."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.domain.words import Outcome
from gateway.runtime.drain import Drain
from gateway.runtime.leftovers import Leftovers
from gateway.runtime.streamer import Stream
from tests.adapters.upstream import Upstream, serving
from tests.runtime.test_executor import HEAD, WORD, Dictated, Scene, chunk, scene

DRAINS = ", on_disconnect: drain"


@dataclass
class Left:
    """A request whose caller leaves: what becomes of it."""

    at: Scene
    provider: Dictated
    upstream: Upstream
    drain: Drain
    shown: list[int]


@asynccontextmanager
async def leaving(*, stream: bool) -> AsyncIterator[Left]:
    provider = Dictated()
    async with serving(provider.script) as upstream, scene(upstream.port, stream=stream, says=DRAINS) as at:
        yield Left(at, provider, upstream, Drain(), [])


async def begun(left: Left) -> Stream:
    left.provider.say(HEAD, chunk(WORD))
    stream = await left.at.run
    assert isinstance(stream, Stream)
    return stream


async def test_beyond_the_number_a_stream_is_let_go_of_at_once() -> None:
    """U-37: it reverts to cancel; what was not read is estimated."""
    async with leaving(stream=True) as left:
        leftovers = Leftovers(left.at.clock, left.drain, left.shown.append, most=0)
        await leftovers.stream(await begun(left))
        assert left.at.exchange.outcome is Outcome.CANCELLED
        assert left.at.exchange.usage is not None
        assert left.at.exchange.usage.estimated


async def test_beyond_the_number_a_walk_is_cancelled_at_once() -> None:
    """U-37 U-38: whether or not the provider was about to answer."""
    async with leaving(stream=False) as left:
        await left.at.clock.waits_until(left.at.clock.monotonic() + 20)
        await Leftovers(left.at.clock, left.drain, left.shown.append, most=0).walk(left.at.exchange, left.at.run)
        assert left.at.run.cancelled()
        assert left.at.exchange.outcome is Outcome.CANCELLED


@pytest.mark.parametrize("ends", ["time", "stop"])
async def test_a_walk_that_takes_too_long_is_cancelled(ends: str) -> None:
    """U-37 U-124: after its time, or when the daemon stops."""
    async with leaving(stream=False) as left:
        clock = left.at.clock
        leftovers = Leftovers(clock, left.drain, left.shown.append, longest_s=5)
        await clock.waits_until(clock.monotonic() + 20)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(leftovers.walk(left.at.exchange, left.at.run))
            await clock.waits_until(clock.monotonic() + 5)
            assert leftovers.count == 1
            if ends == "time":
                clock.advance(5)
            else:
                left.drain.stop()
        assert reading.done()
        assert left.at.run.cancelled()
        assert (left.at.exchange.outcome, left.shown) == (Outcome.CANCELLED, [1, 0])


@pytest.mark.parametrize("ends", ["time", "stop"])
async def test_a_stream_that_takes_too_long_is_let_go_of(ends: str) -> None:
    """U-37 U-124: after its time, however lively it is, or when the daemon stops; the provider is hung up on."""
    async with leaving(stream=True) as left:
        clock, stream = left.at.clock, await begun(left)
        leftovers = Leftovers(clock, left.drain, left.shown.append, longest_s=5)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(leftovers.stream(stream))
            await clock.waits_until(clock.monotonic() + 5)
            assert leftovers.count == 1
            if ends == "time":
                clock.advance(5)
            else:
                left.drain.stop()
        assert (left.at.exchange.outcome, left.shown) == (Outcome.CANCELLED, [1, 0])


async def test_nothing_is_begun_once_the_daemon_stops() -> None:
    """U-124: those who leave then are let go of."""
    async with leaving(stream=True) as left:
        stream = await begun(left)
        left.drain.stop()
        leftovers = Leftovers(left.at.clock, left.drain, left.shown.append)
        assert not leftovers.room
        await leftovers.stream(stream)
        assert left.at.exchange.outcome is Outcome.CANCELLED
