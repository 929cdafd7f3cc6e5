"""Answers that are whole before they begin."""

from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

_encode = msgspec.json.Encoder(enc_hook=str).encode


def answer(value: object, status: int = 200) -> web.Response:
    """Answer operators with JSON."""
    return web.Response(status=status, body=_encode(value), content_type="application/json")


def answered(http: web.BaseRequest, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with 200 and a body that is not empty; `headers` say of what type it is."""
    return Ready(body, headers) if http.version == HttpVersion11 else web.Response(body=body, headers=headers)


class Ready(web.StreamResponse):
    """A good answer over HTTP/1.1, without the steps that aiohttp takes for answers of other kinds."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self._whole = body

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the head, which leaves with the body."""
        if self.prepared:
            return self._payload_writer
        writer = self._payload_writer = request.writer
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        headers = self.headers
        headers["Content-Length"] = str(len(self._whole))
        headers["Date"] = rfc822_formatted_time()
        headers["Server"] = SERVER_SOFTWARE
        if not self._keep_alive:
            headers["Connection"] = "close"
        await writer.write_headers("HTTP/1.1 200 OK", headers)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the body; there is no other data."""
        await super().write_eof(self._whole)
