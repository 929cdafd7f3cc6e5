"""A provider of both dialects that keeps what it is sent and gives the answer that it is told to give."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

PIECE_BYTES = 37
"""Streams are sent in odd pieces, so that events and characters are cut anywhere."""
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "up",
    "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "ok"}],
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
_COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
_TEXT = {"type": "text_delta", "text": "ok"}
_EVENTS: tuple[dict[str, object], ...] = (
    {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": _TEXT},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
)
_FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up"}
_CHUNKS: tuple[dict[str, object], ...] = (
    {**_FRAME, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "ok"}, "finish_reason": None}]},
    {**_FRAME, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {**_FRAME, "choices": [], "usage": _COMPLETION["usage"]},
)


class Recorded:
    """The provider: `url` is its base, `seen` the (path, headers, body) of each request.

    `reply` is what it answers: `status` and one of `body` (JSON), `raw` (text) and `sse` (a stream); None is `ok`.
    """

    def __init__(self) -> None:
        self.url = ""
        self.reply: Mapping[str, Any] | None = None
        self.seen: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it."""
        body = await request.json()
        self.seen.append((request.path, request.headers, body))
        reply = self.reply or _usual(request.path, stream=body.get("stream") is True)
        status, headers = reply.get("status", 200), reply.get("headers") or {}
        if "sse" not in reply:
            text = reply["raw"] if "raw" in reply else json.dumps(reply["body"])
            usual = "text/plain" if "raw" in reply else "application/json"
            return web.Response(
                status=status, body=text.encode(), headers={"content-type": headers.get("content-type", usual)}
            )
        response = web.StreamResponse(status=status, headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        data = reply["sse"].encode()
        for at in range(0, len(data), PIECE_BYTES):
            await response.write(data[at : at + PIECE_BYTES])
        await response.write_eof()
        return response


def _usual(path: str, *, stream: bool) -> Mapping[str, Any]:
    if path.endswith("/messages"):
        events = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _EVENTS)
        return {"sse": events} if stream else {"body": _MESSAGE}
    chunks = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in _CHUNKS)
    return {"sse": chunks + "data: [DONE]\n\n"} if stream else {"body": _COMPLETION}


@asynccontextmanager
async def recorded() -> AsyncIterator[Recorded]:
    """Serve a provider."""
    provider = Recorded()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/{path:.+}", provider.answer)
    server = TestServer(app)
    await server.start_server()
    provider.url = str(server.make_url("/v1"))
    try:
        yield provider
    finally:
        await server.close()
