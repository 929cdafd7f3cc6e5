"""What the tests of the responses dialect ask and are told."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.domain.message import (
    CallPiece,
    Declined,
    DeclinedPiece,
    Part,
    Piece,
    Text,
    TextPiece,
    Thinking,
    ThoughtPiece,
    ToolCall,
)
from tests.dialects.exchanges import odd_values

odd_items = st.lists(
    st.one_of(
        odd_values,
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(
                    ["message", "function_call", "function_call_output", "reasoning", "item_reference", None, 5]
                ),
                **dict.fromkeys(("role", "content", "output", "summary", "id", "call_id", "arguments"), odd_values),
            },
        ),
    ),
    max_size=4,
)
odd_fields = st.fixed_dictionaries(
    {"model": st.just("auto"), "input": st.one_of(st.text(max_size=3), odd_items)},
    optional=dict.fromkeys(
        ("instructions", "tools", "text", "reasoning", "tool_choice", "include", "max_output_tokens", "metadata"),
        odd_values,
    ),
)

texts = st.text(alphabet='ab "\\ü漢\n', min_size=1, max_size=6)
arguments = st.dictionaries(texts, texts, min_size=1, max_size=2).map(json.dumps)
parts: st.SearchStrategy[Part] = st.one_of(
    texts.map(Text),
    texts.map(Declined),
    st.builds(Thinking, texts, st.sampled_from(["", "sig"])),
    st.just(Thinking("", redacted="hidden")),
    st.builds(ToolCall, st.sampled_from(["call_1", "call_2"]), st.just("weather"), arguments),
)


def pieces_of(said: tuple[Part, ...]) -> Iterator[Piece]:
    """Give the pieces in which a provider streams an answer."""
    for place, part in enumerate(said):
        match part:
            case Text():
                yield from (TextPiece(character) for character in part.text)
            case Declined():
                yield from (DeclinedPiece(character) for character in part.text)
            case Thinking():
                yield from (ThoughtPiece(character) for character in part.text)
                if part.signature or part.redacted:
                    yield ThoughtPiece("", part.signature, part.redacted)
            case ToolCall():
                yield CallPiece(place, part.id, part.name)
                yield from (CallPiece(place, arguments=character) for character in part.arguments)
            case _:
                raise TypeError(part)


def events_in(stream: bytes) -> list[dict[str, Any]]:
    """Give the events of a stream; each is named by its type."""
    events = []
    for raw in stream.split(b"\n\n")[:-1]:
        name, data = sse.fields(raw + b"\n\n")
        events.append(json.loads(data))
        assert events[-1]["type"] == name
    return events


def event(kind: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON values
    """Give an event as OpenAI sends it."""
    return sse.event(json.dumps({"type": kind, **fields}, ensure_ascii=False).encode(), kind)


def response(*output: Mapping[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Give a response object of a provider."""
    return {"id": "resp_1", "object": "response", "model": "gpt", "status": "completed", "output": [*output], **fields}


def message(text: str) -> dict[str, Any]:
    """Give a message of a provider."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}


USED = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}
