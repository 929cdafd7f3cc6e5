"""A thought that Anthropic does not take back costs one more request to the same model, and no rest."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.scripted_provider import OPENAI_ANSWER, Provider, Reply, provider, providers_of

RULES = """
models:
  claude: {provider: anthropic, model: claude-1, price: free, takes: [tools, thinking], max_output: 9000}
  gpt: {provider: openai, model: gpt-1, price: free, takes: [tools, thinking]}
rules:
  - {name: to-gpt, when: {header.x-to: gpt}, route: [gpt]}
  - {name: all, affinity: none, route: [claude, gpt]}
"""
INVALID = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "messages.1.content.0: Invalid `signature` in `thinking` block",
    },
}
THINKS = {"type": "enabled", "budget_tokens": 2000}
ASKED = {"role": "user", "content": "Why?"}
THOUGHT = {
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c3RhbGU="},
        {"type": "text", "text": "Because."},
    ],
}
SAID = {"role": "assistant", "content": [{"type": "text", "text": "Because."}]}
BODY = {"model": "auto", "max_tokens": 4000, "thinking": THINKS, "messages": [ASKED, THOUGHT, ASKED]}


@pytest.fixture
async def scripted() -> AsyncIterator[Provider]:
    async with provider() as there:
        yield there


@pytest.fixture
async def running(tmp_path: Path, scripted: Provider) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"r.yaml": providers_of(scripted.url) + RULES}, simulate=False) as there:
        yield there


async def ask(running: Daemon) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Give the status, the answer, and the row with the header of what was dropped."""
    async with running.http.post(running.url + PATHS["messages"], json=BODY) as response:
        answer = await response.json()
        headers = response.headers
    row = await running.row(headers["x-rulegate-request-id"])
    return response.status, answer, row | {"dropped": headers.get("x-rulegate-dropped-params")}


async def test_a_refused_signature_is_tried_once_more_without_thoughts(running: Daemon, scripted: Provider) -> None:
    """U-48: the same model, no cooldown, both attempts in the row, and what was left out is named."""
    scripted.will("anthropic", Reply(400, INVALID))
    status, answer, row = await ask(running)
    assert (status, answer["content"][0]["text"]) == (200, "An answer.")
    assert [sent.body["messages"] for sent in scripted.sent] == [[ASKED, THOUGHT, ASKED], [ASKED, SAID, ASKED]]
    first, second = row["attempts"]
    assert (first["status"], first["failure"], first["again"]) == (400, "bad_request", True)
    assert (second["model"], second["status"], second["failure"]) == ("claude", 200, None)
    assert row["dropped"] == "messages.content.thinking"
    assert row["facts"]["dropped"] == ["messages.content.thinking"]
    states = {each["name"]: each["state"] for each in (await running.get("/api/models"))["models"]}
    assert states["claude"] == "ok"


async def test_a_second_refusal_is_the_callers_to_see(running: Daemon, scripted: Provider) -> None:
    """U-48: one retry, not more; the provider's words reach the caller."""
    scripted.will("anthropic", *[Reply(400, INVALID)] * 3)
    status, answer, row = await ask(running)
    assert (status, answer["error"]["message"]) == (400, INVALID["error"]["message"])  # type: ignore[index]
    assert len(scripted.sent) == 2
    assert [each["failure"] for each in row["attempts"]] == ["bad_request"] * 2


async def test_what_another_providers_model_thought_does_not_break_the_next_request(
    running: Daemon, scripted: Provider
) -> None:
    """U-48: Anthropic's client shows it without a signature and sends it back; Anthropic never sees it."""
    thoughtful = {**OPENAI_ANSWER["choices"][0]["message"], "reasoning_content": "hm"}  # type: ignore[index]
    choice = {"index": 0, "message": thoughtful, "finish_reason": "stop"}
    scripted.will("openai", Reply(body={**OPENAI_ANSWER, "choices": [choice]}))
    said: list[Any] = [ASKED]
    async with anthropic.AsyncAnthropic(base_url=running.url, api_key="none", max_retries=0) as client:
        for to in ("gpt", "claude"):
            answer = await client.messages.create(
                model="auto",
                max_tokens=4000,
                thinking={"type": "enabled", "budget_tokens": 2000},
                messages=said,
                extra_headers={"x-to": to},
            )
            said += [{"role": "assistant", "content": answer.content}, ASKED]
    kinds = [[block.type for block in each["content"]] for each in said if each["role"] == "assistant"]
    assert kinds[0] == ["thinking", "text"]
    assert scripted.sent[1].provider == "anthropic"
    blocks = scripted.sent[1].body["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["text"]
