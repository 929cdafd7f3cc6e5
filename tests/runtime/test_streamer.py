"""Signs of life of a stream, over real sockets, on a clock that the test moves."""

import asyncio

from gateway.domain.words import Failure
from gateway.runtime.streamer import Stream
from tests.adapters.upstream import serving
from tests.runtime.test_executor import HEAD, WORD, Dictated, Scene, chunk, scene

SIGN = b": keepalive\n\n"
EVERY_2_S = ", keepalive: 2s"


async def begun(at: Scene, provider: Dictated) -> Stream:
    """Give the stream once its first word has been given."""
    provider.say(HEAD, chunk(WORD))
    stream = await at.run
    assert isinstance(stream, Stream)
    assert b"word" in await stream.next()
    return stream


async def after(at: Scene, stream: Stream, seconds: float) -> bytes:
    """Give what the stream gives once so much time has passed, and see that it gives nothing sooner."""
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(stream.next())
        at.run = waiting  # type: ignore[assignment]  # whoever waits now
        await at.ends_after(seconds)
    return waiting.result()


async def test_a_sign_of_life_comes_after_each_silence_and_does_not_put_off_the_limit() -> None:
    """U-39 U-23: the idle limit is for words of the provider's, and counts from the last."""
    provider = Dictated()
    async with serving(provider.script) as upstream, scene(upstream.port, stream=True, says=EVERY_2_S) as at:
        stream = await begun(at, provider)
        for _ in range(3):
            assert await after(at, stream, 2) == SIGN
        assert b"error" in await after(at, stream, 1)
        assert at.failures == [Failure.TIMEOUT]


async def test_a_word_after_a_sign_begins_the_silence_anew() -> None:
    """U-39: a comment of the provider's that is passed on is as good as a sign of ours."""
    provider = Dictated()
    async with serving(provider.script) as upstream, scene(upstream.port, stream=True, says=EVERY_2_S) as at:
        stream = await begun(at, provider)
        assert await after(at, stream, 2) == SIGN
        at.clock.advance(1)
        provider.say(chunk(b": still here\n\n"))
        assert b"still here" in await stream.next()
        for _ in range(3):
            assert await after(at, stream, 2) == SIGN
        assert b"error" in await after(at, stream, 1)


async def test_a_sign_never_stands_within_an_event() -> None:
    """U-39: what has come of an event waits for the rest of it."""
    provider = Dictated()
    async with serving(provider.script) as upstream, scene(upstream.port, stream=True, says=EVERY_2_S) as at:
        stream = await begun(at, provider)
        provider.say(chunk(WORD[:30]))
        assert await after(at, stream, 2) == SIGN
        provider.say(chunk(WORD[30:]))
        assert await stream.next() == WORD
        stream.close()


async def test_signs_cost_an_alarm_each_silence_and_pieces_cost_none() -> None:
    """However many pieces come, the alarm is set anew when it has rung, and not for each."""
    provider = Dictated()
    async with serving(provider.script) as upstream, scene(upstream.port, stream=True, says=EVERY_2_S) as at:
        stream = await begun(at, provider)
        provider.say(chunk(WORD))
        await stream.next()
        rings = at.clock.rings
        for _ in range(50):
            provider.say(chunk(WORD))
            assert await stream.next() == WORD
        assert at.clock.rings == rings
        stream.close()
