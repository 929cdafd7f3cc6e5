"""An upstream that nobody here wrote: llmock, a mock of both providers' HTTP."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anthropic
import openai
import pytest
from llmock.testing import LLMockServer

from tests.fakes.daemon import Daemon, daemon

RULES = """\
providers:
  openai: {{kind: openai, base_url: "{openai}", api_key: none}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}/v1", api_key: none}}
models:
  mini: {{provider: openai, model: gpt-4o-mini, price: free}}
  haiku: {{provider: anthropic, model: claude-haiku-4-5, price: free}}
rules:
  - {{name: to-anthropic, when: {{header.x-to: anthropic}}, route: [haiku]}}
  - {{name: to-openai, route: [mini]}}
"""
TO = pytest.mark.parametrize("to", ["openai", "anthropic"])


@pytest.fixture
def foreign() -> Iterator[LLMockServer]:
    with LLMockServer() as server:
        yield server


@pytest.fixture
async def real(tmp_path: Path, foreign: LLMockServer) -> AsyncIterator[Daemon]:
    rules = RULES.format(openai=foreign.base_url("openai"), anthropic=foreign.base_url("anthropic"))
    async with daemon(tmp_path, {"rules.yaml": rules}, simulate=False) as running:
        yield running


@TO
async def test_openais_client_is_answered(real: Daemon, to: str) -> None:
    """An answer and a stream, from either provider."""
    async with openai.AsyncOpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hello there"}], extra_headers={"x-to": to}
        )
        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hello there"}], stream=True, extra_headers={"x-to": to}
        )
        chunks = [chunk async for chunk in stream]
    assert answer.choices[0].message.content
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert {row["outcome"] for row in await real.rows(2)} == {"answered"}
    assert {row["provider"] for row in await real.rows(2)} == {to}


@TO
async def test_anthropics_client_is_answered(real: Daemon, to: str) -> None:
    """An answer and a stream, from either provider."""
    async with anthropic.AsyncAnthropic(base_url=real.url, api_key="none", max_retries=0) as client:
        answer = await client.messages.create(
            model="auto",
            max_tokens=100,
            messages=[{"role": "user", "content": "hello there"}],
            extra_headers={"x-to": to},
        )
        async with client.messages.stream(
            model="auto",
            max_tokens=100,
            messages=[{"role": "user", "content": "hello there"}],
            extra_headers={"x-to": to},
        ) as stream:
            text = await stream.get_final_text()
    assert answer.content[0].type == "text"
    assert answer.content[0].text
    assert text
    assert {row["outcome"] for row in await real.rows(2)} == {"answered"}
    assert all(row["output_tokens"] > 0 for row in await real.rows(2))
