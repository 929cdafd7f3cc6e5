"""One client connection of HTTP/1.1: a request out, a reply in, and again.

Only what a gateway needs of the protocol (RFC 9112): POST with a body, replies framed by length, by chunks or by the
end of the connection, interim replies, keep-alive. A general client spends most of its time on what is not needed here.
"""

import asyncio
import re
from collections import deque
from functools import lru_cache

from gateway.adapters.departures import Departures

LONGEST_HEAD_BYTES = 64 * 1024
"""What a head may have, together with the interim replies before it; a trailer as much again."""
LONGEST_CHUNK_LINE_BYTES = 1024
MOST_LENGTH_DIGITS = 15
"""A longer number is no length of anything, and Python refuses to read one of thousands of digits."""
PAUSE_ABOVE_BYTES = 512 * 1024
"""Body bytes that may wait for a slow reader before the connection is told to stop."""

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_VERSION = b"HTTP/1."
_END = b"\r\n\r\n"
_HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")
_SIZE_LINE_BYTES = 17
"""Bytes of the longest line that holds a size alone, with its end."""

UNTIL_CLOSE = -1
SWITCHING_PROTOCOLS = 101


class ProtocolError(Exception):
    """The peer does not speak HTTP/1.1."""


class ClosedError(Exception):
    """The connection ended too early; `began` says whether a part of the reply had come."""

    def __init__(self, *, began: bool) -> None:
        super().__init__("closed")
        self.began = began


class Body:
    """The framing of a reply body: bytes in, content out, however they are cut."""

    __slots__ = ("_buffer", "_chunked", "_left", "_trailed", "_trailer", "done")

    def __init__(self, *, chunked: bool, length: int) -> None:
        self._chunked = chunked
        self._left = 0 if chunked else length
        self._buffer = b""
        self._trailer = False
        self._trailed = 0
        self.done = not chunked and length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Give the content within `data`, and the bytes past the body's end. Raises ProtocolError."""
        if self._chunked:
            return self._feed_chunked(data)
        if self._left == UNTIL_CLOSE:
            return data, b""
        content, rest = data[: self._left], data[self._left :]
        self._left -= len(content)
        self.done = self._left == 0
        return content, rest

    def end(self) -> bool:
        """Say whether the end of the connection is the end of the body."""
        self.done = self.done or (not self._chunked and self._left == UNTIL_CLOSE)
        return self.done

    def _feed_chunked(self, data: bytes) -> tuple[bytes, bytes]:
        data = self._buffer + data if self._buffer else data
        self._buffer = b""
        parts: list[bytes] = []
        at = _whole_chunks(data, parts) if self._left == 0 and not self._trailer else 0
        while at < len(data):
            if self._left > 2:  # content, of which the last two bytes are the line end after the chunk
                piece = data[at : at + self._left - 2]
                parts.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            end = data.find(b"\r\n", at)
            if (len(data) if end < 0 else end) - at > LONGEST_CHUNK_LINE_BYTES:
                raise ProtocolError("a chunk without a size")
            if end < 0:
                self._buffer = data[at:]
                break
            line, at = data[at:end], end + 2
            if self._line(line):
                self.done = True
                return b"".join(parts), data[at:]
        return b"".join(parts), b""

    def _line(self, line: bytes) -> bool:
        """Take a line between the contents; True when it ends the body."""
        if self._left == 2:
            if line:
                raise ProtocolError("a chunk that is longer than its size")
            self._left = 0
            return False
        if self._trailer:
            self._trailed += len(line)
            if self._trailed > LONGEST_HEAD_BYTES:
                raise ProtocolError("a trailer without an end")
            return not line
        size = _HEX.match(line)
        if size is None or line[size.end() :].lstrip(b" \t")[:1] not in (b"", b";"):
            raise ProtocolError("a chunk without a size")
        length = int(size.group(), 16)
        self._trailer = length == 0
        self._left = length + 2 if length else 0
        return False


def _whole_chunks(data: bytes, parts: list[bytes]) -> int:
    """Take the chunks at the front that have come whole and say nothing but their size; give where they end."""
    at = 0
    while (line := data.find(b"\r\n", at, at + _SIZE_LINE_BYTES)) > at:
        size = _plain_size(data[at:line])
        start = line + 2
        end = start + size
        if not size or data[end : end + 2] != b"\r\n":
            break
        parts.append(data[start:end])
        at = end + 2
    return at


@lru_cache(maxsize=1024)
def _plain_size(line: bytes) -> int:
    """Give what a line says that holds the size of a chunk alone, 0 for any other; the chunks of streams are alike."""
    return int(line, 16) if _HEX.fullmatch(line) else 0


