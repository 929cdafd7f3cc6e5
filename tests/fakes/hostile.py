"""Providers that break HTTP, one way each, as scripts for the raw server of tests/adapters/upstream.py."""

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable

from tests.adapters.upstream import Script, Upstream
from tests.fakes.dictated import FIRST

PACE_S = 0.02
"""Between two pieces of what comes slowly."""
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
FOLDED = b"Content-Encoding: gzip\r\n\r\n"
FILL = b"x" * 8000
Then = Callable[[asyncio.StreamWriter], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    """Give one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


WORD = chunk(FIRST["openai"])


def then(*pieces: bytes, end: Then | None = None) -> Script:
    """Read a request, say some bytes, and then do something; without that, say no more and hold the line."""

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(b"".join(pieces))
        if end is not None:
            await end(writer)
            return
        await reader.read()
        upstream.hung_up.set()

    return script


def endlessly(piece: bytes, pace_s: float = 0.0) -> Then:
    """Say something again and again."""

    async def end(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pace_s)

    return end


def slowly(data: bytes) -> Then:
    """Say something byte by byte."""

    async def end(writer: asyncio.StreamWriter) -> None:
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(PACE_S)

    return end


def later(data: bytes, end: Then | None = None) -> Then:
    """Say something once what was said before has arrived, and then do something; without that, hold the line."""

    async def said(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(PACE_S)
        writer.write(data)
        await (end(writer) if end is not None else asyncio.Event().wait())

    return said


async def close(_: asyncio.StreamWriter) -> None:
    """Close the connection."""


async def close_half(writer: asyncio.StreamWriter) -> None:
    """Say that nothing more will come, and go on listening."""
    writer.write_eof()
    await asyncio.Event().wait()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection, once what was said has arrived."""
    await writer.drain()
    await asyncio.sleep(PACE_S)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


def folded(status: bytes, body: bytes, kind: bytes = b"application/json") -> bytes:
    """Give a reply whose body is compressed."""
    packed = gzip.compress(body, 9)
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (status, kind, len(packed))
    return head + FOLDED + packed


BEFORE: dict[str, tuple[Script, str]] = {
    "a head that drips": (then(end=slowly(STREAM)), "timeout"),
    "a head without an end": (then(b"HTTP/1.1 200 OK\r\n", end=endlessly(b"x-a: %s\r\n" % FILL)), "malformed"),
    "a line of a head without an end": (then(b"HTTP/1.1 200 OK\r\nx-a: ", end=endlessly(FILL)), "malformed"),
    "a line of a head that is too long": (then(b"HTTP/1.1 200 OK\r\nx-a: " + FILL * 10 + b"\r\n\r\n"), "malformed"),
    "interim replies without an end": (then(end=endlessly(b"HTTP/1.1 100 Continue\r\n\r\n" * 400)), "malformed"),
    "interim replies that drip": (then(end=endlessly(b"HTTP/1.1 100 Continue\r\n\r\n", PACE_S)), "timeout"),
    "another protocol": (then(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), "malformed"),
    "a coding of transfer that nobody asked for": (then(STREAM.replace(b"chunked", b"gzip, chunked")), "malformed"),
    "two lengths": (then(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello"), "malformed"),
    "a chunk of absurd size": (then(STREAM, b"F" * 16 + b"\r\nx"), "malformed"),
    "a chunk of a size below zero": (then(STREAM, b"-5\r\nhello\r\n"), "malformed"),
    "an extension without an end": (then(STREAM, b"5;a=", end=endlessly(FILL)), "malformed"),
    "an extension that is too long": (then(STREAM, b"5;a=" + FILL + b"\r\nhello\r\n"), "malformed"),
    "an event without an end": (then(STREAM, chunk(b"data: "), end=endlessly(chunk(FILL * 32))), "malformed"),
    "comments without an end": (then(STREAM, end=endlessly(chunk(b": here\n\n" * 32_000))), "malformed"),
    "comments that drip": (then(STREAM, end=endlessly(chunk(b": here\n\n"), PACE_S)), "timeout"),
    "a compressed answer": (then(folded(b"200 OK", b'{"id": "c"}')), "malformed"),
    "a compressed stream": (then(folded(b"200 OK", FIRST["openai"], b"text/event-stream")), "malformed"),
    "a bomb": (then(folded(b"200 OK", b"\0" * 10_000_000)), "malformed"),
    "a bomb in an error": (then(folded(b"429 Too Many Requests", b"\0" * 10_000_000)), "rate_limited"),
    "an end before the head": (then(end=close), "connect"),
    "half an end before the head": (then(end=close_half), "connect"),
    "half an end within the head": (then(STREAM[:20], end=close_half), "connect"),
    "half an end before content": (then(STREAM, end=close_half), "truncated"),
    "a reset before content": (then(STREAM, end=reset), "truncated"),
    "a body shorter than its length": (
        then(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", end=close),
        "truncated",
    ),
    "JSON nested too deeply": (then(WHOLE, chunk(b"[" * 200_000), b"0\r\n\r\n"), "malformed"),
    "an event nested too deeply": (then(STREAM, chunk(b"data: %s\n\n" % (b"[" * 200_000)), b"0\r\n\r\n"), "malformed"),
}
"""What a provider does instead of an answer, whether a stream was asked for or not, and the failure that it is."""
WHILE_WHOLE: dict[str, tuple[Script, str]] = {
    "a trailer without an end": (then(WHOLE, b"0\r\n", end=endlessly(b"x-a: %s\r\n" % FILL[:900])), "malformed"),
    "a body that drips": (then(WHOLE, end=endlessly(chunk(b" "), PACE_S)), "timeout"),
    "a body without an end": (then(WHOLE, end=endlessly(chunk(b" " * 4_000_000))), "malformed"),
}
AFTER: dict[str, tuple[Script, str]] = {
    "an end": (then(STREAM, WORD, end=close), "truncated"),
    "half an end": (then(STREAM, WORD, end=close_half), "truncated"),
    "a reset": (then(STREAM, WORD, end=reset), "truncated"),
    "silence": (then(STREAM, WORD), "timeout"),
    "comments that drip": (then(STREAM, WORD, end=endlessly(chunk(b": here\n\n"), PACE_S)), "timeout"),
    "content without an end": (then(STREAM, WORD, end=endlessly(WORD, PACE_S)), "timeout"),
    "an event without an end": (then(STREAM, WORD, chunk(b"data: "), end=endlessly(chunk(FILL * 32))), "malformed"),
    "a chunk of absurd size": (then(STREAM, WORD, end=later(b"F" * 16 + b"\r\nx")), "malformed"),
    "an extension without an end": (then(STREAM, WORD, end=later(b"5;a=", endlessly(FILL))), "malformed"),
}
"""What it does after the first word of a stream."""
