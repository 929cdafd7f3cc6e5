"""Replies of HTTP/1.1, right and wrong, in any portions: content, or one of the two errors, and never a wait for more
after the connection has ended."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from gateway.adapters.http1 import LONGEST_HEAD_BYTES, ClosedError, Connection, ProtocolError, fields_of
from tests.adapters.upstream import chunked, whole
from tests.dialects.portions import portions
from tests.fuzz.odd import spoiled
from tests.fuzz.running import Fuzz

HEADS = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * LONGEST_HEAD_BYTES,
]
REPLIES = [
    *HEADS,
    whole(b'{"a": 1}', b"Content-Type: application/json", b"Retry-After: 7"),
    whole(b"", status=b"503 Busy"),
    chunked(b"data: x\n\n", b"y" * 300),
    chunked(b"data: x\n\n", end=False),
    b"1" * 2000,
    b"5;ext=1\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n",
]

LONG_BYTES = 2000
"""What is longer comes in larger portions: thousands of them prove no more."""


class Wire(NamedTuple):
    """What the peer sends, and the lengths of the portions in which it comes."""

    data: bytes
    lengths: list[int]


class Deaf(asyncio.Transport):
    """A transport to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = self.paused = False

    def write(self, data: Any) -> None: ...  # noqa: ANN401 - as asyncio has it

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@st.composite
def wires(draw: st.DrawFn) -> Wire:
    """Give replies in a row, spoiled or not, in portions."""
    data = draw(spoiled(b"".join(draw(st.lists(st.sampled_from(REPLIES), min_size=1, max_size=3)))))
    lengths = draw(st.lists(st.sampled_from([1, 2, 7, 100, 70_000]), min_size=1, max_size=4))
    return Wire(data, [length * (1 + len(data) // LONG_BYTES) for length in lengths])


def at_once(coroutine: Coroutine[Any, Any, bytes | None]) -> bytes | None:
    """Give what a coroutine comes to that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # what it returned
    raise AssertionError("it waits, and nothing will come")


def received(parts: Sequence[bytes]) -> tuple[int, bytes, bytes, str]:
    """Give the status, the head, the content and the kind of the end of a reply that came in these parts."""
    connection, transport = Connection(), Deaf()
    connection.connection_made(transport)
    connection.send(b"POST / HTTP/1.1\r\n\r\n")
    for part in parts:
        if transport.closed:
            break
        connection.data_received(part)
    connection.connection_lost(None)
    content, end = b"", "whole"
    try:
        at_once(connection.reply())
        while piece := at_once(connection.chunk()):
            content += piece
    except (ClosedError, ProtocolError) as error:
        end = type(error).__name__
    assert not connection.reusable
    fields_of(connection.head)
    return connection.status, connection.head, content, end


def test_any_bytes_are_a_reply_or_an_error(fuzz: Fuzz) -> None:
    """U-40: and however they are cut, they are the same reply."""

    def check(wire: Wire) -> None:
        status, head, content, end = received(list(portions(wire.data, wire.lengths)))
        assert len(head) <= LONGEST_HEAD_BYTES + max(wire.lengths)
        assert len(content) <= len(wire.data)
        if end == "whole":
            assert (status, head, content, end) == received([wire.data])

    fuzz.run(check, wires())
