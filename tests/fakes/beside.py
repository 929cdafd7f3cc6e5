"""The daemon in a process of its own, for clients that block, with the foreign mock as both kinds of provider."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from llmock.testing import LLMockServer

from tests.fakes.process import Serving, serving

REGISTRY = """\
providers:
  openai: {{kind: openai, base_url: "{openai}", api_key: none}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}/v1", api_key: none}}
models:
  nano: {{provider: openai, model: gpt-5-nano, price: {{input: 1, output: 2}}}}
  small: {{provider: openai, model: text-embedding-3-small, price: {{input: 1, output: 0}}}}
  haiku: {{provider: anthropic, model: claude-haiku-4-5, price: {{input: 1, output: 2}}}}
rules:
  - name: all
    route: [nano, haiku]
"""
"""A model of each kind, to be asked for by its name."""


@dataclass(frozen=True)
class Mocked:
    """A gateway's address, and the mock that answers for its providers."""

    url: str
    server: LLMockServer


@contextmanager
def mocked(directory: Path) -> Iterator[Mocked]:
    """Run a gateway with the mock behind it."""
    with LLMockServer() as server:
        rules = REGISTRY.format(openai=server.base_url("openai"), anthropic=server.base_url("anthropic"))
        (directory / "rules.d").mkdir()
        (directory / "rules.d" / "rules.yaml").write_text(rules, encoding="utf-8")
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(_serving(directory)) as running:
            yield Mocked(running.url, server)


def _serving(directory: Path) -> AbstractAsyncContextManager[Serving]:
    return serving("--rules", "rules.d", "--data", "data", directory=directory)
