"""Requests of one connection take turns, over real sockets, in whatever order and shape their bytes come."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.departures import Departures
from gateway.domain.load import Capacity
from gateway.runtime.connections import Connections
from gateway.runtime.drain import CutShortError, Drain
from gateway.web.answers import answered, streamed
from gateway.web.connections import WatchedRunner
from gateway.web.turns import Turns
from tests.fakes.clock import HandClock
from tests.web.test_connections import PATIENCE, Meters, eventually

LARGE = 300_000
"""More bytes than are read ahead of a handler."""


@dataclass
class Line:
    """One connection from the caller's side, with the server's drain and what its handlers saw."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    drain: Drain
    clock: HandClock
    tasks: list[object] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, method: str, path: str, body: bytes = b"", *more: str, version: str = "1.1") -> None:
        """Send a request."""
        lines = (f"{method} {path} HTTP/{version}", "Host: here", f"Content-Length: {len(body)}", *more, "", "")
        self.writer.write("\r\n".join(lines).encode() + body)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read an answer."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(fields.get("content-length", "0")))
            return int(first.split()[1]), fields, body

    async def is_closed(self) -> bool:
        async with asyncio.timeout(20):
            return await self.reader.read() == b""


class Bent(web.Response):
    """An answer that cannot be asked whether its connection is kept, which is asked once it is out."""

    @property
    def keep_alive(self) -> bool | None:
        raise ZeroDivisionError


async def ready(http: web.BaseRequest) -> web.StreamResponse:
    response = answered(http, b"ready " + await http.read(), {"Content-Type": "text/plain"})
    await response.prepare(http)
    return response


async def large(http: web.BaseRequest) -> web.StreamResponse:
    return answered(http, await http.read() + b"x" * LARGE, {"Content-Type": "text/plain"})


async def pieces_of(http: web.BaseRequest) -> web.StreamResponse:
    response = streamed(http, {"Content-Type": "text/plain"})
    await response.prepare(http)
    for piece in (b"a", b"x" * LARGE, b"b"):
        await response.write(piece)
    await response.write_eof(b"c")
    return response


async def ends(http: web.BaseRequest) -> web.StreamResponse:
    response = await ready(http)
    cast("Turns", http.protocol).force_close()
    return response


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    """Connect to a server with handlers that are direct, and others."""
    clock, drain = HandClock(), Drain()
    there = Connections(clock, Meters(), Capacity, lambda: PATIENCE)
    found: Line

    async def echo(http: web.BaseRequest) -> web.StreamResponse:
        found.tasks.append(asyncio.current_task())
        return web.Response(body=b"direct " + await http.read())

    async def deaf(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=413)

    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        try:
            with drain.stay():
                await found.release.wait()
        except CutShortError:
            return web.Response(status=503)
        except asyncio.CancelledError:
            found.said.append("cancelled")
            raise
        return web.Response(body=b"at last")

    async def late(_: web.BaseRequest) -> web.StreamResponse:
        deadline = clock.deadline()
        try:
            with deadline.until(clock.monotonic() + 5):
                await asyncio.Event().wait()
        except TimeoutError:
            return web.Response(status=504)
        finally:
            deadline.close()
        return web.Response(status=500)

    async def broken(_: web.BaseRequest) -> web.StreamResponse:
        raise ZeroDivisionError

    async def bent(_: web.BaseRequest) -> web.StreamResponse:
        return Bent()

    async def routed(http: web.Request) -> web.StreamResponse:
        return web.Response(body=f"{http.method} {http.path_qs} ".encode() + await http.read())

    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", routed)
    direct = {"/echo": echo, "/deaf": deaf, "/slow": slow, "/late": late, "/broken": broken, "/bent": bent}
    direct |= {"/ready": ready, "/large": large, "/ends": ends, "/pieces": pieces_of}
    runner = WatchedRunner(
        app, there, Departures(asyncio.get_running_loop(), lambda: False), direct, counted=True, shutdown_timeout=20
    )
    await runner.setup()
    async with AsyncExitStack() as stack:
        callers = stack.enter_context(ExitStack())
        stack.push_async_callback(runner.cleanup)  # while the caller is still there
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        callers.callback(writer.close)
        found = Line(reader, writer, drain, clock)
        yield found


async def test_requests_of_a_connection_are_answered_by_one_task() -> None:
    async with line() as caller:
        for word in (b"one", b"two", b"three"):
            caller.ask("POST", "/echo", word)
            status, _, body = await caller.answer()
            assert (status, body) == (200, b"direct " + word)
        assert len(caller.tasks) == 3
        assert len(set(map(id, caller.tasks))) == 1


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/echo", ()),
        ("PUT", "/echo", ()),
        ("POST", "/echo?surface=chat", ()),
        ("POST", "/echo/", ()),
        ("POST", "/other", ()),
        ("POST", "http://here/echo", ()),
    ],
)
async def test_what_is_not_plainly_for_a_direct_handler_goes_to_the_application(
    method: str, path: str, more: tuple[str, ...]
) -> None:
    async with line() as caller:
        caller.ask(method, path, b"word", *more)
        status, _, body = await caller.answer()
        assert (status, body.startswith(f"{method} /".encode()), body.endswith(b" word")) == (200, True, True)


