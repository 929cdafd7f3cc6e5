"""Anthropic's client library: providers of its dialect. A body goes out as it is, byte for byte."""

from typing import Final

import anthropic
import httpx2

from gateway.adapters.aside import Aside
from gateway.adapters.sdk import WRITING, Faults, options_of
from gateway.domain.upstream import Call, Library, Reply

FAULTS: Final[Faults] = (anthropic.AnthropicError, *WRITING)
NO_KEY: Final = "none"
"""Keeps the library from looking for a key, and never leaves: each call brings its own, or none."""


class AnthropicAccount:
    """Any provider of the dialect; who we are stands in each call."""

    faults = FAULTS

    def __init__(self, library: Library, wire: httpx2.AsyncClient, _: Aside) -> None:
        self._client = anthropic.AsyncAnthropic(
            api_key=NO_KEY, base_url=library.base_url, http_client=wire, max_retries=0, open_telemetry=False
        )

    async def post(self, call: Call) -> object:
        """Have the library send a call."""
        headers: dict[str, object] = {"Authorization": anthropic.Omit(), **call.headers}
        options = options_of(headers, anthropic.Omit())
        return await self._client.post(call.url, content=call.body, cast_to=httpx2.Response, options=options)

    def reply(self, reply: Reply) -> Reply:
        """Give a reply as it is."""
        return reply


def prepare(_: Library) -> None:
    """Do nothing: importing the library was all."""
