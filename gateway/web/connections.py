"""Connections that can be looked at: aiohttp's own, with what it takes to tell a slow caller from one that only waits.

It leans on what aiohttp keeps of a connection: where a version keeps that otherwise, `tests/web/test_connections.py`
fails.
"""

import asyncio
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_request import BaseRequest

from gateway.domain.load import Cut, Doing, Look, Seen
from gateway.runtime.connections import Connections, Standing
from gateway.runtime.ports import Departures
from gateway.web.answers import answer
from gateway.web.turns import NONE_DIRECT, Direct, Turns

TOO_LONG = "the head of the request is too large: a line of it may have {} bytes, and it may have {} headers"
UNREADABLE = "the request is not HTTP that can be read"


class SlowBodyError(TimeoutError):
    """The body of the request does not come; aiohttp takes it for the end of its patience, too."""


def is_spare(http: web.BaseRequest) -> bool:
    """Say whether a request came over a connection that is one more than there may be."""
    return isinstance(http.protocol, Watched) and http.protocol.spare


class Watched(Turns):
    """One connection; `spare` where it is one more than there may be."""

    __slots__ = ("_connections", "_counted", "_partial", "_received", "_wire", "seen", "spare")

    def __init__(self, manager: "WatchedServer", *, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:  # noqa: ANN401 - aiohttp's own settings, passed on
        super().__init__(manager, manager.departures, manager.direct, loop=loop, **settings)
        self._connections = manager.watching
        self._counted = manager.counted
        self._partial = True
        self._received = 0
        self._wire: asyncio.Transport | None = None
        self.seen: Seen | None = None
        self.spare = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        self._wire = cast("asyncio.Transport", transport)
        standing = self._connections.came(self, counted=self._counted)
        if standing is Standing.REFUSED:
            self._wire.abort()
            return
        self.spare = standing is Standing.SPARE
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._connections.went(self, counted=self._counted)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; a head that they begin and do not end is remembered as begun."""
        self._received += len(data)
        super().data_received(data)
        waiter = self._waiter  # none before aiohttp's own task has begun, and while a request is under way
        self._partial = not self._request_count or (waiter is not None and not waiter.done())

    def look(self) -> Look:
        """Say how it is now."""
        unsent = 0 if self._wire is None else self._wire.get_write_buffer_size()
        request, waiter, written = self._current_request, self._waiter, 0
        if self.transport is None or self.transport.is_closing():
            doing = Doing.CLOSING
        elif request is not None:
            doing = Doing.ANSWER if request.content.is_eof() else Doing.BODY
            written = request.writer.output_size
        elif waiter is None or waiter.done():
            doing = Doing.ANSWER
        else:
            doing = Doing.HEADER if self._partial else Doing.IDLE
        return Look(doing, self._request_count, self._received, unsent, written - unsent)

    def cut(self, why: Cut) -> None:
        """Close it; who is at a body is told, and who does not read is not waited for."""
        if why is Cut.READ_BODY and self._current_request is not None:
            self._current_request.content.set_exception(SlowBodyError())
        elif why is Cut.WRITE and self._wire is not None:
            self._wire.abort()
        else:
            self.force_close()

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what cannot be read as a request, in a shape that all clients know; it is no error of ours."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        too_long = isinstance(exc, LineTooLong) or "Too many headers" in exc.message
        words = TOO_LONG.format(self.max_field_size, self.max_headers) if too_long else UNREADABLE
        error = {"type": "invalid_request_error", "message": words, "param": None, "code": None}
        response = answer({"type": "error", "error": error}, 431 if too_long else 400)
        response.force_close()
        return response


class WatchedServer(web.Server):
    """Makes such connections; those that are not `counted` are of operators."""

    def __init__(
        self,
        server: web.Server,
        settings: dict[str, Any],
        watching: Connections,
        departures: Departures,
        direct: Direct,
        *,
        counted: bool,
    ) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
        )
        self._settings = settings
        self.watching = watching
        self.departures = departures
        self.direct = direct
        self.counted = counted

    def __call__(self) -> Watched:
        """Give the protocol of a new connection."""
        return Watched(self, loop=asyncio.get_running_loop(), **self._settings)


class WatchedRunner(web.AppRunner):
    """Runs an application whose connections are watched; what is `direct` of it is not looked up in its router."""

    def __init__(
        self,
        app: web.Application,
        watching: Connections,
        departures: Departures,
        direct: Direct = NONE_DIRECT,
        *,
        counted: bool,
        shutdown_timeout: float,
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=shutdown_timeout,
        )
        self._watching = watching
        self._departures = departures
        self._direct = direct
        self._counted = counted

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        watching, leaving, direct = self._watching, self._departures, self._direct
        return WatchedServer(server, SETTINGS, watching, leaving, direct, counted=self._counted)


SETTINGS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": 86_400.0,  # idle connections are looked after here
    "auto_decompress": False,  # see gateway/web/unfolding.py
}
"""Of each connection."""
