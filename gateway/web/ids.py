"""Request ids: UUID version 7, so that they sort by time and say their day (RFC 9562, section 5.7)."""

import os
from datetime import datetime


def new_id(at: datetime) -> str:
    """Make an id for a request that came at an aware moment."""
    milliseconds = int(at.timestamp() * 1000)
    chance = os.urandom(10).hex()
    stamp = f"{milliseconds:012x}"
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{stamp[:8]}-{stamp[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[8:]}"
