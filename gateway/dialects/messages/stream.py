"""Streams of the messages dialect: message_start to message_stop, read and written.

Source: the API reference of streaming messages, version 2023-06-01.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from gateway.dialects import sse, usage
from gateway.dialects.base import Bad, Block, Kind
from gateway.dialects.events import EventReader, text_length
from gateway.dialects.fields import count_of, dict_of, object_of, reported_in, text_of, word_of
from gateway.dialects.messages.blocks import Blocks, BlockWriter, event
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.message import Piece
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
FAILURES = {
    "invalid_request_error": Failure.BAD_REQUEST,
    "authentication_error": Failure.AUTH,
    "permission_error": Failure.AUTH,
    "billing_error": Failure.QUOTA,
    "not_found_error": Failure.NOT_FOUND,
    "request_too_large": Failure.CONTEXT_LENGTH,
    "rate_limit_error": Failure.RATE_LIMITED,
    "timeout_error": Failure.TIMEOUT,
    "overloaded_error": Failure.OVERLOADED,
}
"""What the type of an error object means that comes with a 2xx."""


class Reader(EventReader):
    """Reads message_start ... message_stop; usage is spread over message_start and message_delta.

    Without `pieces` plain deltas are told by their bytes and not decoded.
    """

    def __init__(self, *, pieces: bool = True) -> None:
        super().__init__(pieces=pieces)
        self._blocks = Blocks()

    @property
    def usage(self) -> Usage | None:
        """What the events reported so far, the last value of each counter that was not null."""
        return usage_of(self.reported)

    def block(self, raw: bytes) -> Block:
        """Say what one event means, and take in what it says."""
        if not self.pieces and (characters := self.alike.characters(raw) or self._plain(raw)):
            return Block(raw, Kind.CONTENT, characters)
        _, data = sse.fields(raw)
        if not data:
            return Block(raw, Kind.PREAMBLE)
        said = object_of(data)
        if said is None:
            return Block(raw, Kind.GARBAGE)
        match said.get("type"):
            case "content_block_delta":
                return self._said(raw, said, dict_of(said.get("delta")))
            case "content_block_start":
                return self._said(raw, said, dict_of(said.get("content_block")))
            case "content_block_stop" if self.pieces:
                return Block(raw, Kind.PREAMBLE, pieces=self._blocks.ended(_index(said)))
            case "message_start":
                message = dict_of(said.get("message"))
                self.id, self.model = text_of(message.get("id")), text_of(message.get("model"))
                self.reported |= reported_in(message.get("usage"))
                return Block(raw, Kind.PREAMBLE)
            case "message_delta":
                if reason := dict_of(said.get("delta")).get("stop_reason"):
                    self.stop = stop_of(reason)
                self.reported |= reported_in(said.get("usage"))
                return Block(raw, Kind.TAIL)
            case "message_stop":
                return Block(raw, Kind.END)
            case "error":
                self.bad = bad_of(said.get("error"))
                return Block(raw, Kind.ERROR)
            case _:
                return Block(raw, Kind.PREAMBLE)

    def _said(self, raw: bytes, event: Mapping[str, Any], part: Mapping[str, Any]) -> Block:
        """Give the block for a content block or a delta of one."""
        if not says_something(part):
            return Block(raw, Kind.PREAMBLE)
        pieces = tuple(self._blocks.said(_index(event), part)) if self.pieces else ()
        return Block(raw, Kind.CONTENT, characters_in(part), pieces)

    def _plain(self, raw: bytes) -> int:
        start, size = plain_text(raw)
        if not size:
            return 0
        self.alike.learn(raw, start, size)
        return text_length(raw[start : start + size])


def _index(event: Mapping[str, Any]) -> int:
    return count_of(event.get("index")) or 0


_OPENING = b"event: content_block_delta\ndata: {"
_PLAIN = b'"delta":{"type":"text_delta","text":"'


def plain_text(raw: bytes) -> tuple[int, int]:
    """Give where the text begins in a delta that surely holds some and nothing else, and how many bytes it has.

    There are 0 where the delta must be decoded.

    A quotation mark within a JSON string is escaped, so that none of these bytes can stand in what a model wrote.
    """
    at = raw.find(_PLAIN) + len(_PLAIN)
    if at < len(_PLAIN) or not raw.startswith(_OPENING) or raw.find(b"\n", len(_OPENING)) != len(raw) - 2:
        return 0, 0
    return at, max(raw.find(b'"}', at) - at, 0)


class Writer:
    """Writes message_start ... message_stop; without `thoughts` those are left out."""

    def __init__(self, *, thoughts: bool = False) -> None:
        self._blocks = BlockWriter(thoughts=thoughts)

    def start(self, answer_id: str, model: str) -> bytes:
        """Give message_start; the input is counted at the end."""
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
        return event({"type": "message_start", "message": message})

    def piece(self, piece: Piece) -> bytes:
        """Give the events of one piece."""
        return self._blocks.piece(piece)

    def finish(self, stop: Stop, used: Usage | None) -> bytes:
        """Give the end of the open block, the reason with the usage, and message_stop."""
        delta = {"stop_reason": REASONS[stop], "stop_sequence": None}
        return (
            self._blocks.close()
            + event({"type": "message_delta", "delta": delta, "usage": usage_object(used or Usage())})
            + event({"type": "message_stop"})
        )


def says_something(part: Mapping[str, Any]) -> bool:
    """Say whether a content block or a delta holds anything that is for the caller."""
    return bool(part.get("text")) or any(value for name, value in part.items() if name != "type")


def characters_in(part: Mapping[str, Any]) -> int:
    """Count what the model wrote in a content block or a delta: text and thinking, and what it asks of tools."""
    return sum(len(text_of(part.get(name))) for name in ("text", "thinking", "partial_json"))


def stop_of(reason: Any) -> Stop:  # noqa: ANN401 - decoded JSON
    """Give why a model stopped; a reason that is not known is an end like any other."""
    return STOPS.get(text_of(reason), Stop.END)


def usage_of(reported: Mapping[str, Any]) -> Usage | None:
    """Give what a provider reported, None where it reported nothing; without an output it is a guess to be mended."""
    if usage.counts(reported, usage.ANTHROPIC_OUTPUT):
        return usage.anthropic_messages(reported)
    if usage.counts(reported, usage.ANTHROPIC_COUNTERS):
        return replace(usage.anthropic_messages(reported), estimated=True)
    return None


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
        return ProviderError(status, message=word_of(error))
    return ProviderError(status, word_of(error.get("type")), "", word_of(error.get("message")))


def bad_of(error: Any) -> Bad:  # noqa: ANN401 - decoded JSON
    """Give what an error object means that comes with a 2xx: what it would mean with its own status."""
    words = error_of(200, error)
    return Bad(FAILURES.get(words.type, Failure.SERVER_ERROR), words)
