"""The output items of a stream: the events that open, fill and close them, and what they have become.

Source: the API reference of streaming responses.
"""

from typing import Any, assert_never

import msgspec

from gateway.dialects import sse
from gateway.dialects.carry import arguments_of
from gateway.dialects.responses.items import (
    Item,
    Numbered,
    annotation,
    call_item,
    logprobs_of,
    message_item,
    refusal_part,
    summary,
    text_part,
    thought_item,
)
from gateway.domain.message import (
    CallPiece,
    CitationPiece,
    DeclinedPiece,
    Piece,
    TextPiece,
    Thinking,
    ThoughtPiece,
    ToolCall,
)

_encode = msgspec.json.encode


class Events:
    """Writes events, numbered from 0."""

    def __init__(self) -> None:
        self._next = 0

    def event(self, kind: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON values
        """Give an event on the wire, named by its type."""
        number, self._next = self._next, self._next + 1
        return sse.event(_encode({"type": kind, "sequence_number": number, **fields}), kind)


class _Item:
    """An item that is open: its place in the output, and how its events name it."""

    def __init__(self, events: Events, place: int, item_id: str) -> None:
        self._events = events
        self.place = place
        self.id = item_id

    def _event(self, kind: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON values
        return self._events.event(f"response.{kind}", item_id=self.id, output_index=self.place, **fields)

    def opened(self, item: Item) -> bytes:
        return self._events.event("response.output_item.added", output_index=self.place, item=item)

    def closed(self, item: Item) -> bytes:
        return self._events.event("response.output_item.done", output_index=self.place, item=item)


class _Message(_Item):
    """A message: parts of text and of words to decline with, one open at a time."""

    def __init__(self, events: Events, place: int, item_id: str, start: int) -> None:
        super().__init__(events, place, item_id)
        self._parts: list[Item] = []
        self._texts: list[str] = []
        self._kind = ""
        self._logprobs: list[Any] = []
        self._annotations: list[Item] = []
        self._start = start

    def begin(self) -> bytes:
        return self.opened(message_item(self.id, (), "in_progress"))

    def say(self, text: str, logprobs: list[Any], start: int) -> bytes:
        """Add to the text; `start` is how much text the answer has before it, in characters."""
        out = self._within("output_text", start)
        self._texts.append(text)
        self._logprobs += logprobs
        return out + self._part("output_text.delta", delta=text, logprobs=logprobs)

    def decline(self, text: str, start: int) -> bytes:
        out = self._within("refusal", start)
        self._texts.append(text)
        return out + self._part("refusal.delta", delta=text)

    def cite(self, piece: CitationPiece) -> bytes:
        if self._kind != "output_text" or piece.start < self._start:
            return b""
        page = annotation(piece.citation, piece.start - self._start, piece.end - self._start)
        self._annotations.append(page)
        place = len(self._annotations) - 1
        return self._part("output_text.annotation.added", annotation_index=place, annotation=page)

    def end(self, status: str) -> tuple[bytes, Item]:
        out = self._end_part()
        item = message_item(self.id, self._parts, status)
        return out + self.closed(item), item

    def _part(self, kind: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON values
        return self._event(kind, content_index=len(self._parts), **fields)

    def _within(self, kind: str, start: int) -> bytes:
        if self._kind == kind:
            return b""
        out = self._end_part()
        self._kind, self._start = kind, start
        part = text_part("") if kind == "output_text" else refusal_part("")
        return out + self._part("content_part.added", part=part)

    def _end_part(self) -> bytes:
        if not self._kind:
            return b""
        text = "".join(self._texts)
        if self._kind == "output_text":
            part = text_part(text, self._annotations, self._logprobs)
            out = self._part("output_text.done", text=text, logprobs=self._logprobs)
        else:
            part = refusal_part(text)
            out = self._part("refusal.done", refusal=text)
        out += self._part("content_part.done", part=part)
        self._parts.append(part)
        self._texts, self._logprobs, self._annotations, self._kind = [], [], [], ""
        return out


class _Thought(_Item):
    """What a model thinks; nothing follows its seal."""

    def __init__(self, events: Events, place: int, item_id: str) -> None:
        super().__init__(events, place, item_id)
        self._texts: list[str] = []
        self._signature = self._redacted = ""

    @property
    def is_sealed(self) -> bool:
        return bool(self._signature or self._redacted)

    def begin(self) -> bytes:
        return self.opened(thought_item(self.id, Thinking("")))

    def think(self, piece: ThoughtPiece) -> bytes:
        self._signature, self._redacted = piece.signature, piece.redacted
        if not piece.text:
            return b""
        out = b"" if self._texts else self._event("reasoning_summary_part.added", summary_index=0, part=summary(""))
        self._texts.append(piece.text)
        return out + self._event("reasoning_summary_text.delta", summary_index=0, delta=piece.text)

    def end(self, status: str) -> tuple[bytes, Item]:
        text, out = "".join(self._texts), b""
        if text:
            out = self._event("reasoning_summary_text.done", summary_index=0, text=text)
            out += self._event("reasoning_summary_part.done", summary_index=0, part=summary(text))
        item = thought_item(self.id, Thinking(text, self._signature, self._redacted))
        return out + self.closed(item), item


class _Call(_Item):
    """The call of a function."""

    def __init__(self, events: Events, place: int, item_id: str, piece: CallPiece) -> None:
        super().__init__(events, place, item_id)
        self._call_id, self._name = piece.id, piece.name
        self._arguments: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are JSON that is complete, so that no more can come."""
        written = "".join(self._arguments)
        return bool(written.strip()) and arguments_of(written) is not None

    def begin(self) -> bytes:
        return self.opened(call_item(self.id, ToolCall(self._call_id, self._name, ""), "in_progress"))

    def ask(self, arguments: str) -> bytes:
        if not arguments:
            return b""
        self._arguments.append(arguments)
        return self._event("function_call_arguments.delta", delta=arguments)

    def end(self, status: str) -> tuple[bytes, Item]:
        out = b"" if self._arguments else self.ask("{}")
        call = ToolCall(self._call_id, self._name, "".join(self._arguments))
        out += self._event("function_call_arguments.done", name=self._name, arguments=call.arguments)
        item = call_item(self.id, call, status)
        return out + self.closed(item), item


class ItemWriter:
    """Writes the items of one answer in the order in which they begin.

    One is closed before the next is opened, but for a call whose arguments are not complete: providers may send the
    calls of a model side by side.
    """

    def __init__(self, events: Events, ids: Numbered) -> None:
        self._events = events
        self._ids = ids
        self._begun = 0
        self._ended: dict[int, Item] = {}
        self._open: _Message | _Thought | None = None
        self._calls: dict[int, _Call] = {}
        self._asked: set[int] = set()
        self._characters = 0

    @property
    def output(self) -> list[Item]:
        """The items that have ended, in their order."""
        return [self._ended[place] for place in sorted(self._ended)]

    def piece(self, piece: Piece) -> bytes:
        """Give the events of one piece."""
        match piece:
            case TextPiece():
                out, message = self._message()
                out += message.say(piece.text, logprobs_of(piece.logprobs), self._characters)
                self._characters += len(piece.text)
                return out
            case DeclinedPiece():
                out, message = self._message()
                return out + message.decline(piece.text, self._characters)
            case CitationPiece():
                return self._open.cite(piece) if isinstance(self._open, _Message) else b""
            case ThoughtPiece():
                return self._thought(piece)
            case CallPiece():
                return self._call(piece)
            case _:
                assert_never(piece)

    def close(self, status: str) -> bytes:
        """Give the end of every item that is open; the last of all is of this status."""
        last = self._begun - 1
        waiting: list[_Message | _Thought | _Call] = [*self._calls.values(), *([self._open] if self._open else [])]
        self._calls, self._open = {}, None
        return b"".join(self._end(item, status if item.place == last else "completed") for item in waiting)

    def _end(self, item: _Message | _Thought | _Call, status: str = "completed") -> bytes:
        out, self._ended[item.place] = item.end(status)
        return out

    def _next(self) -> bytes:
        """Close what must be closed before another item begins, and count that one."""
        out = b""
        if self._open is not None:
            out = self._end(self._open)
            self._open = None
        for place, call in [*self._calls.items()]:
            if call.is_whole:
                out += self._end(call)
                del self._calls[place]
        self._begun += 1
        return out

    def _message(self) -> tuple[bytes, _Message]:
        if isinstance(self._open, _Message):
            return b"", self._open
        out, place = self._next(), self._begun - 1
        self._open = message = _Message(self._events, place, self._ids.message(place), self._characters)
        return out + message.begin(), message

    def _thought(self, piece: ThoughtPiece) -> bytes:
        out = b""
        thought = self._open
        if not isinstance(thought, _Thought) or thought.is_sealed:
            out, place = self._next(), self._begun - 1
            self._open = thought = _Thought(self._events, place, self._ids.thought(place))
            out += thought.begin()
        return out + thought.think(piece)

    def _call(self, piece: CallPiece) -> bytes:
        call = self._calls.get(piece.place)
        if call is not None:
            return call.ask(piece.arguments)
        if piece.place in self._asked:
            return b""  # its arguments were complete: nothing but white space can follow them
        self._asked.add(piece.place)
        out, place = self._next(), self._begun - 1
        call = self._calls[piece.place] = _Call(self._events, place, self._ids.call(place), piece)
        return out + call.begin() + call.ask(piece.arguments)
