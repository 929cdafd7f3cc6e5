"""The content blocks of a messages stream: what the deltas within them say, and the deltas of what there is to say.

Source: the API reference of streaming messages, version 2023-06-01.
"""

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

import msgspec

from gateway.dialects import sse
from gateway.dialects.fields import dict_of, list_of, text_of
from gateway.domain.message import CallPiece, Citation, CitationPiece, DeclinedPiece, Piece, TextPiece, ThoughtPiece

_encode = msgspec.json.encode


def citation_of(written: Any) -> Citation | None:  # noqa: ANN401 - decoded JSON
    """Read what a text rests on, None for anything but a page on the net."""
    page = dict_of(written)
    url = text_of(page.get("url"))
    return Citation(url, text_of(page.get("title")), text_of(page.get("cited_text"))) if url else None


class Blocks:
    """Reads the blocks of one stream; a block of a kind that is not known says nothing."""

    def __init__(self) -> None:
        self._calls: dict[int, bool] = {}
        self._citations: list[Citation] = []
        self._start = self._end = 0

    def said(self, index: int, part: Mapping[str, Any]) -> Iterator[Piece]:
        """Give what a block begins with, or what a delta within it adds."""
        match part.get("type"):
            case "text" | "text_delta":
                yield from self._text(part)
            case "tool_use":
                given = part.get("input")
                self._calls[index] = bool(given)
                arguments = _encode(given).decode() if given else ""
                yield CallPiece(index, text_of(part.get("id")), text_of(part.get("name")), arguments)
            case "input_json_delta" if index in self._calls:
                self._calls[index] = True
                yield CallPiece(index, arguments=text_of(part.get("partial_json")))
            case "thinking" | "thinking_delta" | "signature_delta":
                yield ThoughtPiece(text_of(part.get("thinking")), text_of(part.get("signature")))
            case "redacted_thinking":
                yield ThoughtPiece(redacted=text_of(part.get("data")))
            case "citations_delta" if (citation := citation_of(part.get("citation"))) is not None:
                self._citations.append(citation)
            case _:
                pass

    def _text(self, part: Mapping[str, Any]) -> Iterator[Piece]:
        self._citations += [each for each in map(citation_of, list_of(part.get("citations"))) if each is not None]
        if text := text_of(part.get("text")):
            self._end += len(text)
            yield TextPiece(text)

    def ended(self, index: int) -> tuple[Piece, ...]:
        """Take the end of a block; give what its text rests on, and for a call without arguments an empty object."""
        pieces: list[Piece] = [CitationPiece(each, self._start, self._end) for each in self._citations]
        self._citations, self._start = [], self._end
        if self._calls.get(index) is False:
            self._calls[index] = True
            pieces.append(CallPiece(index, arguments="{}"))
        return tuple(pieces)


class BlockWriter:
    """Writes content blocks, one open at a time, dense from 0; without `thoughts` those are left out."""

    def __init__(self, *, thoughts: bool) -> None:
        self._thoughts = thoughts
        self._next = 0
        self._open: object = None
        self._index = 0
        self._calls: dict[int, int] = {}

    def piece(self, piece: Piece) -> bytes:
        """Give the events of one piece."""
        match piece:
            case TextPiece() | DeclinedPiece():
                delta = {"type": "text_delta", "text": piece.text}
                return self._within("text", {"type": "text", "text": ""}) + self._delta(delta)
            case CallPiece():
                return self._call(piece)
            case ThoughtPiece() if self._thoughts:
                return self._thought(piece)
            case ThoughtPiece() | CitationPiece():
                return b""
            case _:
                assert_never(piece)

    def close(self) -> bytes:
        """Give the end of the open block, if one is open."""
        if self._open is None:
            return b""
        self._open = None
        return event({"type": "content_block_stop", "index": self._index})

    def _call(self, piece: CallPiece) -> bytes:
        out = b""
        if piece.place not in self._calls:
            out = self._begin(piece.place, {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}})
            self._calls[piece.place] = self._index
        if not piece.arguments:
            return out
        delta = {"type": "input_json_delta", "partial_json": piece.arguments}
        return out + self._delta(delta, self._calls[piece.place])

    def _thought(self, piece: ThoughtPiece) -> bytes:
        if piece.redacted:
            return self._begin("redacted", {"type": "redacted_thinking", "data": piece.redacted})
        out = self._within("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if piece.text:
            out += self._delta({"type": "thinking_delta", "thinking": piece.text})
        if piece.signature:
            out += self._delta({"type": "signature_delta", "signature": piece.signature})
        return out

    def _within(self, kind: str, block: dict[str, Any]) -> bytes:
        return b"" if self._open == kind else self._begin(kind, block)

    def _begin(self, kind: object, block: dict[str, Any]) -> bytes:
        out = self.close()
        self._open, self._index = kind, self._next
        self._next += 1
        return out + event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: dict[str, Any], index: int | None = None) -> bytes:
        place = self._index if index is None else index
        return event({"type": "content_block_delta", "index": place, "delta": delta})


def event(fields: dict[str, Any]) -> bytes:
    """Give an event on the wire, named by its type."""
    return sse.event(_encode(fields), fields["type"])
