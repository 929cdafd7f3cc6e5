"""Streams of the chat completions dialect: chat.completion.chunk events, read and written.

Source: the API reference of `POST /v1/chat/completions`, streaming.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.dialects import sse, usage
from gateway.dialects.base import Bad, Block, Kind
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.usage import Usage
from gateway.domain.words import Failure

STOPS = {
    "stop": Stop.END,
    "length": Stop.LENGTH,
    "tool_calls": Stop.TOOL_USE,
    "function_call": Stop.TOOL_USE,
    "content_filter": Stop.REFUSAL,
}
FINISH = {
    Stop.END: "stop",
    Stop.STOP_SEQUENCE: "stop",
    Stop.LENGTH: "length",
    Stop.TOOL_USE: "tool_calls",
    Stop.REFUSAL: "content_filter",
}
_encode = msgspec.json.encode
_decode = msgspec.json.decode


class Reader:
    """Reads chat.completion.chunk events."""

    def __init__(self) -> None:
        self.id = ""
        self.model = ""
        self.stop = Stop.END
        self.usage: Usage | None = None
        self.bad: Bad | None = None
        self.garbage = 0
        self._splitter = sse.Splitter()

    def feed(self, data: bytes) -> list[Block]:
        """Give the blocks that `data` completes."""
        try:
            return [self._block(raw) for raw in self._splitter.feed(data)]
        except sse.TooLongError:
            self.bad = Bad(Failure.MALFORMED, ProviderError(200, message="the provider sent an event without an end"))
            return [Block(b"", Kind.ERROR)]

    def end(self) -> list[Block]:
        """Give the event that the connection's end cut short, if it is one after all."""
        rest = self._splitter.end()
        return [self._block(rest)] if rest.strip() else []

    def _block(self, raw: bytes) -> Block:
        _, data = sse.fields(raw)
        if not data:
            return Block(raw, Kind.PREAMBLE)
        if data == b"[DONE]":
            return Block(raw, Kind.END)
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, RecursionError):
            chunk = None
        if not isinstance(chunk, dict):
            self.garbage += 1
            return Block(raw, Kind.GARBAGE)
        if chunk.get("error"):
            self.bad = Bad(Failure.SERVER_ERROR, error_of(200, chunk["error"]))
            return Block(raw, Kind.ERROR)
        self.id = self.id or str(chunk.get("id", ""))
        self.model = self.model or str(chunk.get("model", ""))
        used = usage_of(chunk.get("usage"), chunk.get("service_tier"))
        if used is not None:
            self.usage = used
        choices = chunk.get("choices") or ()
        if not choices:
            return Block(raw, Kind.USAGE if used is not None else Kind.PREAMBLE)
        return self._choices(raw, choices)

    def _choices(self, raw: bytes, choices: Sequence[Any]) -> Block:
        kind, text = Kind.PREAMBLE, ""
        for choice in choices:
            delta = choice.get("delta")
            if isinstance(delta, dict) and says_something(delta):
                kind = Kind.CONTENT
                content = delta.get("content")
                text += content if isinstance(content, str) else ""
            if reason := choice.get("finish_reason"):
                self.stop = STOPS.get(reason, Stop.END)
                kind = kind if kind is Kind.CONTENT else Kind.TAIL
        return Block(raw, kind, text)


class Writer:
    """Writes chat.completion.chunk events: the role, the text, the finish, the usage where asked for, `[DONE]`."""

    def __init__(self, created: int, *, wants_usage: bool) -> None:
        self._created = created
        self._wants_usage = wants_usage
        self._id = ""
        self._model = ""

    def start(self, answer_id: str, model: str) -> bytes:
        """Give the role chunk."""
        self._id, self._model = answer_id, model
        return self._chunk({"role": "assistant", "content": ""}, None)

    def text(self, text: str) -> bytes:
        """Give one content chunk."""
        return self._chunk({"content": text}, None)

    def finish(self, stop: Stop, used: Usage | None) -> bytes:
        """Give the finish chunk, the usage chunk where the caller asked for one, and the marker."""
        parts = [self._chunk({}, FINISH[stop])]
        if self._wants_usage and used is not None:
            parts.append(sse.event(_encode({**self._envelope(), "choices": [], "usage": usage_object(used)})))
        parts.append(b"data: [DONE]\n\n")
        return b"".join(parts)

    def _envelope(self) -> dict[str, Any]:
        return {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": self._model}

    def _chunk(self, delta: dict[str, Any], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse.event(_encode({**self._envelope(), "choices": [choice]}))


def says_something(message: Mapping[str, Any]) -> bool:
    """Say whether a message or a delta holds anything that is for the caller."""
    return any(value for name, value in message.items() if name not in ("role", "annotations", "audio_id"))


def usage_of(reported: Any, tier: Any) -> Usage | None:  # noqa: ANN401 - decoded JSON
    """Give what a usage object says, None where there is none."""
    return usage.openai_chat(reported, tier) if isinstance(reported, dict) else None


def usage_object(used: Usage) -> dict[str, Any]:
    """Give usage in this dialect, where cached tokens are a part of the prompt's."""
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    }


def error_of(status: int, error: Any) -> ProviderError:  # noqa: ANN401 - decoded JSON
    """Give the words of an error object."""
    if not isinstance(error, dict):
        return ProviderError(status, message=str(error))
    return ProviderError(
        status, str(error.get("type") or ""), str(error.get("code") or ""), str(error.get("message") or "")
    )
