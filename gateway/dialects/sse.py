"""Server-sent events: bytes in any portions to whole events.

Source: the WHATWG HTML standard, section 9.2, server-sent events. Lines end in LF, CRLF or CR; an event ends at a
blank line; a byte order mark may open the stream; lines that begin with a colon are comments.
"""

import re

LIMIT_BYTES = 8 * 1024 * 1024
"""An event longer than this is not one: the buffer is capped."""

_BLANK = re.compile(rb"(?:\r\n|\n|\r)(?:\r\n|\n|\r)")
_LINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class TooLongError(ValueError):
    """An event grew past `LIMIT_BYTES` without ending."""


class Splitter:
    """Cuts a stream into events as raw bytes, each with the blank line that ends it.

    However the stream was cut on the way, the pieces are the same and join to the same bytes.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Give the events that `data` completes. Raises TooLongError."""
        buffer = self._buffer + data if self._buffer else data
        if b"\r" not in buffer:
            *events, self._buffer = buffer.split(b"\n\n")
            events = [event + b"\n\n" for event in events]
        else:
            events = self._cut(buffer)
        if len(self._buffer) > LIMIT_BYTES:
            raise TooLongError
        return events

    def end(self) -> bytes:
        """Give what is left of an event that never ended."""
        rest, self._buffer = self._buffer, b""
        return rest

    def _cut(self, buffer: bytes) -> list[bytes]:
        events = []
        start = 0
        for blank in _BLANK.finditer(buffer):
            if blank.group() == b"\r\n" or (blank.end() == len(buffer) and buffer.endswith(b"\r")):
                continue  # one line end, not two; or a CR whose LF may still be on its way
            events.append(buffer[start : blank.end()])
            start = blank.end()
        self._buffer = buffer[start:]
        return events


def fields(event: bytes) -> tuple[str, bytes]:
    """Give an event's name and its data lines joined by LF; both are empty for a comment."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return "", event[6:-2]
    name, data = "", []
    for line in _LINE.split(event.removeprefix(_BOM)):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace")
    return name, b"\n".join(data)


def event(data: bytes, name: str = "") -> bytes:
    """Give an event on the wire; `data` is one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data) if name else b"data: %s\n\n" % data
