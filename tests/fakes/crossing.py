"""What an application says through the official clients to a model of the other dialect, and what arrives there."""

from typing import Any

from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam

from tests.fakes.daemon import Daemon

RULES = """\
providers:
  openai: {kind: openai, base_url: "https://api.openai.com/v1", api_key: none}
  anthropic: {kind: anthropic, base_url: "https://api.anthropic.com/v1", api_key: none}
models:
  haiku: {provider: anthropic, model: claude-haiku-4-5}
  mini: {provider: openai, model: gpt-5-mini}
rules:
  - {name: all, route: [mini]}
"""
"""A model of each dialect."""
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello there"}]
HI: list[MessageParam] = [{"role": "user", "content": "Hello there"}]


async def sent(gateway: Daemon) -> dict[str, Any]:
    """Give the body that the provider got last."""
    seen: dict[str, Any] = (await gateway.upstream())["requests"][-1]
    body: dict[str, Any] = seen["body"]
    return body
