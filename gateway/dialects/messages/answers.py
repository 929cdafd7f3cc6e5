"""Whole answers of the messages dialect: message objects, read and written.

Source: the API reference of `POST /v1/messages`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from gateway.dialects.carry import arguments_of
from gateway.dialects.fields import dict_of, list_of, text_of
from gateway.dialects.messages.blocks import citation_of
from gateway.dialects.messages.stream import REASONS, stop_of, usage_object
from gateway.domain.message import Declined, Part, Reply, Text, Thinking, ToolCall
from gateway.domain.usage import Usage

_encode = msgspec.json.encode


def reply_of(answer: Mapping[str, Any]) -> Reply:
    """Read a message object; a block of a kind that is not known is left out."""
    return Reply(
        id=text_of(answer.get("id")),
        model=text_of(answer.get("model")),
        parts=tuple(_parts(map(dict_of, list_of(answer.get("content"))))),
        stop=stop_of(answer.get("stop_reason")),
        stop_sequence=text_of(answer.get("stop_sequence")),
    )


def _parts(blocks: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    for block in blocks:
        match block.get("type"):
            case "text" if text := text_of(block.get("text")):
                cited = [citation_of(each) for each in list_of(block.get("citations"))]
                yield Text(text, citations=tuple(citation for citation in cited if citation is not None))
            case "thinking":
                yield Thinking(text_of(block.get("thinking")), text_of(block.get("signature")))
            case "redacted_thinking":
                yield Thinking("", redacted=text_of(block.get("data")))
            case "tool_use":
                arguments = _encode(block.get("input") or {}).decode()
                yield ToolCall(text_of(block.get("id")), text_of(block.get("name")), arguments)
            case _:
                pass


def message_of(reply: Reply, used: Usage, *, thoughts: bool) -> dict[str, Any]:
    """Give a message object; without `thoughts` those are left out, for the caller did not ask the model to think."""
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": list(_blocks(reply.parts, thoughts=thoughts)),
        "stop_reason": REASONS[reply.stop],
        "stop_sequence": reply.stop_sequence or None,
        "usage": usage_object(used),
    }


def _blocks(parts: Iterable[Part], *, thoughts: bool) -> Iterator[dict[str, Any]]:
    for part in parts:
        match part:
            case Text() | Declined():
                yield {"type": "text", "text": part.text}
            case Thinking() if thoughts and part.redacted:
                yield {"type": "redacted_thinking", "data": part.redacted}
            case Thinking() if thoughts:
                yield {"type": "thinking", "thinking": part.text, "signature": part.signature}
            case ToolCall():
                yield {
                    "type": "tool_use",
                    "id": part.id,
                    "name": part.name,
                    "input": arguments_of(part.arguments) or {},
                }
            case _:
                pass
