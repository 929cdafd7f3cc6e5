"""The limits of an attempt, over real sockets, on a clock that the test moves: each ends it at its moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.adapters.transport import HttpTransport
from gateway.domain.attempt import Attempt
from gateway.domain.words import Failure
from gateway.runtime.attempts import Attempts
from gateway.runtime.exchange import Active, Arrived, Exchange, begin
from gateway.runtime.executor import Executor, Exhausted
from gateway.runtime.gates import GateBoard
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Target
from gateway.runtime.retries import Retries
from gateway.runtime.running import Boards
from gateway.runtime.spend import SpendBook
from gateway.runtime.streamer import Stream
from gateway.runtime.usual import UsualTimes
from gateway.runtime.whole import Answered
from gateway.wiring.surfaces import OPENAI, SPOKEN
from tests.adapters.upstream import Script, Upstream, full_backlog, serving
from tests.fakes.clock import HandClock
from tests.fakes.values import snapshot_of

LIMITS = "timeout: {connect: 2s, headers: 3s, first_content: 5s, idle: 7s, total: 20s}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ROLE = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
WORD = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
TICK_S = 0.001


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def saying(*pieces: bytes) -> Script:
    """Read a request, send some bytes, and then nothing more."""

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        for piece in pieces:
            writer.write(piece)
        await reader.read()  # until the gateway hangs up
        upstream.hung_up.set()

    return script


@dataclass
class Scene:
    """A request that is run, and the clock that it is run by."""

    clock: HandClock
    exchange: Exchange
    run: "asyncio.Task[Answered | Stream | Exhausted]"

    async def ends_after(self, limit_s: float) -> None:
        """See that the wait that is under way ends at its moment, and not before."""
        await self.clock.waits_until(self.clock.monotonic() + limit_s)
        self.clock.advance(limit_s - TICK_S)
        assert not self.run.cancelling()
        self.clock.advance(TICK_S)
        assert self.run.cancelling()

    @property
    def failures(self) -> list[Failure | None]:
        return [event.failure for event in self.exchange.history if isinstance(event, Attempt)]


@asynccontextmanager
async def scene(port: int, *, stream: bool, deadline: str = "600s", says: str = "") -> AsyncIterator[Scene]:
    """Run a request for a route of one step, by a rule that may say something more."""
    clock = HandClock()
    snapshot = snapshot_of(f"rules: [{{name: all, deadline: {deadline}, route: [{{model: small, {LIMITS}}}]{says}}}]")
    active = Active(snapshot, {"local": Target(f"http://127.0.0.1:{port}/v1", None)}, clock.now())
    body = b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"stream":%s}' % str(stream).lower().encode()
    request = OPENAI.read_request(body, {})
    started_s = clock.monotonic()
    exchange = begin(Arrived("0192f0c4-7000", clock.now(), started_s, active), started_s, request, OPENAI)  # type: ignore[arg-type]  # it is a request: the body is whole
    assert isinstance(exchange, Exchange)
    transport = HttpTransport(clock=clock)
    boards, gates = Boards(HealthBoard(clock), UsualTimes()), GateBoard(clock)
    attempts = Attempts(transport, clock, SPOKEN, boards, SpendBook(clock), gates)
    executor = Executor(clock, attempts, boards, Retries(clock, lambda _: None), gates)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(transport.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        run = tasks.create_task(executor.run(exchange))
        stack.callback(run.cancel)
        yield Scene(clock, exchange, run)
        assert clock.pending == 0, "no alarm outlives its attempt"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_connection_that_is_not_made_is_given_up_after_its_limit(*, stream: bool) -> None:
    """U-23: connect, the same for both."""
    with full_backlog() as port:
        async with scene(port, stream=stream) as at:
            await at.ends_after(2)
            assert isinstance(await at.run, Exhausted)
            assert at.failures == [Failure.CONNECT]


@pytest.mark.parametrize(
    ("script", "stream", "deadline", "limit_s"),
    [
        (saying(), True, "600s", 3),
        (saying(HEAD), True, "600s", 5),
        (saying(HEAD, chunk(ROLE)), True, "600s", 5),
        (saying(HEAD, chunk(b": still here\n\n")), True, "600s", 5),
        (saying(), True, "1s", 1),
        (saying(HEAD, chunk(ROLE)), True, "4s", 4),
        (saying(), False, "600s", 20),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), False, "600s", 20),
        (saying(), False, "9s", 9),
    ],
    ids=[
        *("headers", "first content, after the head", "after the role", "after a comment"),
        *("deadline before headers", "deadline before first content"),
        *("total", "total in the middle of the body", "deadline before total"),
    ],
)
async def test_before_content_an_attempt_ends_at_the_limit_of_what_it_waits_for(
    script: Script, deadline: str, limit_s: float, *, stream: bool
) -> None:
    """U-04 U-22 U-23 U-24: at that moment, not when the provider finally speaks; its connection is closed then."""
    async with serving(script) as upstream, scene(upstream.port, stream=stream, deadline=deadline) as at:
        await at.ends_after(limit_s)
        assert isinstance(await at.run, Exhausted)
        assert at.failures == [Failure.TIMEOUT]
        await upstream.hung_up.wait()


class Dictated:
    """A provider that sends a piece when it is told to."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        while True:
            writer.write(await self.pieces.get())
            await writer.drain()

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)


async def test_a_stream_that_falls_silent_is_ended_after_its_limit_counted_from_the_last_piece() -> None:
    """U-06 U-23: with an error event, for content has been relayed; then nobody waits for it any more."""
    provider = Dictated()
    async with serving(provider.script) as upstream, scene(upstream.port, stream=True) as at:
        provider.say(HEAD, chunk(WORD))
        stream = await at.run
        assert isinstance(stream, Stream)
        assert b"word" in await stream.next()
        at.clock.advance(6)
        provider.say(chunk(b": still here\n\n"))
        assert b"still here" in await stream.next()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(stream.next())
            at.run = waiting  # type: ignore[assignment]  # whoever waits now
            await at.ends_after(7)
        assert b"error" in waiting.result()
        assert at.failures == [Failure.TIMEOUT]


async def test_a_stream_that_goes_on_for_ever_is_ended_at_its_total() -> None:
    """U-23: however lively it is."""
    provider = Dictated()
    async with serving(provider.script) as upstream, scene(upstream.port, stream=True) as at:
        provider.say(HEAD, chunk(WORD))
        stream = await at.run
        assert isinstance(stream, Stream)
        await stream.next()
        for _ in range(3):
            at.clock.advance(6)
            provider.say(chunk(WORD))
            assert b"word" in await stream.next()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(stream.next())
            at.run = waiting  # type: ignore[assignment]  # whoever waits now
            await at.ends_after(20 - 3 * 6)
        assert b"error" in waiting.result()
        assert at.failures == [Failure.TIMEOUT]


async def test_an_answer_in_time_leaves_no_alarm_behind() -> None:
    answer = b'{"model":"m","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{}}'
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
    async with serving(saying(reply)) as upstream, scene(upstream.port, stream=False) as at:
        assert isinstance(await at.run, Answered)
        assert at.clock.pending == 0
