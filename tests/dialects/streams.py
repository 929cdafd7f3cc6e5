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


def text_in(blocks: Iterable[Block]) -> str:
    """Give the text that blocks of a stream say, and the words with which the model declined."""
    said = [piece for block in blocks for piece in block.pieces if isinstance(piece, TextPiece | DeclinedPiece)]
    return "".join(piece.text for piece in said)
