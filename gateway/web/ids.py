"""Request ids: UUID version 7, so that they sort by time and say their day (RFC 9562, section 5.7)."""

import os
from datetime import datetime


def new_id(at: datetime) -> str:
    """Make an id for a request that came at an aware moment."""
    milliseconds = int(at.timestamp() * 1000)
    chance = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds << 16) | 0x7000 | (chance >> 68)
    low = (0b10 << 62) | (chance & ((1 << 62) - 1))
    digits = f"{high:016x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
