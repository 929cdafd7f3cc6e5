"""One stream on its way from a provider to a caller: held back until it says something, then passed on.

Pure and incremental: bytes in, bytes out, however they are cut. Until the first content nothing comes out, so that
another model may still answer. Within one dialect the bytes that come out are those that came in, less a usage block
that the caller did not ask for; between dialects they are written anew.
"""

from collections.abc import Iterator

from gateway.dialects.base import (
    CUT_SHORT,
    NOTHING,
    REFUSED,
    TOO_MUCH,
    UNREADABLE,
    Bad,
    Block,
    Kind,
    StreamReader,
    StreamWriter,
)
from gateway.domain.chat import Stop
from gateway.domain.usage import Usage

MOST_HELD_BYTES = 16 * 1024 * 1024
"""What may come before any content: some providers tell the whole request back, twice."""
MOST_HELD_EVENTS = 10_000
MOST_TRANSLATED_BYTES = 256 * 1024 * 1024
"""What may come of a stream that is written anew: some dialects tell the whole answer again at its end."""


class Relay:
    """The state of one stream. It keeps no more of it than the bounds above, however much comes.

    `committed` once content has come out; `closed` once the terminal marker was seen; `bad` once the stream turned
    out to be no whole answer. `garbage` counts events that could not be read. `characters` counts the characters that
    the model wrote, for an estimate where no usage is reported. `sent` counts the events for the caller.
    """

    __slots__ = (
        *("_before", "_held", "_held_bytes", "_hide_usage", "_reader", "_taken_bytes", "_writer"),
        *("bad", "characters", "closed", "committed", "garbage", "sent"),
    )

    def __init__(self, reader: StreamReader, writer: StreamWriter | None, *, hide_usage: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._hide_usage = hide_usage
        self._held: list[bytes] = []
        self._before = self._held_bytes = self._taken_bytes = 0
        self.committed = False
        self.closed = False
        self.bad: Bad | None = None
        self.garbage = 0
        self.characters = 0
        self.sent = 0

    @property
    def usage(self) -> Usage | None:
        """What the provider reported so far."""
        return self._reader.usage

    @property
    def stop(self) -> Stop:
        """Why the model stopped, as far as it has said."""
        return self._reader.stop

    @property
    def model(self) -> str:
        """The model that the provider says answers."""
        return self._reader.model

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the provider; give the bytes that may go to the caller now."""
        if self._writer is not None and not self._over():
            self._taken_bytes += len(data)
            if self._taken_bytes > MOST_TRANSLATED_BYTES:
                self.bad = TOO_MUCH
        return self._pass(self._reader.feed(data))

    def end(self) -> bytes:
        """Take the end of the provider's connection; an end without the terminal marker makes the stream bad."""
        out = self._pass(self._reader.end())
        if self.bad is None and not self.closed:
            self.bad = CUT_SHORT if self.committed else self._without_content()
        return out

    def _pass(self, blocks: Iterator[Block]) -> bytes:
        if self._over():
            return b""  # what follows the end is nobody's
        out: list[bytes] = []
        passed_on = self.committed and self._writer is None
        for block in blocks:
            if passed_on and block.kind is Kind.CONTENT:  # nearly all blocks of nearly all streams
                self.characters += block.characters
                self.sent += block.events
                out.append(block.raw)
                continue
            self._take(block, out)
            if self._over():
                break
        if not out:
            return b""
        if self._held:
            out = [*self._held, *out]
            self._held = []
        return b"".join(out) if len(out) > 1 else out[0]

    def _over(self) -> bool:
        return self.closed or self.bad is not None

    def _take(self, block: Block, out: list[bytes]) -> None:
        match block.kind:
            case Kind.ERROR:
                self.bad = self._reader.bad
                return
            case Kind.GARBAGE:
                self.garbage += 1
                if not self.committed:
                    self.bad = UNREADABLE
                    return
            case Kind.END if not self.committed:
                self.bad = self._without_content()
                return
            case Kind.END:
                self.closed = True
            case Kind.CONTENT if not self.committed:
                self.committed = True
                if self._writer is not None:
                    start = self._writer.start(self._reader.id, self._reader.model)
                    self.sent += start.count(b"\n\n")
                    out.append(start)
            case _:
                pass
        self.characters += block.characters
        data = self._written(block)
        self.sent += data.count(b"\n\n")
        if self.committed:
            out.append(data)
        else:
            self._hold(data)

    def _hold(self, data: bytes) -> None:
        """Keep what may go out once there is content."""
        self._before += 1
        self._held_bytes += len(data)
        if data:
            self._held.append(data)
        if self._before > MOST_HELD_EVENTS or self._held_bytes > MOST_HELD_BYTES:
            self._held, self.bad = [], TOO_MUCH

    def _without_content(self) -> Bad:
        return REFUSED if self._reader.stop is Stop.REFUSAL else NOTHING

    def _written(self, block: Block) -> bytes:
        if self._writer is None:
            return b"" if block.kind is Kind.USAGE and self._hide_usage else block.raw
        match block.kind:
            case Kind.END:
                return self._writer.finish(self._reader.stop, self._reader.usage)
            case _:
                return b"".join(map(self._writer.piece, block.pieces)) if block.pieces else b""
