"""What the readers of both dialects' streams share: bytes to events, and what the events have said so far."""

from collections.abc import Iterator
from typing import Any

from gateway.dialects import sse
from gateway.dialects.base import TOO_LONG, Bad, Block, Kind
from gateway.domain.chat import Stop


class EventReader:
    """Cuts a stream into blocks; a dialect says in `block` what each of them means.

    Without `texts` a dialect may tell plain blocks by their bytes and leave their text unread.
    """

    def __init__(self, *, texts: bool = True) -> None:
        self.texts = texts
        self.id = ""
        self.model = ""
        self.stop = Stop.END
        self.bad: Bad | None = None
        self.reported: dict[str, Any] = {}
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
        for raw in events:
            yield self.block(raw)

    def end(self) -> Iterator[Block]:
        """Give the event that the connection's end cut short, if it says something all the same."""
        rest = self._splitter.end()
        if rest and (block := self.block(rest)).kind not in (Kind.GARBAGE, Kind.PREAMBLE):
            yield block
