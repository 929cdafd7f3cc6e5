"""The requests of one connection, answered one after the other in one task.

aiohttp makes another task of each request, and looks its path up in a router; both are left out here. What it keeps of
a connection is leaned on: where a version keeps that otherwise, `tests/web/test_turns.py` fails.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import ERROR, RequestHandler, _ErrInfo
from aiohttp.web_request import BaseRequest

from gateway.runtime.ports import Departures

Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]
Direct = Mapping[str, Handler]
"""Handlers of POST by path, which need nothing of the application."""
NONE_DIRECT: Direct = {}
_GONE = web.PayloadAccessError()
MOST_AT_ONCE_BYTES = 64 * 1024
"""What may be on its way to a caller before it shows whether it is read."""


class Turns(RequestHandler):
    """One connection whose requests take turns."""

    __slots__ = ("_departures", "_direct")

    def __init__(
        self,
        manager: web.Server,
        departures: Departures,
        direct: Direct,
        *,
        loop: asyncio.AbstractEventLoop,
        **settings: Any,  # noqa: ANN401 - aiohttp's own settings, passed on
    ) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._departures = departures
        self._direct = direct

    async def start(self) -> None:
        """Answer requests until the connection ends, or is not kept; one that meets a bug is not."""
        well = False
        try:
            while not self._force_close and await self._turn(*await self._next()):
                pass
            well = True
        except ConnectionError:
            well = True  # the caller left
        finally:
            if not well:
                self.force_close()
        if not self._force_close:
            self._task_handler = None
            self._departures.leave()
            if self.transport is not None:
                self.transport.close()

    async def _next(self) -> tuple[RawRequestMessage | _ErrInfo, StreamReader]:
        """Wait for the head of the next request; give it with its body."""
        if not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        else:
            self._departures.leave()  # it came before the last answer had left: nothing may overtake that
        message, payload = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return message, payload

    async def _turn(self, message: RawRequestMessage | _ErrInfo, payload: StreamReader) -> bool:
        """Answer one request; say whether another one may follow."""
        manager, task = self._manager, self._task_handler
        if manager is None or task is None:
            return False  # the caller has left
        manager.requests_count += 1
        response: web.StreamResponse | None
        if isinstance(message, _ErrInfo):
            response = await self._routed(ERROR, payload, task, self._make_error_handler(message))
        elif (direct := self._direct_for(message)) is None:
            response = await self._routed(message, payload, task, self._request_handler)
        else:
            writer = StreamWriter(self, self._loop)
            response = await self._answer(BaseRequest(message, payload, self, writer, task, self._loop), direct)
        if response is None:
            return False
        self._keepalive = bool(response.keep_alive)
        if not payload.is_eof():
            await self._let_pass(payload)
        payload.set_exception(_GONE)
        if not self._keepalive or self._close or self._force_close:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        return True

    def _direct_for(self, message: RawRequestMessage) -> Handler | None:
        """Give the handler that a request is plainly for; all others are for the application."""
        direct = self._direct.get(message.path) if message.method == "POST" else None
        return None if direct is None or self._upgraded or "Expect" in message.headers else direct

    async def _routed(
        self, message: RawRequestMessage, payload: StreamReader, task: asyncio.Task[None], handler: Handler | None
    ) -> web.StreamResponse | None:
        """Have a request answered as aiohttp does it; None once the caller has left."""
        make = self._request_factory
        if make is None or handler is None:
            return None
        request = make(message, payload, self, StreamWriter(self, self._loop), task)
        response, left = await self._handle_request(request, None, handler)
        return None if left else response

    async def _answer(self, request: BaseRequest, handler: Handler) -> web.StreamResponse:
        """Have a request answered. Raises ConnectionError once the caller has left."""
        self._current_request, self._request_in_progress = request, True
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the edge: a bug is answered like an error
            response = self.handle_error(request, 500, error)
        finally:
            self._current_request, self._request_in_progress = None, False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)
        if not response.prepared:
            await response.prepare(request)
        await response.write_eof()
        return response

    def leaves(self, data: bytes) -> bool:
        """Have bytes of an answer leave with those of others; False where they must be written and waited for."""
        transport = self.transport
        if transport is None or transport.is_closing() or self.writing_paused or len(data) > MOST_AT_ONCE_BYTES:
            self._departures.leave()
            return False
        self._departures.add(transport, data)
        return True

    def force_close(self) -> None:
        """Close the connection, behind what has been answered."""
        self._departures.leave()
        super().force_close()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's own
        """Go on reading where that was paused; nearly every body comes at once, and aiohttp tries all the same."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def _let_pass(self, payload: StreamReader) -> None:
        """Take what still comes of a body that nobody wants, for a while, so that its sender reads the answer."""
        try:
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof() and not self._force_close:
                    await payload.readany()
        except TimeoutError:
            self.close()
