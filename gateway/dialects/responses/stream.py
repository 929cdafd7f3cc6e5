"""Streams of the responses dialect: response.created to response.completed, read and written.

Source: the API reference of streaming responses.
"""

from collections.abc import Mapping
from typing import Any

from gateway.dialects import sse
from gateway.dialects.base import Block, Kind
from gateway.dialects.events import EventReader, text_length
from gateway.dialects.fields import dict_of, object_of, reported_in, text_of
from gateway.dialects.openai import bad_of
from gateway.dialects.responses.answers import ended, frame, reason_of, stop_of, usage_of
from gateway.dialects.responses.items import Item, Numbered
from gateway.dialects.responses.writer import Events, ItemWriter
from gateway.domain.chat import Stop
from gateway.domain.message import DeclinedPiece, Piece
from gateway.domain.usage import Usage

_BEFORE_TEXT = ("message", "reasoning")
"""Items that say nothing yet when they are added."""


class Reader(EventReader):
    """Reads response.created ... response.completed of a provider whose streams are passed on as they are.

    What it used and why it ended stands in the last event; some servers tell a part of it in the first.
    """

    def __init__(self) -> None:
        super().__init__(pieces=False)
        self._last: Mapping[str, Any] = {}

    @property
    def usage(self) -> Usage | None:
        """What the events reported so far, the last value of each counter that was not null."""
        return usage_of(self._last, self.reported)

    def block(self, raw: bytes) -> Block:
        """Say what one event means, and take in what it says."""
        if size := plain_text(raw):
            return Block(raw, Kind.CONTENT, size)
        _, data = sse.fields(raw)
        if not data:
            return Block(raw, Kind.PREAMBLE)
        said = object_of(data)
        if said is None:
            return Block(raw, Kind.GARBAGE)
        kind = text_of(said.get("type"))
        if kind.endswith(".delta"):
            size = len(text_of(said.get("delta")))
            return Block(raw, Kind.CONTENT if size else Kind.PREAMBLE, size)
        match kind:
            case "response.output_item.added":
                begun = dict_of(said.get("item")).get("type") not in _BEFORE_TEXT
                return Block(raw, Kind.CONTENT if begun else Kind.PREAMBLE)
            case "response.created" | "response.in_progress":
                self._take(dict_of(said.get("response")))
                return Block(raw, Kind.PREAMBLE)
            case "response.completed" | "response.incomplete":
                self._take(dict_of(said.get("response")))
                self.stop = stop_of(self._last)
                return Block(raw, Kind.END)
            case "response.failed":
                self._take(dict_of(said.get("response")))
                self.bad = bad_of(self._last.get("error") or {})
                return Block(raw, Kind.ERROR)
            case "error":
                self.bad = bad_of(said.get("error") or {**said, "type": None})  # its type is that of the event
                return Block(raw, Kind.ERROR)
            case _ if said.get("error"):
                self.bad = bad_of(said["error"])
                return Block(raw, Kind.ERROR)
            case _:
                return Block(raw, Kind.PREAMBLE)

    def _take(self, response: Mapping[str, Any]) -> None:
        self._last = response
        self.reported |= reported_in(response.get("usage"))
        self.id, self.model = text_of(response.get("id")) or self.id, text_of(response.get("model")) or self.model


_OPENING = b"event: response.output_text.delta\ndata: {"
_DELTA = b'"delta":"'
_BACKSLASH = ord("\\")


def plain_text(raw: bytes) -> int:
    """Count the text in an event that surely is a delta of text, without decoding it; 0 where it must be decoded.

    A quotation mark within a JSON string is escaped, so that none of these bytes can stand in what a model wrote; a
    text that has one, or ends with a backslash, is for the decoder.
    """
    start = raw.find(_DELTA) + len(_DELTA)
    if start < len(_DELTA) or not raw.startswith(_OPENING) or raw.find(b"\n", len(_OPENING)) != len(raw) - 2:
        return 0
    end = raw.find(b'"', start)
    return text_length(raw[start:end]) if end > start and raw[end - 1] != _BACKSLASH else 0


class Writer:
    """Writes response.created ... response.completed, or response.incomplete."""

    def __init__(self, fields: Mapping[str, Any], request_id: str, created: int) -> None:
        self._fields = fields
        self._ids = Numbered(request_id)
        self._created = created
        self._events = Events()
        self._items = ItemWriter(self._events, self._ids)
        self._begun: Item = {}
        self._declined = False

    def start(self, answer_id: str, model: str) -> bytes:
        """Give the response as it begins, twice, as this dialect has it."""
        self._begun = frame(self._fields, self._ids.response, self._created, model)
        kinds = ("response.created", "response.in_progress")
        return b"".join(self._events.event(kind, response=self._begun) for kind in kinds)

    def piece(self, piece: Piece) -> bytes:
        """Give the events of one piece."""
        self._declined = self._declined or isinstance(piece, DeclinedPiece)
        return self._items.piece(piece)

    def finish(self, stop: Stop, used: Usage | None) -> bytes:
        """Give the end of the open items, and the whole response."""
        reason = reason_of(stop, declined=self._declined)
        status = "completed" if reason is None else "incomplete"
        out = self._items.close(status)
        return out + self._events.event(
            f"response.{status}", response=ended(self._begun, self._items.output, reason, used)
        )
