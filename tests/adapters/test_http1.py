"""One HTTP/1.1 connection of the gateway's own, against bytes in every cut and a peer that misbehaves."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.http1 import UNTIL_CLOSE, Body, ClosedError, Connection, ProtocolError, field_of, fields_of

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunked(pieces: list[bytes], *, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    framed = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces if piece)
    return framed + b"0\r\n" + trailer + b"\r\n"


def fed(body: Body, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """Feed a body in cuts; give its content and what came past its end."""
    content, rest, start = b"", b"", 0
    for end in [*sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]:
        piece, start = data[start:end], end
        if body.done:
            rest += piece
            continue
        more, past = body.feed(piece)
        content, rest = content + more, rest + past
    return content, rest


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.sampled_from((b"", b";a=b")),
    st.lists(st.integers(min_value=0), max_size=12),
    st.binary(max_size=5),
)
def test_chunks_give_the_same_content_however_they_are_cut(
    pieces: list[bytes], extension: bytes, cuts: list[int], after: bytes
) -> None:
    body = Body(chunked=True, length=0)
    content, rest = fed(body, chunked(pieces, extension=extension, trailer=b"x-t: 1\r\n") + after, cuts)
    assert (content, rest, body.done) == (b"".join(pieces), after, True)


@given(st.binary(max_size=60), st.lists(st.integers(min_value=0), max_size=8), st.binary(max_size=5))
def test_a_length_gives_the_same_content_however_it_is_cut(data: bytes, cuts: list[int], after: bytes) -> None:
    body = Body(chunked=False, length=len(data))
    assert fed(body, data + after, cuts) == (data, after)
    assert body.done


@given(st.binary(max_size=200), st.lists(st.integers(min_value=0), max_size=6))
def test_any_bytes_are_chunks_or_a_protocol_error(data: bytes, cuts: list[int]) -> None:
    body = Body(chunked=True, length=0)
    try:
        content, rest = fed(body, data, cuts)
    except ProtocolError:
        return
    assert len(content) + len(rest) <= len(data)


@pytest.mark.parametrize("data", [b"x\r\n", b"-1\r\n", b"5 5\r\nhello\r\n", b"2\r\nabc\r\n", b"1" * 2000])
def test_a_chunk_without_a_right_size_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Body(chunked=True, length=0).feed(data)


def test_a_body_until_close_ends_with_the_connection() -> None:
    body = Body(chunked=False, length=UNTIL_CLOSE)
    assert body.feed(b"abc") == (b"abc", b"")
    assert not body.done
    assert body.end()


def test_the_end_of_the_connection_does_not_finish_a_body_with_a_length() -> None:
    assert not Body(chunked=False, length=3).end()
    assert not Body(chunked=True, length=0).end()


def test_header_fields_have_lower_case_names_and_bare_values() -> None:
    assert fields_of(b"HTTP/1.1 200 OK\r\nRetry-After:  7 \r\nX-A:b:c\r\n") == {"retry-after": "7", "x-a": "b:c"}


@given(st.lists(st.sampled_from([b"A", b"a", b"b", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"\xc4"]), max_size=30))
def test_a_field_that_is_looked_for_is_the_one_that_is_read(parts: list[bytes]) -> None:
    """Whatever a head says: a name again, a colon in a value, a line that goes on, spaces before a colon."""
    head = b"HTTP/1.1 200 OK\r\n%s\r\n" % b"".join(parts)
    fields = fields_of(head)
    names = ("a", "b", "ab")
    assert [field_of(head, head.lower(), name) for name in names] == [fields.get(name, "") for name in names]


@asynccontextmanager
async def connected(peer: Peer) -> AsyncIterator[Connection]:
    """Connect to a peer that does what the test says with each connection."""
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    port = server.sockets[0].getsockname()[1]
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    try:
        yield connection
    finally:
        connection.abort()
        server.close()
        await server.wait_closed()


def answering(*replies: bytes, close: bool = False) -> Peer:
    """Answer each request (they end in `.`) with the next reply."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for reply in replies:
                await reader.readuntil(b".")
                writer.write(reply)
                await writer.drain()
            if not close:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return peer