async def test_who_waits_to_be_told_to_go_on_is_told_so() -> None:
    """RFC 9110, section 10.1.1."""
    async with line() as caller:
        head = b"POST /echo HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        caller.writer.write(head)
        async with asyncio.timeout(20):
            assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.writer.write(b"word")
        assert (await caller.answer())[0] == 200


pieces = st.lists(st.integers(1, 60), max_size=20)
PATHS = ["/echo", "/routed", "/ready", "/large"]
asked = st.lists(st.tuples(st.sampled_from(PATHS), st.binary(max_size=40)), min_size=1, max_size=6)


def _expected(path: str, body: bytes) -> bytes:
    begun = {"/echo": b"direct " + body, "/ready": b"ready " + body, "/large": body + b"x" * LARGE}
    return begun.get(path, b"POST /routed " + body)


@settings(max_examples=30)
@given(asked, pieces)
def test_requests_that_come_at_once_and_in_any_pieces_are_answered_in_their_order(
    requests: list[tuple[str, bytes]], cuts: list[int]
) -> None:
    async def go() -> None:
        async with line() as caller:
            data = b"".join(
                b"POST %s HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body)
                for path, body in requests
            )
            places = [0, *sorted({min(sum(cuts[: place + 1]), len(data)) for place in range(len(cuts))}), len(data)]
            for start, end in pairwise(places):
                caller.writer.write(data[start:end])
                await asyncio.sleep(0)
            for path, body in requests:
                assert (await caller.answer())[::2] == (200, _expected(path, body))

    asyncio.run(go())


async def test_a_body_that_nobody_reads_is_let_pass() -> None:
    """Its sender reads the answer, and may ask again."""
    async with line() as caller:
        caller.ask("POST", "/deaf", b"x" * LARGE)
        caller.ask("POST", "/echo", b"again")
        assert (await caller.answer())[0] == 413
        assert (await caller.answer())[::2] == (200, b"direct again")


@pytest.mark.parametrize("path", ["/echo", "/ready", "/large"])
@pytest.mark.parametrize(("version", "more"), [("1.1", ("Connection: close",)), ("1.0", ())])
async def test_a_connection_that_is_not_to_be_kept_is_closed(version: str, more: tuple[str, ...], path: str) -> None:
    async with line() as caller:
        caller.ask("POST", path, b"once", *more, version=version)
        assert (await caller.answer())[::2] == (200, _expected(path, b"once"))
        assert await caller.is_closed()


async def test_no_piece_overtakes_another_however_large_it_is() -> None:
    """What is large is written at once, and waited for; what is small leaves with others."""
    async with line() as caller:
        caller.ask("POST", "/pieces")
        async with asyncio.timeout(20):
            await caller.reader.readuntil(b"\r\n\r\n")
            told = await caller.reader.readexactly(len(whole := _chunked(b"a", b"x" * LARGE, b"b", b"c", b"")))
        assert told == whole


def _chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


async def test_a_connection_is_closed_behind_the_answer_that_was_given() -> None:
    """The answer leaves with others at the end of the turn, and its connection is closed before that."""
    async with line() as caller:
        caller.ask("POST", "/ends", b"once")
        assert (await caller.answer())[::2] == (200, b"ready once")
        assert await caller.is_closed()


async def test_a_caller_who_leaves_cancels_the_handler() -> None:
    """U-38."""
    async with line() as caller:
        caller.ask("POST", "/slow")
        caller.ask("POST", "/echo", b"of nobody")
        await caller.writer.drain()
        caller.writer.transport.abort()
        await eventually(lambda: caller.said == ["cancelled"])
        assert caller.tasks == []


async def test_a_request_that_was_cut_short_or_too_late_leaves_nothing_to_the_next() -> None:
    """They share a task: a cancellation that has been told must not be felt again."""
    async with line() as caller:
        for _ in range(2):
            caller.ask("POST", "/slow")
            await eventually(lambda: bool(caller.drain._stays))
            for stay in tuple(caller.drain._stays):
                stay.cut_short()
            assert (await caller.answer())[0] == 503
            caller.ask("POST", "/late")
            await eventually(lambda: caller.clock.pending == 1)
            caller.clock.advance(5)
            assert (await caller.answer())[0] == 504
        caller.release.set()
        caller.ask("POST", "/slow")
        assert (await caller.answer())[::2] == (200, b"at last")


async def test_a_bug_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with line() as caller:
        with caplog.at_level(logging.ERROR):
            caller.ask("POST", "/broken")
            assert (await caller.answer())[0] == 500
        assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_a_connection_that_meets_a_bug_of_its_own_is_closed() -> None:
    """No caller waits for an answer that nobody is there to give."""
    async with line() as caller:
        caller.ask("POST", "/bent")
        assert (await caller.answer())[0] == 200
        assert await caller.is_closed()


async def test_a_request_that_is_under_way_is_waited_for_at_the_end() -> None:
    """U-95: the server's own wait, behind that of the drain."""
    async with line() as caller:
        caller.ask("POST", "/slow")
        await eventually(lambda: bool(caller.drain._stays))
        asyncio.get_running_loop().call_later(0.05, caller.release.set)
    assert (await caller.answer())[::2] == (200, b"at last")
