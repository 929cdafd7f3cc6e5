"""Request ids: UUID version 7, so that they sort by time and say their day (RFC 9562, section 5.7)."""

import os
from datetime import datetime


def new_id(at: datetime) -> str:
    """Make an id for a request that came at an aware moment."""
    milliseconds = int(at.timestamp() * 1000)
    chance = int.from_bytes(os.urandom(10), "big")
    whole = milliseconds << 80 | chance & _FREE | _VERSION_AND_VARIANT
    digits = f"{whole:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_VERSION_AND_VARIANT = 7 << 76 | 2 << 62
_FREE = (1 << 80) - 1 & ~(15 << 76 | 3 << 62)
