"""Answers on their way out: whole ones, and those that come piece by piece."""

from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

from gateway.web.turns import Turns

_encode = msgspec.json.Encoder(enc_hook=str).encode


def answer(value: object, status: int = 200) -> web.Response:
    """Answer operators with JSON."""
    return web.Response(status=status, body=_encode(value), content_type="application/json")


def answered(http: web.BaseRequest, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with 200 and a body that is not empty; `headers` say of what type it is."""
    return Ready(body, headers) if http.version == HttpVersion11 else web.Response(body=body, headers=headers)


def streamed(http: web.BaseRequest, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with 200 piece by piece; the head goes out with the first piece, which is there when it begins."""
    return Pieces(headers) if http.version == HttpVersion11 else _UntilClose(headers=headers)


class _Good(web.StreamResponse):
    """A good answer over HTTP/1.1, without the steps and the tables that aiohttp needs for answers of other kinds."""

    _status, _reason = 200, "OK"

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._fields = headers

    def _head(self, request: web.BaseRequest, framing: str) -> bytes:
        """Write the head. Raises ValueError for a header that would be two."""
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        values = "".join(self._fields.values())
        if "\n" in values or "\r" in values:
            raise ValueError("a header with a line end in it")
        fields = "".join([f"{name}: {value}\r\n" for name, value in self._fields.items()])
        last = _SERVER if self._keep_alive else _SERVER_CLOSES
        return f"HTTP/1.1 200 OK\r\n{fields}{framing}\r\nDate: {rfc822_formatted_time()}\r\n{last}".encode()


class Ready(_Good):
    """An answer that is whole before it begins."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self._whole = body

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write all of it, at once."""
        if self._eof_sent:
            return None
        writer, self._eof_sent = request.writer, True
        head = self._head(request, f"Content-Length: {len(self._whole)}")
        await _send(request, writer, head + self._whole)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Leave it at that; there is no other data."""


class Pieces(_Good):
    """An answer whose pieces go out as they come."""

    _begun = b""
    _request: web.BaseRequest

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the head, which leaves with the first piece."""
        if not self.prepared:
            self._begun = self._head(request, "Transfer-Encoding: chunked")
            self._request, self._payload_writer = request, request.writer
        return self._payload_writer

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write a piece."""
        if data:
            await self._out(b"%s%x\r\n%s\r\n" % (self._begun, len(data), data))

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the last piece, and the end."""
        if not self._eof_sent:
            self._eof_sent = True
            last = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
            await self._out(self._begun + last)

    async def _out(self, data: bytes) -> None:
        self._begun = b""
        if self._payload_writer is None:
            raise RuntimeError("an answer that has not begun")
        await _send(self._request, self._payload_writer, data)


class _UntilClose(web.StreamResponse):
    """An answer to a client that knows no pieces."""

    _send_headers_immediately = False


async def _send(request: web.BaseRequest, writer: AbstractStreamWriter, data: bytes) -> None:
    """Send bytes with those of others, unless the caller is slow to read them; that is waited for."""
    protocol = request.protocol
    if isinstance(protocol, Turns) and protocol.leaves(data):
        writer.output_size += len(data)
        return
    await writer.write(data)
    if protocol.writing_paused:
        await writer.drain()


_SERVER = f"Server: {SERVER_SOFTWARE}\r\n\r\n"
_SERVER_CLOSES = f"Connection: close\r\n{_SERVER}"
