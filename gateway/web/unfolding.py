"""Request bodies that came compressed, unfolded by no more than anybody wants of them.

The server library would do it too, but it answers bytes that are not what they say in words of its own, or not at all.
"""

import zlib

FOLDED = frozenset({"gzip", "x-gzip", "deflate"})
"""The values of `Content-Encoding` whose bodies are unfolded; under any other name a body is taken as it is."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS
_DEFLATE = 8
"""What the low half of the first byte says in the format of zlib; in gzip's it is not so either."""


class NotFoldedError(ValueError):
    """The bytes are not compressed in the way that they say."""


class Unfolding:
    """The state of one body: members of gzip (RFC 1952) in a row, zlib (RFC 1950), or deflate bare (RFC 1951)."""

    __slots__ = ("_encoding", "_member")

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._member: zlib._Decompress | None = None

    def feed(self, data: bytes, most: int) -> bytes:
        """Give what `data` unfolds to, one byte more than `most` where there are more. Raises NotFoldedError."""
        out = bytearray()
        try:
            while data and len(out) <= most:
                if self._member is None or self._member.eof:
                    bare = self._encoding == "deflate" and data[0] & 0x0F != _DEFLATE
                    self._member = zlib.decompressobj(_BARE if bare else _GZIP_OR_ZLIB)
                out += self._member.decompress(data, most + 1 - len(out))
                data = self._member.unused_data
        except zlib.error as error:
            raise NotFoldedError from error
        return bytes(out)

    def end(self) -> None:
        """Take the end of the body. Raises NotFoldedError where it comes too early."""
        if self._member is not None and not self._member.eof:
            raise NotFoldedError
