"""Providers of both dialects that answer word by word, as the test dictates, and a line that can be overheard."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.fakes.scripted_provider import ANTHROPIC_ANSWER, providers_of
from tests.fakes.weather import event

LONGEST_S = 20.0
_FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up"}
_MESSAGE = {**ANTHROPIC_ANSWER, "content": [], "stop_reason": None}
_USED = {"openai": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}, "anthropic": {"output_tokens": 3}}
FIRST = {
    "openai": event({**_FRAME, "choices": [{"index": 0, "delta": {"content": "An "}}]}, named=False),
    "anthropic": event({"type": "message_start", "message": _MESSAGE})
    + event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    + event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "An "}}),
}
"""A stream to its first word."""
REST = {
    "openai": event({**_FRAME, "choices": [{"index": 0, "delta": {"content": "answer."}}]}, named=False)
    + event({**_FRAME, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, named=False)
    + event({**_FRAME, "choices": [], "usage": _USED["openai"]}, named=False)
    + b"data: [DONE]\n\n",
    "anthropic": event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "answer."}})
    + event({"type": "content_block_stop", "index": 0})
    + event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": _USED["anthropic"]})
    + event({"type": "message_stop"}),
}
"""From there to its end: "An answer." of three tokens, for ten."""
END = None


class Dictated:
    """What comes of each provider is put in line by `say`; `came` has who was asked, and `gone` who was hung up on.

    A number is an error status, a dict a whole answer, bytes are a piece of a stream, and None ends one.
    """

    def __init__(self) -> None:
        self.url = ""
        self.came: list[str] = []
        self.gone: list[str] = []
        self._lines: defaultdict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self._changed = asyncio.Condition()

    @property
    def providers(self) -> str:
        """The `providers` section."""
        return providers_of(self.url)

    def say(self, provider: str, *words: object) -> None:
        """Put words in line."""
        for word in words:
            self._lines[provider].put_nowait(word)

    async def asked(self, count: int) -> None:
        """Wait until there were so many requests."""
        await self._until(lambda: len(self.came) >= count)

    async def left(self, count: int) -> None:
        """Wait until the gateway has hung up on so many."""
        await self._until(lambda: len(self.gone) >= count)

    async def _until(self, holds: Any) -> None:  # noqa: ANN401 - a predicate
        async with asyncio.timeout(LONGEST_S), self._changed:
            await self._changed.wait_for(holds)

    async def _note(self, notes: list[str], provider: str) -> None:
        async with self._changed:
            notes.append(provider)
            self._changed.notify_all()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Give what is in line."""
        provider = request.match_info["provider"]
        await request.read()
        await self._note(self.came, provider)
        try:
            return await self._told(request, self._lines[provider])
        except (asyncio.CancelledError, ConnectionError):
            await self._note(self.gone, provider)
            raise

    async def _told(self, request: web.Request, line: "asyncio.Queue[Any]") -> web.StreamResponse:
        word = await line.get()
        if isinstance(word, int):
            error = {"type": "api_error", "message": f"told to say {word}"}
            return web.json_response({"type": "error", "error": error}, status=word)
        if isinstance(word, dict):
            return web.json_response(word)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        while word is not None:
            await response.write(word)
            word = await line.get()
        await response.write_eof()
        return response


@asynccontextmanager
async def dictated() -> AsyncIterator[Dictated]:
    """Serve `/openai/v1/...` and `/anthropic/v1/...` on a port that the system chose."""
    provider = Dictated()
    app = web.Application()
    app.router.add_post("/{provider}/v1/{rest:.*}", provider.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()


class Overheard:
    """A line to a server on which it is heard what the server says."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self._port = int(target.rsplit(":", 1)[1])
        self._said = b""
        self._more = asyncio.Condition()

    async def hears(self, words: bytes, times: int = 1) -> None:
        """Wait until the server has said something so many times."""
        async with asyncio.timeout(LONGEST_S), self._more:
            await self._more.wait_for(lambda: self._said.count(words) >= times)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what either side says."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pass_on(reader, far_writer))
            try:
                while data := await far_reader.read(2**16):
                    async with self._more:
                        self._said += data
                        self._more.notify_all()
                    writer.write(data)
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def overheard(target: str) -> AsyncIterator[Overheard]:
    """Serve such a line to `http://host:port` on a port that the system chose."""
    line = Overheard(target)
    server = await asyncio.start_server(line.connected, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield line
