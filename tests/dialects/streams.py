"""Streams of both dialects as providers send them, event by event."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from gateway.dialects.base import Block, StreamReader
from gateway.dialects.chat.stream import Reader as OpenAIReader
from gateway.dialects.messages.stream import Reader as AnthropicReader
from gateway.domain.message import DeclinedPiece, TextPiece

READERS: dict[str, Callable[[], StreamReader]] = {"openai": OpenAIReader, "anthropic": AnthropicReader}


def chunk(delta: object = None, finish: object = None, **fields: Any) -> bytes:  # noqa: ANN401 - JSON values
    """Give a chat.completion.chunk event; without a delta it has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "c1", "model": "gpt-x", "choices": choices, **fields}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def named(kind: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON values
    """Give an event of the messages dialect."""
    body = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {body}\n\n".encode()


def delta(text: str) -> bytes:
    """Give a text delta of the messages dialect."""
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


DONE = b"data: [DONE]\n\n"
STOP = named("message_stop")
PREAMBLE = {
    "openai": (
        b": ping\n\n",
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk(prompt_filter_results=[]),
    ),
    "anthropic": (
        named("message_start", message={"id": "m1", "model": "c", "usage": {"input_tokens": 3, "output_tokens": 1}}),
        named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        named("ping"),
        named("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        delta(""),
    ),
}
CONTENT = {
    "openai": (chunk({"content": "Hé"}, usage=None), chunk({"content": "llo 🙂"})),
    "anthropic": (delta("Hé"), delta("llo 🙂")),
}
USAGE_BLOCK = chunk(usage={"prompt_tokens": 3, "completion_tokens": 2})
TAIL = {
    "openai": (chunk({}, "length"), USAGE_BLOCK),
    "anthropic": (
        named("content_block_stop", index=0),
        named("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 2, "input_tokens": None}),
    ),
}
END = {"openai": DONE, "anthropic": STOP}
ERROR = {
    "openai": b'data: {"error": {"type": "overloaded_error", "message": "busy"}}\n\n',
    "anthropic": named("error", error={"type": "overloaded_error", "message": "busy"}),
}
GARBAGE = {
    "openai": b"data: {\n\n",
    "anthropic": b"event: content_block_delta\ndata: \xff\n\n",
}
TEXT = "Héllo 🙂"


def whole(dialect: str) -> bytes:
    """Give a whole stream."""
    return b"".join((*PREAMBLE[dialect], *CONTENT[dialect], *TAIL[dialect], END[dialect]))


NAMED_F = {"name": "f", "arguments": ""}
NO_INPUT: dict[str, object] = {"name": "f", "input": {}}
CACHED = {"input_tokens": 21, "cache_read_input_tokens": 9, "output_tokens": 1}
CALLING = {
    "openai": b"".join(
        (
            chunk({"role": "assistant", "content": None, "refusal": None}),
            chunk({"reasoning_content": "Thé "}),
            chunk({"reasoning_content": "wind"}),
            chunk({"content": "Let me "}),
            chunk({"content": "sée 🙂"}),
            chunk({"tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": NAMED_F}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city": "Pa'}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": 'rís"}'}}]}),
            chunk({"tool_calls": [{"index": 1, "id": "call_b", "type": "function", "function": NAMED_F}]}),
            chunk({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
            chunk({}, "tool_calls"),
            chunk(usage={"prompt_tokens": 30, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 9}}),
            DONE,
        )
    ),
    "anthropic": b"".join(
        (
            named("message_start", message={"id": "c1", "model": "gpt-x", "usage": CACHED}),
            named("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
            named("ping"),
            named("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Thé "}),
            named("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "wind"}),
            named("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "sig"}),
            named("content_block_stop", index=0),
            named("content_block_start", index=1, content_block={"type": "text", "text": ""}),
            named("content_block_delta", index=1, delta={"type": "text_delta", "text": "Let me "}),
            named("content_block_delta", index=1, delta={"type": "text_delta", "text": "sée 🙂"}),
            named("content_block_stop", index=1),
            named("content_block_start", index=2, content_block={"type": "tool_use", "id": "call_a", **NO_INPUT}),
            named("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": ""}),
            named("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": '{"city": "Pa'}),
            named("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": 'rís"}'}),
            named("content_block_stop", index=2),
            named("content_block_start", index=3, content_block={"type": "tool_use", "id": "call_b", **NO_INPUT}),
            named("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": ""}),
            named("content_block_stop", index=3),
            named("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 20}),
            STOP,
        )
    ),
}
"""One answer as either provider sends it: a thought, text, and two calls of which one has no arguments."""


def text_in(blocks: Iterable[Block]) -> str:
    """Give the text that blocks of a stream say, and the words with which the model declined."""
    said = [piece for block in blocks for piece in block.pieces if isinstance(piece, TextPiece | DeclinedPiece)]
    return "".join(piece.text for piece in said)
