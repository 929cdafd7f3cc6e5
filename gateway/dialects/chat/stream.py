"""Streams of the chat completions dialect: chat.completion.chunk events, read and written.

Source: the API reference of `POST /v1/chat/completions`, streaming.
"""

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from gateway.dialects import sse, usage
from gateway.dialects.base import Block, Kind
from gateway.dialects.events import EventReader, text_length
from gateway.dialects.fields import count_of, dict_of, list_of, object_of, reported_in, text_of
from gateway.dialects.openai import bad_of
from gateway.domain.chat import Stop
from gateway.domain.message import CallPiece, Citation, CitationPiece, DeclinedPiece, Piece, TextPiece, ThoughtPiece
from gateway.domain.usage import Usage

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
_SILENT = frozenset({"role", "annotations", "audio_id"})
_encode = msgspec.json.encode


class Reader(EventReader):
    """Reads chat.completion.chunk events; without `pieces` plain ones are told by their bytes and not decoded."""

    def __init__(self, *, pieces: bool = True) -> None:
        super().__init__(pieces=pieces)
        self._refused = False
        self._tier: Any = None
        self._calls: list[str] = []
        self._places: dict[int | None, int] = {}

    @property
    def usage(self) -> Usage | None:
        """What the chunks reported so far, the last value of each counter that was not null."""
        return usage_of(self.reported, self._tier)

    def block(self, raw: bytes) -> Block:
        """Say what one event means, and take in what it says."""
        if not self.pieces and self.id and (characters := self.alike.characters(raw) or self._plain(raw)):
            return Block(raw, Kind.CONTENT, characters)
        _, data = sse.fields(raw)
        if not data:
            return Block(raw, Kind.PREAMBLE)
        if data == b"[DONE]":
            return Block(raw, Kind.END)
        chunk = object_of(data)
        if chunk is None:
            return Block(raw, Kind.GARBAGE)
        if chunk.get("error"):
            self.bad = bad_of(chunk["error"])
            return Block(raw, Kind.ERROR)
        return self._chunk(raw, chunk)

    def _plain(self, raw: bytes) -> int:
        start, size = plain_text(raw)
        if not size:
            return 0
        self.alike.learn(raw, start, size)
        return text_length(raw[start : start + size])

    def _chunk(self, raw: bytes, chunk: dict[str, Any]) -> Block:
        if not self.id:
            self.id, self.model = text_of(chunk.get("id")), text_of(chunk.get("model"))
        reported = chunk.get("usage")
        if reported:
            self.reported |= reported_in(reported)
        if tier := chunk.get("service_tier"):
            self._tier = tier
        choices = list_of(chunk.get("choices"))
        if not choices:
            return Block(raw, Kind.USAGE if reported else Kind.PREAMBLE)
        kind, characters = Kind.PREAMBLE, 0
        for choice in choices:
            parts = dict_of(choice)
            delta = dict_of(parts.get("delta"))
            if says_something(delta):
                kind = Kind.CONTENT
                self._refused = self._refused or bool(delta.get("refusal"))
                characters += characters_in(delta)
            if reason := parts.get("finish_reason"):
                self.stop = Stop.REFUSAL if self._refused else stop_of(reason)
                kind = Kind.TAIL if kind is Kind.PREAMBLE else kind
        pieces = tuple(self._said(dict_of(choices[0]))) if self.pieces and kind is not Kind.PREAMBLE else ()
        return Block(raw, kind, characters, pieces)

    def _said(self, choice: Mapping[str, Any]) -> Iterator[Piece]:
        """Give what the first choice says, for no other dialect has several."""
        delta = dict_of(choice.get("delta"))
        thought, text = worded(delta)
        if thought:
            yield ThoughtPiece(thought)
        if text:
            yield TextPiece(text, choice.get("logprobs"))
        if refusal := text_of(delta.get("refusal")):
            yield DeclinedPiece(refusal)
        for call in map(dict_of, list_of(delta.get("tool_calls"))):
            yield self._call(call)
        if self._calls and self.stop is Stop.END:
            self.stop = Stop.TOOL_USE  # some servers end with `stop` whatever the model asked for

    def _call(self, call: Mapping[str, Any]) -> CallPiece:
        """Give a piece of a call, numbered anew: some servers number no call, others all of them 0.

        A name begins another call, unless it is said again with the id that it had; an id alone does not, for there
        are servers that make up one for each piece.
        """
        index, given, function = count_of(call.get("index")), text_of(call.get("id")), dict_of(call.get("function"))
        name, arguments = text_of(function.get("name")), text_of(function.get("arguments"))
        place = self._places.get(index)
        again = place is not None and (given == self._calls[place] if given else index is not None)
        if place is None or (name and not again):
            place = self._places[index] = len(self._calls)
            self._calls.append(given)
            return CallPiece(place, given or call_id(self.id, place), name, arguments)
        return CallPiece(place, "", "", arguments)


_PLAIN = b'"delta":{"content":"'


def plain_text(raw: bytes) -> tuple[int, int]:
    """Give where the text begins in a chunk that surely holds some and nothing else, and how many bytes it has.

    There are 0 where the chunk must be decoded.

    A quotation mark within a JSON string is escaped, so that none of these bytes can stand in what a model wrote.
    """
    at = raw.find(_PLAIN) + len(_PLAIN)
    if (
        at < len(_PLAIN)
        or not raw.startswith(b"data: {")
        or raw.find(b"\n") != len(raw) - 2
        or raw.count(b'"finish_reason"') != 1
        or b'"finish_reason":null' not in raw
        or b'"error"' in raw
        or (b'"usage"' in raw and b'"usage":null' not in raw)
    ):
        return 0, 0
    return at, max(raw.find(b'"}', at) - at, 0)


