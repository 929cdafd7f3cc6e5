"""Real connections, as aiohttp keeps them, are told apart by what their callers are at; the slow ones are closed.

The clock stands still but for the test, so that nobody is slow by chance.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from gateway.adapters.departures import Departures
from gateway.domain.load import Capacity, Cut, Doing, Look, Patience, Shed
from gateway.runtime.connections import SPARE, Connections
from gateway.web.connections import SlowBodyError, Watched, WatchedRunner, is_spare
from tests.fakes.clock import HandClock

HEAD = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n"
PATIENCE = Patience(read_header_s=10.0, read_body_s=20.0, write_s=30.0, idle_s=40.0)
LONGEST_S = 20.0
MANY = 500


@dataclass
class Meters:
    """Keeps what was counted."""

    cuts: list[Cut] = field(default_factory=list)

    def shed(self, why: Shed) -> None:
        raise AssertionError(why)

    def cut(self, why: Cut) -> None:
        self.cuts.append(why)


@dataclass
class Scene:
    """A server and its clock; `left` once a handler was cancelled, `release` ends the answers of `/slow`."""

    port: int
    clock: HandClock
    there: Connections
    meters: Meters
    left: asyncio.Event
    release: asyncio.Event
    stack: AsyncExitStack

    async def caller(self, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and say something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.stack.callback(writer.close)
        writer.write(said)
        return reader, writer

    @property
    def doings(self) -> list[Doing]:
        return [connection.look().doing for connection in self.there._open]

    async def doing(self, *doings: Doing) -> None:
        """Return once the connections, in their order, are at these."""
        await eventually(lambda: self.doings == list(doings))

    def look(self) -> None:
        self.there.look_at(tuple(self.there._open))

    def pass_time(self, seconds: float) -> None:
        """Look, let time pass, and look again."""
        self.look()
        self.clock.advance(seconds)
        self.look()


async def eventually(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONGEST_S):
        while not look():  # noqa: ASYNC110 - what is waited for is a socket
            await asyncio.sleep(0)


@asynccontextmanager
async def served(most: int = 1_000, *, counted: bool = True) -> AsyncIterator[Scene]:
    clock, meters = HandClock(), Meters()
    there = Connections(clock, meters, lambda: Capacity(connections=most), lambda: PATIENCE)
    left, release = asyncio.Event(), asyncio.Event()

    async def echo(http: web.Request) -> web.StreamResponse:
        try:
            return web.Response(body=await http.read())
        except SlowBodyError:
            return web.Response(status=408)

    async def slow(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(text="at last")

    async def endless(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(http)
        try:
            while True:
                await response.write(b"word " * 10_000)
        except asyncio.CancelledError:
            left.set()
            raise

    async def spare(http: web.Request) -> web.StreamResponse:
        return web.Response(text=str(is_spare(http)))

    app = web.Application()
    handlers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
        "/slow": slow,
        "/endless": endless,
        "/spare": spare,
    }
    app.router.add_post("/echo", echo)
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    departures = Departures(asyncio.get_running_loop(), lambda: False)
    runner = WatchedRunner(app, there, departures, counted=counted, shutdown_timeout=0.1)
    await runner.setup()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        callers = await stack.enter_async_context(AsyncExitStack())
        yield Scene(port, clock, there, meters, left, release, callers)
    assert len(there) == 0, "each connection that was closed is forgotten"


def get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: here\r\n\r\n" % path.encode()


async def test_connections_are_told_apart_by_what_their_callers_are_at() -> None:
    """A head that has begun, or has not although it is the first; a body; an answer; and nothing at all."""
    async with served() as at:
        await at.caller()
        await at.doing(Doing.HEADER)
        await at.caller(HEAD[:20])
        await at.doing(Doing.HEADER, Doing.HEADER)
        await at.caller(HEAD + b"12345")
        await at.doing(Doing.HEADER, Doing.HEADER, Doing.BODY)
        await at.caller(get("/slow"))
        await at.doing(Doing.HEADER, Doing.HEADER, Doing.BODY, Doing.ANSWER)
        reader, writer = await at.caller(HEAD + b"1234567890")
        await reader.readuntil(b"1234567890")
        await at.doing(Doing.HEADER, Doing.HEADER, Doing.BODY, Doing.ANSWER, Doing.IDLE)
        writer.write(HEAD[:20])
        await at.doing(Doing.HEADER, Doing.HEADER, Doing.BODY, Doing.ANSWER, Doing.HEADER)
        writer.write(HEAD[20:] + b"1234567890")
        await reader.readuntil(b"1234567890")
        await at.doing(Doing.HEADER, Doing.HEADER, Doing.BODY, Doing.ANSWER, Doing.IDLE)
        at.release.set()


async def test_a_head_whose_beginning_comes_with_the_connection_itself_has_begun() -> None:
    """Before aiohttp's own task for the connection has run at all, as under uvloop."""
    async with served() as at:
        await at.caller()
        await eventually(lambda: len(at.there) == 1)
        (connection,) = at.there._open
        assert isinstance(connection, Watched)
        connection._waiter, waits = None, connection._waiter
        connection.data_received(HEAD[:20])
        connection._waiter = waits
        await at.doing(Doing.HEADER)


