"""Parameters that a model answers with an error are left out and named, whatever dialect they came in."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.scripted_provider import Provider, provider, providers_of

RULES = """
models:
  gpt: {provider: openai, model: gpt-1, price: free, takes: [tools], refuses: [temperature, max_tokens]}
  claude: {provider: anthropic, model: claude-1, price: free, takes: [tools], max_output: 900}
rules:
  - {name: gpt, when: {header.x-to: gpt}, route: [gpt]}
  - {name: claude, when: {header.x-to: claude}, route: [claude]}
"""


@pytest.fixture
async def scripted() -> AsyncIterator[Provider]:
    async with provider() as there:
        yield there


@pytest.fixture
async def running(tmp_path: Path, scripted: Provider) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"r.yaml": providers_of(scripted.url) + RULES}, simulate=False) as there:
        yield there


SAID = [{"role": "user", "content": "Hello"}]
CASES = {
    "in OpenAI's dialect": (
        ("chat", "gpt"),
        {"temperature": 0.2, "max_tokens": 50, "reasoning_effort": "low", "seed": 7},
        {"max_completion_tokens": 50, "seed": 7},
        "reasoning_effort, temperature",
    ),
    "in Anthropic's dialect": (
        ("messages", "claude"),
        {"temperature": 0.2, "max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"temperature": 0.2, "max_tokens": 5000},
        "thinking",
    ),
    "from Anthropic's to OpenAI's": (
        ("messages", "gpt"),
        {"temperature": 0.2, "max_tokens": 50, "thinking": {"type": "enabled", "budget_tokens": 2000}, "top_k": 3},
        {"max_completion_tokens": 50},
        "temperature, thinking, top_k",
    ),
    "from OpenAI's to Anthropic's": (
        ("chat", "claude"),
        {"temperature": 0.2, "max_completion_tokens": 5000, "reasoning_effort": "low", "seed": 7},
        {"temperature": 0.2, "max_tokens": 900},
        "max_tokens, reasoning_effort, seed",
    ),
    "nothing that is refused": (("chat", "gpt"), {"seed": 7}, {"seed": 7}, None),
}


@pytest.mark.parametrize(("way", "sent", "arrives", "named"), CASES.values(), ids=CASES.keys())
async def test_what_a_model_refuses_does_not_reach_it_and_is_named(
    running: Daemon,
    scripted: Provider,
    way: tuple[str, str],
    sent: dict[str, Any],
    arrives: dict[str, Any],
    named: str | None,
) -> None:
    """U-46, U-57: in the header and in the row; `max_tokens` goes by its newer name and is not named."""
    surface, model = way
    body = {"model": "auto", "messages": SAID, **sent}
    async with running.http.post(running.url + PATHS[surface], json=body, headers={"x-to": model}) as response:
        assert response.status == 200
        headers = response.headers
    (upstream,) = scripted.sent
    arrived = {name: value for name, value in upstream.body.items() if name not in ("model", "messages")}
    assert arrived == arrives
    assert headers.get("x-rulegate-dropped-params") == named
    row = await running.row(headers["x-rulegate-request-id"])
    assert row["facts"].get("dropped") == (named.split(", ") if named else None)