def call_id(answer_id: str, place: int) -> str:
    """Make an id for a call to which the server gave none: without one its result could not be told from another's."""
    return f"call_{place}_{answer_id}"


class Writer:
    """Writes chat.completion.chunk events: the role, what is said, the finish, the usage if wanted, `[DONE]`."""

    def __init__(self, created: int, *, wants_usage: bool) -> None:
        self._created = created
        self._wants_usage = wants_usage
        self._id = ""
        self._model = ""
        self._places: dict[int, int] = {}
        self._annotations: list[dict[str, Any]] = []

    def start(self, answer_id: str, model: str) -> bytes:
        """Give the role chunk."""
        self._id, self._model = answer_id, model
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, piece: Piece) -> bytes:
        """Give the chunk of one piece; nothing for what only the model's own provider can read."""
        match piece:
            case TextPiece():
                return self._chunk({"content": piece.text}, logprobs=piece.logprobs)
            case CallPiece():
                return self._chunk({"tool_calls": [self._call(piece)]})
            case ThoughtPiece():
                return self._chunk({"reasoning_content": piece.text}) if piece.text else b""
            case DeclinedPiece():
                return self._chunk({"refusal": piece.text})
            case CitationPiece():
                self._annotations.append(annotation(piece.citation, piece.start, piece.end))
                return b""  # OpenAI's client takes a list of these once, and fails at another
            case _:
                assert_never(piece)

    def _call(self, piece: CallPiece) -> dict[str, Any]:
        """Give a piece of a call: places are dense from 0, and id and name are sent once."""
        place = self._places.get(piece.place)
        if place is not None:
            return {"index": place, "function": {"arguments": piece.arguments}}
        place = self._places[piece.place] = len(self._places)
        function = {"name": piece.name, "arguments": piece.arguments}
        return {"index": place, "id": piece.id, "type": "function", "function": function}

    def finish(self, stop: Stop, used: Usage | None) -> bytes:
        """Give the finish chunk, the usage chunk where the caller asked for one, and the marker."""
        parts = [self._chunk({"annotations": self._annotations})] if self._annotations else []
        parts.append(self._chunk({}, FINISH[stop]))
        if self._wants_usage and used is not None:
            parts.append(sse.event(_encode({**self._envelope(), "choices": [], "usage": usage_object(used)})))
        parts.append(b"data: [DONE]\n\n")
        return b"".join(parts)

    def _envelope(self) -> dict[str, Any]:
        return {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": self._model}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> bytes:  # noqa: ANN401 - decoded JSON
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return sse.event(_encode({**self._envelope(), "choices": [choice]}))


def annotation(citation: Citation, start: int, end: int) -> dict[str, Any]:
    """Give the annotation of a stretch of text, counted in characters."""
    page = {"url": citation.url, "title": citation.title, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": page}


def says_something(message: Mapping[str, Any]) -> bool:
    """Say whether a message or a delta holds anything that is for the caller."""
    if message.get("content"):
        return True
    return any(value for name, value in message.items() if name not in _SILENT)


def worded(message: Mapping[str, Any]) -> tuple[str, str]:
    """Give the thought and the text of a message or a delta.

    What others than OpenAI call its thoughts stands beside its content, or as Mistral has it in a list of both.
    """
    beside = text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))
    content = message.get("content")
    if type(content) is not list:
        return beside, text_of(content)
    thoughts, texts = [beside], []
    for part in map(dict_of, content):
        texts.append(text_of(part.get("text")))
        inner = part.get("thinking")
        thoughts += [text_of(inner), *(text_of(dict_of(each).get("text")) for each in list_of(inner))]
    return "".join(thoughts), "".join(texts)


def characters_in(message: Mapping[str, Any]) -> int:
    """Count what the model wrote in a message or a delta: text, refusal and reasoning, and what it asks of tools."""
    characters = 0
    for name, value in message.items():
        if type(value) is str and name not in _SILENT:
            characters += len(value)
    if type(message.get("content")) is list:
        characters += sum(map(len, worded({"content": message["content"]})))
    if not message.get("tool_calls"):
        return characters
    functions = [dict_of(dict_of(call).get("function")) for call in list_of(message.get("tool_calls"))]
    return characters + sum(len(text_of(function.get("arguments"))) for function in functions)


def stop_of(reason: Any) -> Stop:  # noqa: ANN401 - decoded JSON
    """Give why a model stopped; a reason that is not known is an end like any other."""
    return STOPS.get(text_of(reason), Stop.END)


def usage_of(reported: Mapping[str, Any], tier: Any) -> Usage | None:  # noqa: ANN401 - decoded JSON
    """Give what a provider reported, None where it reported nothing; without an output it is a guess to be mended."""
    if usage.counts(reported, usage.OPENAI_OUTPUT):
        return usage.openai_chat(reported, tier)
    if usage.counts(reported, usage.OPENAI_COUNTERS):
        return replace(usage.openai_chat(reported, tier), estimated=True)
    return None


def usage_object(used: Usage) -> dict[str, Any]:
    """Give usage in this dialect, where cached tokens are a part of the prompt's."""
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    }