@pytest.mark.parametrize("said", [b"", HEAD[:20]], ids=["nothing", "the beginning"])
async def test_a_head_that_does_not_come_closes_the_connection(said: bytes) -> None:
    """U-113: also where not a byte of it has come."""
    async with served() as at:
        reader, _ = await at.caller(said)
        await at.doing(Doing.HEADER)
        await eventually(lambda: next(iter(at.there._open)).look().received == len(said))
        at.pass_time(9.0)
        assert at.meters.cuts == []
        at.pass_time(1.0)
        assert await reader.read() == b""
        assert at.meters.cuts == [Cut.READ_HEADER]


async def test_a_body_that_does_not_come_is_told_so_and_the_connection_closed() -> None:
    """U-113: by 408; what is begun and goes on coming is left alone."""
    async with served() as at:
        reader, writer = await at.caller(HEAD)
        await at.doing(Doing.BODY)
        at.pass_time(19.0)
        writer.write(b"12345")
        await eventually(lambda: next(iter(at.there._open)).look().received == len(HEAD) + 5)
        at.look()
        assert at.meters.cuts == []
        at.pass_time(20.0)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        assert at.meters.cuts == [Cut.READ_BODY]


async def test_an_answer_that_nobody_reads_ends_its_handler() -> None:
    """U-41: what waits to be read is bounded, and who does not read is cut, as if he had left."""
    async with served() as at:
        await at.caller(get("/endless"))
        await eventually(lambda: any(connection.look().unsent for connection in at.there._open))
        looks: list[Look] = []

        def settled() -> bool:
            looks.append(next(iter(at.there._open)).look())
            return len(looks) > MANY and len(set(looks[-MANY:])) == 1

        await eventually(settled)
        assert looks[-1].unsent < 300_000
        at.pass_time(29.0)
        assert not at.left.is_set()
        at.pass_time(1.0)
        async with asyncio.timeout(LONGEST_S):
            await at.left.wait()
        assert at.meters.cuts == [Cut.WRITE]


async def test_an_answer_that_takes_its_time_is_waited_for() -> None:
    async with served() as at:
        reader, _ = await at.caller(get("/slow"))
        await at.doing(Doing.ANSWER)
        at.pass_time(10_000.0)
        at.release.set()
        assert b"200 OK" in await reader.readuntil(b"at last")
        await at.doing(Doing.IDLE)
        at.pass_time(39.0)
        assert at.meters.cuts == []
        at.pass_time(1.0)
        assert await reader.read() == b""
        assert at.meters.cuts == [Cut.IDLE]


async def test_beyond_the_most_connections_some_are_spare_and_the_rest_are_closed_at_once() -> None:
    """Over a spare one the handler knows it; what goes makes room."""
    async with served(most=1) as at:
        said = []
        for _ in range(1 + SPARE):
            reader, _ = await at.caller(get("/spare"))
            said.append((await reader.readuntil(b"\r\n\r\n") + await reader.read(4)).endswith(b"True"))
        assert said == [False] + [True] * SPARE
        reader, _ = await at.caller(get("/spare"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readuntil(b"\r\n\r\n")
        assert at.meters.cuts == [Cut.CONNECTIONS]


HEADS = {
    "a long header": (b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 9_000 + b"\r\n\r\n", 431),
    "a long path": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % at for at in range(200)) + b"\r\n", 431),
    "no HTTP": (b"hello there\r\n\r\n", 400),
}


@pytest.mark.parametrize(("head", "status"), HEADS.values(), ids=HEADS.keys())
async def test_a_head_that_cannot_be_taken_is_a_clean_4xx(
    head: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """U-113: in a shape that both clients read, without a word in our log, and the connection is closed."""
    async with served() as at:
        reader, _ = await at.caller(head)
        answer = await reader.read()
    assert int(answer.split()[1]) == status
    assert b'{"type":"error","error":{"type":"invalid_request_error","message":"' in answer
    assert caplog.text == ""
