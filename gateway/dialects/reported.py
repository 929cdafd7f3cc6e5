"""Usage objects that people and other programs hand over, each with the name of the API whose words it uses.

The readers of `gateway.dialects.usage` are total, for an answer must be booked whatever it holds. Here a human waits
for a figure: what cannot be read is named instead, so that a slip never looks like a low cost.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from gateway.dialects.usage import (
    MOST,
    anthropic_messages,
    gemini_generate_content,
    openai_chat,
    openai_responses,
)
from gateway.domain.usage import Usage


class Api(StrEnum):
    """Whose words a usage object uses."""

    CHAT = "openai.chat"
    RESPONSES = "openai.responses"
    MESSAGES = "anthropic.messages"
    GENERATE_CONTENT = "gemini.generateContent"


READERS: Final[Mapping[Api, Callable[[Mapping[str, object], object, int], Usage]]] = {
    Api.CHAT: openai_chat,
    Api.RESPONSES: openai_responses,
    Api.MESSAGES: anthropic_messages,
    Api.GENERATE_CONTENT: gemini_generate_content,
}
"""Each takes a usage object, the service tier that stands beside it, and the web searches that it does not count."""

_MESSAGES_ONLY: Final = frozenset({"cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"})
_RESPONSES_ONLY: Final = frozenset({"input_tokens_details"})
_OWN: Final[Mapping[Api, tuple[str, ...]]] = {
    Api.CHAT: ("prompt_tokens", "completion_tokens"),
    Api.RESPONSES: ("input_tokens", "output_tokens"),
    Api.MESSAGES: ("input_tokens", "output_tokens"),
    Api.GENERATE_CONTENT: ("promptTokenCount", "candidatesTokenCount"),
}
_COUNTER: Final = re.compile(r"_tokens$|[tT]okenCount$|_requests$")
_PART: Final = re.compile(r"_details$|TokensDetails$|^cache_creation$|^server_tool_use$")


def api_of(usage: Mapping[str, object], *, anthropic: bool) -> Api | None:
    """Tell the API from the fields of a usage object, None for no sign; `anthropic` decides for what two share."""
    if _OWN[Api.CHAT][0] in usage:
        return Api.CHAT
    if _OWN[Api.GENERATE_CONTENT][0] in usage:
        return Api.GENERATE_CONTENT
    if usage.keys() & _MESSAGES_ONLY:
        return Api.MESSAGES
    if usage.keys() & _RESPONSES_ONLY:
        return Api.RESPONSES
    if usage.keys() & {*_OWN[Api.MESSAGES]}:
        return Api.MESSAGES if anthropic else Api.RESPONSES
    return None


def mistakes(api: Api, usage: Mapping[str, object]) -> Iterator[str]:
    """Say what a usage object holds that cannot be counted, or that it holds none of the API's counters.

    A counter may be null or absent, as the providers leave them; a text, a negative or a broken number is a mistake.
    """
    if all(usage.get(name) is None for name in _OWN[api]):
        yield f"it has no {' and no '.join(_OWN[api])}, which every usage of {api} has"
    foreign = {Api.RESPONSES: _MESSAGES_ONLY, Api.MESSAGES: _RESPONSES_ONLY}.get(api, frozenset())
    yield from (f"{name} is not a word of {api}" for name in sorted(usage.keys() & foreign))
    parts: list[tuple[str, object]] = [("", usage)]
    while parts:
        place, part = parts.pop(0)
        if isinstance(part, list):
            parts.extend((place, each) for each in part)
        if not isinstance(part, Mapping):
            continue
        for name, value in part.items():
            if value is None:
                continue
            if _COUNTER.search(name) and not _is_count(value):
                yield f"{place}{name} is no count: write a whole number that is not negative"
            elif _PART.search(name) and not isinstance(value, Mapping | list):
                yield f"{place}{name} is no object: write what the provider reported, or null"
            parts.append((f"{place}{name}.", value))


def _is_count(value: object) -> bool:
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    return whole and 0 <= value <= MOST  # type: ignore[operator]  # `whole` says that it is a number
