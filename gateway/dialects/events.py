"""What the readers of both dialects' streams share: bytes to events, and what the events have said so far."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.dialects import sse
from gateway.dialects.base import TOO_LONG, Bad, Block, Kind
from gateway.dialects.fields import UNREADABLE
from gateway.domain.chat import Stop


class Alike:
    """Tells the plain blocks of one stream by the first of them: they differ in their text alone.

    A quotation mark within a JSON string is escaped, so that between the same beginning and the same end, with none in
    between, there is nothing but text.
    """

    __slots__ = ("_after", "_around", "_before", "_lines", "_quotes")

    def __init__(self) -> None:
        self._before = self._after = b""
        self._around = self._quotes = self._lines = 0

    def learn(self, raw: bytes, start: int, size: int) -> None:
        """Take a plain block whose text begins at `start` and has so many bytes."""
        self._before, self._after = raw[:start], raw[start + size :]
        self._around = len(self._before) + len(self._after)
        self._quotes = self._before.count(b'"') + self._after.count(b'"')
        self._lines = self._before.count(b"\n") + self._after.count(b"\n")

    def characters(self, raw: bytes) -> int:
        """Count the text in a block that is like the one learnt; 0 for one that is not, or has none."""
        around = raw.startswith(self._before) and raw.endswith(self._after)
        if around and raw.count(b'"') == self._quotes and raw.count(b"\n") == self._lines:
            size = len(raw) - self._around
            return text_length(raw[len(self._before) : len(self._before) + size]) if size > 0 and self._around else 0
        return 0

    def run(self, events: Sequence[bytes]) -> tuple[bytes, int, int]:
        """Give the events at the front that are all like the one learnt: as one piece, how many, and their characters.

        They are looked at together, for a burst of them would take longer one by one. Nothing where one of them has
        no text, or a quotation mark within it: then each has to be looked at.
        """
        if not self._around:
            return b"", 0, 0
        before, after = self._before, self._after
        alike: list[bytes] = []
        for event in events:
            if not (event.startswith(before) and event.endswith(after)):
                break
            alike.append(event)
        start, end = len(before), -len(after)
        texts = [event[start:end] for event in alike]
        said = b"".join(texts)
        if not all(texts) or sse.QUOTE in said or sse.LF in said:
            return b"", 0, 0
        return b"".join(alike), len(alike), text_length(said)


def text_length(text: bytes) -> int:
    """Count the characters of what stands between the quotation marks of a JSON string."""
    if text.isascii() and sse.BACKSLASH not in text:
        return len(text)
    try:
        return len(msgspec.json.decode(b'"%s"' % text, type=str))
    except UNREADABLE:
        return len(text)


FEWEST_IN_A_RUN = 3
"""Events that are worth looking at together."""


class EventReader:
    """Cuts a stream into blocks; a dialect says in `block` what each of them means.

    Without `pieces` a dialect may tell plain blocks by their bytes and leave what they say unread.
    """

    def __init__(self, *, pieces: bool = True) -> None:
        self.pieces = pieces
        self.id = ""
        self.model = ""
        self.stop = Stop.END
        self.bad: Bad | None = None
        self.reported: dict[str, Any] = {}
        self.alike = Alike()
        self._splitter = sse.Splitter()

    def block(self, raw: bytes) -> Block:
        """Say what one event means, and take in what it says."""
        raise TypeError(f"{type(self).__name__} reads no dialect")

    def feed(self, data: bytes) -> Iterator[Block]:
        """Give the blocks that `data` completes."""
        try:
            events = self._splitter.feed(data)
        except sse.TooLongError:
            self.bad = TOO_LONG
            yield Block(b"", Kind.ERROR)
            return
        place = 0
        while place < len(events):
            yield self.block(events[place])
            place += 1
            if not self.pieces and len(events) - place >= FEWEST_IN_A_RUN:
                raw, count, characters = self.alike.run(events[place:])
                if count:
                    yield Block(raw, Kind.CONTENT, characters, events=count)
                    place += count

    def end(self) -> Iterator[Block]:
        """Give the event that the connection's end cut short, if it says something all the same."""
        rest = self._splitter.end()
        if rest and (block := self.block(rest)).kind not in (Kind.GARBAGE, Kind.PREAMBLE):
            yield block
