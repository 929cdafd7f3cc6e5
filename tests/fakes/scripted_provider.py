"""A provider of both dialects that answers as it is told, reply by reply, and keeps what it was sent."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

OPENAI_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "An answer."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
}
ANTHROPIC_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "up",
    "content": [{"type": "text", "text": "An answer."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 3},
}
ANSWERS = {"openai": OPENAI_ANSWER, "anthropic": ANTHROPIC_ANSWER}


@dataclass(frozen=True)
class Reply:
    """What to answer: a JSON value, or the bytes of a stream."""

    status: int = 200
    body: Any = None
    stream: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """One request as it arrived; names of headers are in lower case."""

    provider: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:  # noqa: ANN401 - decoded JSON
        """Give what it says."""
        return json.loads(self.raw)


@dataclass
class Provider:
    """What is to come by the provider's name, one reply a request and then plain answers; and what came."""

    url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def will(self, provider: str, *replies: Reply) -> None:
        """Put replies in line."""
        self.replies.setdefault(provider, []).extend(replies)

    async def answer(self, request: web.Request) -> web.Response:
        """Give the next reply."""
        provider = request.match_info["provider"]
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.sent.append(Sent(provider, headers, await request.read()))
        line = self.replies.get(provider)
        reply = line.pop(0) if line else Reply(body=ANSWERS[provider])
        if reply.stream:
            return web.Response(body=reply.stream, content_type="text/event-stream", headers=reply.headers)
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)


def providers_of(url: str) -> str:
    """Give the `providers` section for both dialects at this address."""
    return (
        "providers:\n"
        f'  openai: {{kind: openai, base_url: "{url}/openai/v1", api_key: none}}\n'
        f'  anthropic: {{kind: anthropic, base_url: "{url}/anthropic/v1", api_key: none}}\n'
    )


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """Serve `/openai/v1/...` and `/anthropic/v1/...` on a port that the system chose."""
    scripted = Provider()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{provider}/v1/{rest:.*}", scripted.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield scripted
    finally:
        await runner.cleanup()
