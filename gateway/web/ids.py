"""Request ids: UUID version 7, so that they sort by time and say their day (RFC 9562, section 5.7)."""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, repeat
from struct import Struct

_CHANCE = Struct(">HHIH")
_AT_ONCE = 256
"""Ids whose chance is asked of the system together: to ask takes longer than the rest of an id."""
_chances: Iterator[tuple[int, int, int, int]] = chain.from_iterable(
    map(_CHANCE.iter_unpack, map(os.urandom, repeat(_AT_ONCE * _CHANCE.size)))
)


def new_id(at: datetime) -> str:
    """Make an id for a request that came at an aware moment."""
    milliseconds = int(at.timestamp() * 1000)
    first, second, third, last = next(_chances)
    return "%08x-%04x-7%03x-%04x-%08x%04x" % (  # noqa: UP031 - twice as fast as an f-string
        milliseconds >> 16,
        milliseconds & 0xFFFF,
        first & 0xFFF,
        second & 0x3FFF | 0x8000,
        third,
        last,
    )
