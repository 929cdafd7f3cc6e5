"""The system's clock."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Time as this machine has it."""

    def now(self) -> datetime:
        """Give the time of day in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the edge

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