async def whole(connection: Connection) -> tuple[int, bytes]:
    connection.send(b"request.")
    await connection.reply()
    content = b""
    while piece := await connection.chunk():
        content += piece
    return connection.status, content


async def test_replies_follow_each_other_on_one_connection() -> None:
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    second = b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n" + chunked([b"no", b"pe"])
    async with connected(answering(first, second)) as connection:
        assert await whole(connection) == (200, b"hello")
        assert connection.reusable
        assert await whole(connection) == (404, b"nope")
        assert connection.reusable


async def test_interim_replies_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    reply = interim + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with connected(answering(reply)) as connection:
        assert await whole(connection) == (200, b"ok")


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 smuggled",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
    ids=["close", "1.0", "bytes past the end", "a length beside chunks"],
)
async def test_a_connection_that_is_not_to_be_trusted_again_is_not_reused(reply: bytes) -> None:
    async with connected(answering(reply)) as connection:
        assert await whole(connection) == (200, b"ok")
        assert not connection.reusable


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async with connected(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)) as connection:
        assert await whole(connection) == (200, b"all of it")
        assert not connection.reusable


@pytest.mark.parametrize(
    ("reply", "began"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\ncontent-le", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", True),
    ],
    ids=["before a byte", "in the head", "in the body"],
)
async def test_an_end_too_early_says_whether_the_reply_had_begun(reply: bytes, *, began: bool) -> None:
    async with connected(answering(reply, close=True)) as connection:
        with pytest.raises(ClosedError) as caught:
            await whole(connection)
        assert caught.value.began is began


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk",
        b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;" + b"x" * 2_000 + b"\r\nok\r\n0\r\n\r\n",
    ],
    ids=[
        *("no HTTP", "HTTP/2", "two lengths", "signed length", "endless length", "endless head", "long head"),
        *("endless interim replies", "another protocol", "a coding", "endless trailer", "long extension"),
    ],
)
async def test_what_is_not_http_is_a_protocol_error(reply: bytes) -> None:
    async with connected(answering(reply)) as connection:
        with pytest.raises(ProtocolError):
            await whole(connection)
        assert not connection.open


async def test_a_slow_reader_stops_the_peer_and_loses_nothing() -> None:
    """Content beyond the bound waits in the peer, not in our memory."""
    size = 64_000_000
    drained = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b".")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // 1_000_000):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
        drained.set()
        writer.close()

    async with connected(peer) as connection:
        connection.send(b".")
        await connection.reply()
        total = len(await connection.chunk())
        assert not drained.is_set()
        while piece := await connection.chunk():
            total += len(piece)
        assert total == size


HEADS = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
)


class Line(asyncio.Transport):
    """What a connection takes for its transport where a test gives it the bytes."""

    def write(self, data: object) -> None:
        """Send into nowhere."""

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Be closed."""


def opened() -> Connection:
    connection = Connection()
    connection.connection_made(Line())
    connection.send(b"request.")
    return connection


@given(st.lists(st.integers(0, len(HEADS)), max_size=8))
def test_heads_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    """The interim ones are passed over, the last one counts, and what follows it is content."""

    async def read() -> tuple[int, bytes, bytes]:
        connection = opened()
        at = [0, *sorted(cuts), len(HEADS)]
        for start, end in pairwise(at):
            connection.data_received(HEADS[start:end])
        await connection.reply()
        return connection.status, connection.head, await connection.chunk() or b""

    status, head, content = asyncio.run(read())
    assert (status, head, content) == (200, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", b"hello")


async def test_a_byte_more_of_a_head_costs_no_copy_of_what_was_there() -> None:
    """A head that drips takes linear work: each byte allocates its own size, not the head's."""
    connection = opened()
    connection.data_received(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 40_000)
    connection.data_received(b"y")
    tracemalloc.start()
    try:
        for _ in range(1_000):
            connection.data_received(b"y")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000
