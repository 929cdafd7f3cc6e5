"""A provider of OpenAI's kind whose answers come when the test says so, and that knows how many are asked for."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.scripted_provider import OPENAI_ANSWER

FIRST = {"id": "c", "model": "up", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "An answer."}}]}
LAST = {"id": "c", "model": "up", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@dataclass
class Paced:
    """`there` and `most` are requests under way, now and at the most, by model; `asked` are their texts in order."""

    url: str = ""
    there: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    asked: list[str] = field(default_factory=list)
    _may: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def let(self, answers: int) -> None:
        """Let so many answers go, the streams that have begun among them."""
        for _ in range(answers):
            self._may.release()

    async def answer(self, http: web.Request) -> web.StreamResponse:
        """Answer when it may be; a stream has its first content at once."""
        body = await http.json()
        model = body["model"]
        self.asked.append(body["messages"][-1]["content"])
        self.there[model] += 1
        self.most[model] = max(self.most[model], self.there[model])
        try:
            if not body.get("stream"):
                await self._may.acquire()
                return web.json_response({**OPENAI_ANSWER, "model": model})
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(http)
            await response.write(b"data: %s\n\n" % json.dumps(FIRST).encode())
            await self._may.acquire()
            await response.write(b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(LAST).encode())
            return response
        finally:
            self.there[model] -= 1


@asynccontextmanager
async def paced() -> AsyncIterator[Paced]:
    """Serve it on a port that the system chose."""
    provider = Paced()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield provider
    finally:
        provider.let(1_000)
        await runner.cleanup()
