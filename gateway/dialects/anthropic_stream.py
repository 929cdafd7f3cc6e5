"""Streams of the messages dialect: message_start to message_stop, read and written.

Source: the API reference of streaming messages, version 2023-06-01.
"""

from typing import Any

import msgspec

from gateway.dialects import sse, usage
from gateway.dialects.base import Bad, Block, Kind
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.usage import Usage
from gateway.domain.words import Failure

STOPS = {
    "end_turn": Stop.END,
    "pause_turn": Stop.END,
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.LENGTH,
    "stop_sequence": Stop.STOP_SEQUENCE,
    "tool_use": Stop.TOOL_USE,
    "refusal": Stop.REFUSAL,
}
REASONS = {
    Stop.END: "end_turn",
    Stop.LENGTH: "max_tokens",
    Stop.STOP_SEQUENCE: "stop_sequence",
    Stop.TOOL_USE: "tool_use",
    Stop.REFUSAL: "refusal",
}
_encode = msgspec.json.encode
_decode = msgspec.json.decode


class Reader:
    """Reads message_start ... message_stop; usage is spread over message_start and message_delta."""

    def __init__(self) -> None:
        self.id = ""
        self.model = ""
        self.stop = Stop.END
        self.bad: Bad | None = None
        self.garbage = 0
        self._reported: dict[str, Any] = {}
        self._splitter = sse.Splitter()

    @property
    def usage(self) -> Usage | None:
        """What the events reported so far, the last value of each counter that was not null."""
        return usage_of(self._reported)

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
        try:
            event = _decode(data)
        except (msgspec.DecodeError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self.garbage += 1
            return Block(raw, Kind.GARBAGE)
        match event.get("type"):
            case "content_block_delta":
                delta = event.get("delta") or {}
                text = delta.get("text") if delta.get("type") == "text_delta" else ""
                return Block(raw, Kind.CONTENT, text or "")
            case "content_block_start":
                block = event.get("content_block") or {}
                filled = block.get("type") != "text" or block.get("text")
                return Block(raw, Kind.CONTENT if filled and block.get("type") != "thinking" else Kind.PREAMBLE)
            case "message_start":
                message = event.get("message") or {}
                self.id, self.model = str(message.get("id", "")), str(message.get("model", ""))
                self._report(message.get("usage"))
                return Block(raw, Kind.PREAMBLE)
            case "message_delta":
                self.stop = STOPS.get((event.get("delta") or {}).get("stop_reason") or "", self.stop)
                self._report(event.get("usage"))
                return Block(raw, Kind.TAIL)
            case "message_stop":
                return Block(raw, Kind.END)
            case "error":
                self.bad = Bad(Failure.SERVER_ERROR, error_of(200, event.get("error")))
                return Block(raw, Kind.ERROR)
            case _:
                return Block(raw, Kind.PREAMBLE)

    def _report(self, reported: Any) -> None:  # noqa: ANN401 - decoded JSON
        if isinstance(reported, dict):
            self._reported |= {name: value for name, value in reported.items() if value is not None}


class Writer:
    """Writes message_start ... message_stop around one text block."""

    def start(self, answer_id: str, model: str) -> bytes:
        """Give message_start and the start of the text block; the input is counted at the end."""
        message: dict[str, Any] = {
            "id": answer_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(Usage()),
        }
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return _event({"type": "message_start", "message": message}) + _event(block)

    def text(self, text: str) -> bytes:
        """Give one text delta."""
        delta = {"type": "text_delta", "text": text}
        return _event({"type": "content_block_delta", "index": 0, "delta": delta})

    def finish(self, stop: Stop, used: Usage | None) -> bytes:
        """Give the end of the block, the reason with the usage, and message_stop."""
        delta = {"stop_reason": REASONS[stop], "stop_sequence": None}
        return (
            _event({"type": "content_block_stop", "index": 0})
            + _event({"type": "message_delta", "delta": delta, "usage": usage_object(used or Usage())})
            + _event({"type": "message_stop"})
        )


def usage_of(reported: Any) -> Usage | None:  # noqa: ANN401 - decoded JSON
    """Give what a usage object says, None where there is none."""
    return usage.anthropic_messages(reported) if isinstance(reported, dict) and reported else None


def usage_object(used: Usage) -> dict[str, Any]:
    """Give usage in this dialect, where cached tokens stand beside the input's."""
    return {
        "input_tokens": used.fresh_input_tokens,
        "cache_creation_input_tokens": used.cache_write_5m_tokens + used.cache_write_1h_tokens,
        "cache_read_input_tokens": used.cache_read_tokens,
        "output_tokens": used.output_tokens,
    }


def error_of(status: int, error: Any) -> ProviderError:  # noqa: ANN401 - decoded JSON
    """Give the words of an error object."""
    if not isinstance(error, dict):
        return ProviderError(status, message=str(error))
    return ProviderError(status, str(error.get("type") or ""), "", str(error.get("message") or ""))


def _event(fields: dict[str, Any]) -> bytes:
    return sse.event(_encode(fields), fields["type"])