class Connection(asyncio.Protocol):
    """One connection, used for one request at a time.

    `reply` waits for the head of a reply; `chunk` for the content that comes next. `lower` is the head in lower case.
    When `reusable`, the reply was read to its end and another request may follow.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, departures: Departures | None = None) -> None:
        self._loop = loop
        self._departures = departures
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._partial = bytearray()
        self._interim_bytes = 0
        self._content: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._body: Body | None = None
        self._error: Exception | None = None
        self._keep = False
        self._paused = False
        self.status = 0
        self.head = self.lower = b""

    @property
    def over(self) -> bool:
        """Whether all content of the last reply has been given."""
        return self._body is not None and self._body.done and not self._content

    @property
    def open(self) -> bool:
        """Whether a request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """Whether the last reply was read to its end and the peer keeps the connection."""
        return self._keep and self.over and self.open

    def send(self, request: bytes) -> None:
        """Send a whole request, head and body; with `departures` beside those of other connections."""
        if self._transport is None:
            raise ClosedError(began=False)
        self._partial, self._interim_bytes, self.head, self.status, self._body = bytearray(), 0, b"", 0, None
        if self._departures is None:
            self._transport.write(request)
        else:
            self._departures.add(self._transport, request)

    async def reply(self) -> None:
        """Wait for the head of the reply. Raises ClosedError and ProtocolError."""
        while self._body is None:
            await self._wait()

    async def chunk(self) -> bytes:
        """Give all content that has come, or wait for it; empty at the end. Raises ClosedError and ProtocolError."""
        while not self._content:
            if self._body is not None and self._body.done:
                return b""
            await self._wait()
        content = self._content.popleft() if len(self._content) == 1 else b"".join(self._content)
        self._content.clear()
        self._waiting_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return content

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = (self._loop or asyncio.get_running_loop()).create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment] # a stream's transport; uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        try:
            if self._body is None:
                data = self._take_head(data)
            if data and self._body is not None:
                self._take_content(data)
        except ProtocolError as error:
            self._error = error
            self.abort()
        self._wake()

    def eof_received(self) -> bool:
        """Take the peer's end; close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._transport = None
        self._keep = False
        ended_well = exc is None and self._body is not None and self._body.end()
        if not ended_well and self._error is None:
            self._error = ClosedError(began=self._body is not None or bool(self._partial or self._interim_bytes))
        self._wake()

    def _take_head(self, data: bytes) -> bytes:
        """Collect the head, past interim replies; give the bytes after it. Each byte is looked at once or twice."""
        searched = max(0, len(self._partial) - len(_END) + 1)
        whole: bytes | bytearray = data
        if self._partial:
            self._partial += data
            whole = self._partial
        start = 0
        while True:
            if not whole.startswith(_VERSION[: len(whole) - start], start):
                raise ProtocolError("no status line")
            end = whole.find(_END, max(searched, start))
            size = (len(whole) if end < 0 else end) + self._interim_bytes
            if size > LONGEST_HEAD_BYTES:
                raise ProtocolError("a head without an end")
            if end < 0:
                self._interim_bytes += start
                self._partial = whole if isinstance(whole, bytearray) else bytearray(whole)
                del self._partial[:start]
                return b""
            self.head = bytes(whole[start : end + 2])
            start = end + len(_END)
            if self._is_final():
                break
        self._partial = bytearray()
        return bytes(whole[start:])

    def _is_final(self) -> bool:
        """Take in a head; say whether it is that of the reply, and not of an interim one."""
        status = _STATUS.match(self.head)
        if status is None:
            raise ProtocolError("no status line")
        self.status = int(status[2])
        if self.status == SWITCHING_PROTOCOLS:
            raise ProtocolError("another protocol than was asked for")
        if self.status < 200:
            return False
        fields = self.lower = self.head.lower()
        self._keep = status[1] == b"1" and _field(fields, b"\r\nconnection:").find(b"close") < 0
        self._body = self._framing(fields)
        return True

    def _framing(self, fields: bytes) -> Body:
        """Say how the body ends (RFC 9112, section 6.3); `fields` is the head in lower case."""
        if self.status in (204, 304):
            return Body(chunked=False, length=0)
        coding = _field(fields, b"\r\ntransfer-encoding:")
        length = _field(fields, b"\r\ncontent-length:")
        if coding not in (b"", b"identity"):
            if coding != b"chunked":
                raise ProtocolError("a body in a coding that was not asked for")
            self._keep = self._keep and not length  # two lengths: which of them others go by is not to be known
            return Body(chunked=True, length=0)
        if not length:
            self._keep = False
            return Body(chunked=False, length=UNTIL_CLOSE)
        if not length.isdigit() or len(length) > MOST_LENGTH_DIGITS:
            raise ProtocolError("no single length")
        return Body(chunked=False, length=int(length))

    def _take_content(self, data: bytes) -> None:
        if self._body is None or self._body.done:
            raise ProtocolError("bytes that belong to no reply")
        content, rest = self._body.feed(data)
        if content:
            self._content.append(content)
            self._waiting_bytes += len(content)
            if self._waiting_bytes > PAUSE_ABOVE_BYTES and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
        if rest:
            self._keep = False  # what follows a reply that nobody asked for is not to be trusted


def _field(fields: bytes, name: bytes) -> bytes:
    """Give the value of a field, those of several with a comma between unless they are the same, empty for none."""
    at = fields.find(name)
    if at < 0:
        return b""
    values = []
    while at >= 0:
        start = at + len(name)
        at = fields.find(name, start)
        values.append(fields[start : fields.index(b"\r\n", start)].strip(b" \t"))
    return values[0] if len(set(values)) == 1 else b",".join(values)


def field_of(head: bytes, lower: bytes, name: str) -> str:
    """Give a header field of a head by lower-case name, the last of that name, empty for none.

    `lower` is the head in lower case. Of the many fields that a reply has, one or two are looked at.
    """
    line = b"\r\n%s:" % name.encode()
    at = lower.rfind(line)
    if at < 0:
        return ""
    start = at + len(line)
    return head[start : head.index(b"\r\n", start)].strip(b" \t").decode("latin-1")


def fields_of(head: bytes) -> dict[str, str]:
    """Give the header fields of a head by lower-case name; the last of a name counts."""
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields[name.decode("latin-1").lower()] = value.strip(b" \t").decode("latin-1")
    return fields
