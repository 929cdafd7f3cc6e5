"""One stream on its way from a provider to a caller: held back until it says something, then passed on.

Pure and incremental: bytes in, bytes out, however they are cut. Until the first content nothing comes out, so that
another model may still answer. Within one dialect the bytes that come out are those that came in, less a usage block
that the caller did not ask for; between dialects they are written anew.
"""

from gateway.dialects.base import Bad, Block, Kind, StreamReader, StreamWriter
from gateway.domain.attempt import ProviderError
from gateway.domain.usage import Usage
from gateway.domain.words import Failure


class Relay:
    """The state of one stream.

    `committed` once content has come out; `closed` once the terminal marker was seen; `bad` once the stream turned
    out to be no whole answer. `text_bytes` counts the plain text that was passed on, for an estimate where no usage
    is reported.
    """

    __slots__ = ("_held", "_hide_usage", "_reader", "_writer", "bad", "closed", "committed", "text_bytes")

    def __init__(self, reader: StreamReader, writer: StreamWriter | None, *, hide_usage: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._hide_usage = hide_usage
        self._held: list[bytes] = []
        self.committed = False
        self.closed = False
        self.bad: Bad | None = None
        self.text_bytes = 0

    @property
    def usage(self) -> Usage | None:
        """What the provider reported so far."""
        return self._reader.usage

    @property
    def model(self) -> str:
        """The model that the provider says answers."""
        return self._reader.model

    @property
    def garbage(self) -> int:
        """Events that could not be read so far."""
        return self._reader.garbage

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the provider; give the bytes that may go to the caller now."""
        return self._pass(self._reader.feed(data))

    def end(self) -> bytes:
        """Take the end of the provider's connection; an end without the terminal marker makes the stream bad."""
        out = self._pass(self._reader.end())
        if self.bad is None and not self.closed:
            failure = Failure.TRUNCATED if self.committed else Failure.EMPTY
            words = "the provider's stream ended in the middle of the answer" if self.committed else _NOTHING
            self.bad = Bad(failure, ProviderError(200, message=words))
        return out

    def _pass(self, blocks: list[Block]) -> bytes:
        out: list[bytes] = []
        for block in blocks:
            if self.closed or self.bad is not None:
                break  # what follows the end is nobody's
            self._take(block, out)
        if not out:
            return b""
        if self._held:
            out = [*self._held, *out]
            self._held = []
        return b"".join(out) if len(out) > 1 else out[0]

    def _take(self, block: Block, out: list[bytes]) -> None:
        match block.kind:
            case Kind.ERROR:
                self.bad = self._reader.bad
                return
            case Kind.GARBAGE if not self.committed:
                words = "the provider sent an event that cannot be read"
                self.bad = Bad(Failure.MALFORMED, ProviderError(200, message=words))
                return
            case Kind.END:
                self.closed = True
                if not self.committed:
                    self.bad = Bad(Failure.EMPTY, ProviderError(200, message=_NOTHING))
                    return
            case Kind.CONTENT if not self.committed:
                self.committed = True
                if self._writer is not None:
                    out.append(self._writer.start(self._reader.id, self._reader.model))
            case _:
                pass
        self.text_bytes += len(block.text)
        if data := self._written(block):
            (out if self.committed else self._held).append(data)

    def _written(self, block: Block) -> bytes:
        if self._writer is None:
            return b"" if block.kind is Kind.USAGE and self._hide_usage else block.raw
        match block.kind:
            case Kind.CONTENT:
                return self._writer.text(block.text) if block.text else b""
            case Kind.END:
                return self._writer.finish(self._reader.stop, self._reader.usage)
            case _:
                return b""


_NOTHING = "the provider's stream ended without any content"
