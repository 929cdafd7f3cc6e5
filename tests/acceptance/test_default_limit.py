"""A limit on the output that nobody gave is the model's own, and the row says so where it cut an answer short."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.scripted_provider import ANTHROPIC_ANSWER, Provider, Reply, provider, providers_of

RULES = """
models:
  claude: {provider: anthropic, model: claude-1, price: free, max_output: 777}
rules:
  - {name: all, route: [claude]}
"""
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**ANTHROPIC_ANSWER, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "An answ"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 777}},
    {"type": "message_stop"},
]
STREAM = b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in EVENTS)
CUT = {False: Reply(body={**ANTHROPIC_ANSWER, "stop_reason": "max_tokens"}), True: Reply(stream=STREAM)}


@pytest.fixture
async def scripted() -> AsyncIterator[Provider]:
    async with provider() as there:
        yield there


@pytest.fixture
async def running(tmp_path: Path, scripted: Provider) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"r.yaml": providers_of(scripted.url) + RULES}, simulate=False) as there:
        yield there


async def ask(running: Daemon, surface: str, *, stream: bool, limit: int | None) -> object:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    body |= {} if limit is None else {"max_tokens": limit}
    async with running.http.post(running.url + PATHS[surface], json=body) as response:
        assert response.status == 200, await response.text()
        await response.read()
    row = await running.row(response.headers["x-rulegate-request-id"])
    return row["facts"].get("defaulted_max_tokens")


@pytest.mark.parametrize("surface", ["chat", "messages"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_limit_of_ours_that_cut_an_answer_short_stands_in_the_row(
    running: Daemon, scripted: Provider, surface: str, *, stream: bool
) -> None:
    """U-56: the model's largest output is sent; neither the caller's own limit nor an answer that ended is told."""
    scripted.will("anthropic", CUT[stream], CUT[stream])
    assert await ask(running, surface, stream=stream, limit=None) == 777
    assert await ask(running, surface, stream=stream, limit=50) is None
    if not stream:
        assert await ask(running, surface, stream=stream, limit=None) is None
    sent = [each.body["max_tokens"] for each in scripted.sent]
    assert sent == ([777, 50] if stream else [777, 50, 777])
