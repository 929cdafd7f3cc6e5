"""Good answers as they are on the wire, whole and piece by piece, to clients of both versions of HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.web.answers import answered, streamed

HEADERS = {"Content-Type": "text/plain", "x-rulegate-rule": "ad-copy", "x-rulegate-category": "zürich"}


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    """Serve a handler; gives the port."""
    runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type] # a request of an application is one
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def said(port: int, version: str, *more: str) -> bytes:
    """Ask once, and read to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (f"GET / HTTP/{version}", "Host: here", *more, "", "")
    writer.write("\r\n".join(lines).encode())
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def in_pieces(http: web.Request, pieces: Sequence[bytes], last: bytes) -> web.StreamResponse:
    response = streamed(http, HEADERS)
    await response.prepare(http)
    for piece in pieces:
        await response.write(piece)
    await response.write_eof(last)
    await response.write_eof(b"again")
    return response


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=70), max_size=6), st.binary(max_size=70))
def test_pieces_join_to_what_was_written(pieces: list[bytes], last: bytes) -> None:
    """U-35: empty ones end nothing, and a second end is none."""

    async def go() -> None:
        async with serving(lambda http: in_pieces(http, pieces, last)) as port, ClientSession() as http:
            for _ in range(2):  # over one connection
                async with http.get(f"http://127.0.0.1:{port}/") as response:
                    assert await response.read() == b"".join(pieces) + last
                    assert {name: response.headers[name] for name in HEADERS} == HEADERS
            whole = await said(port, "1.0")
            assert whole.partition(b"\r\n\r\n")[2] == b"".join(pieces) + last

    asyncio.run(go())


@pytest.mark.parametrize("size", [1, 1_000, 5_000_000])
async def test_a_whole_answer_says_its_length_and_comes_whole(size: int) -> None:
    """Also one that its reader takes in slowly."""

    async def handler(http: web.BaseRequest) -> web.StreamResponse:
        return answered(http, b"x" * size, HEADERS)

    async with serving(handler) as port, ClientSession() as http:
        for _ in range(2):
            async with http.get(f"http://127.0.0.1:{port}/") as response:
                assert (response.status, response.headers["Content-Length"]) == (200, str(size))
                assert {name: response.headers[name] for name in HEADERS} == HEADERS
                assert {"Date", "Server"} <= set(response.headers)
                assert len(await response.read()) == size
        for version, more in (("1.1", "Connection: close"), ("1.0", "X: y")):
            head, _, body = (await said(port, version, more)).partition(b"\r\n\r\n")
            assert len(body) == size
            assert (b"connection: close" in head.lower()) is (version == "1.1")


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_value_with_a_line_end_is_no_header(value: str, *, stream: bool) -> None:
    """Nobody who names a parameter writes headers of the answer."""

    async def handler(http: web.BaseRequest) -> web.StreamResponse:
        response = streamed(http, {"x": value}) if stream else answered(http, b"x", {"x": value})
        with pytest.raises(ValueError, match="line end"):
            await response.prepare(http)
        return web.Response(status=204)

    async with serving(handler) as port:
        assert (await said(port, "1.1", "Connection: close")).startswith(b"HTTP/1.1 204 ")
