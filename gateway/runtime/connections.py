"""Looks at all connections of callers once a second, and closes those whose callers are too slow.

One round of looks in place of timers: a request costs nothing here, however many there are.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from typing import Final, Protocol

from gateway.domain.load import Capacity, Cut, Look, Patience, Seen
from gateway.engine.patience import too_slow, watched
from gateway.runtime.ports import Clock, LoadMeters
from gateway.runtime.ticks import survived

EVERY_S: Final = 1.0
AT_A_TIME: Final = 250
"""Connections that are looked at before others have their turn: half a millisecond or so."""
SPARE: Final = 64
"""Connections beyond the limit that are taken all the same: over them operators are answered, and callers are told."""
CROWDED_IDLE_S: Final = 1.0
"""How long a connection may be idle while there are more of them than may be."""


class Connection(Protocol):
    """A connection of a caller."""

    seen: Seen | None

    def look(self) -> Look:
        """Say how it is now."""
        ...

    def cut(self, why: Cut) -> None:
        """Close it, or have its caller told first."""
        ...


class Standing(Enum):
    """How a connection is taken: as any, as one beyond the limit, or not."""

    TAKEN = auto()
    SPARE = auto()
    REFUSED = auto()


class Connections:
    """All that are open."""

    def __init__(
        self, clock: Clock, meters: LoadMeters, capacity: Callable[[], Capacity], patience: Callable[[], Patience]
    ) -> None:
        self._clock = clock
        self._meters = meters
        self._capacity = capacity
        self._patience = patience
        self._open: dict[Connection, None] = {}
        self._counted = 0
        self.most: int | None = None
        """What the system has descriptors for, None where that is not known."""

    def __len__(self) -> int:
        return len(self._open)

    def came(self, connection: Connection, *, counted: bool) -> Standing:
        """Take a connection; one that is not `counted` is of operators, who have an address of their own."""
        if not counted:
            self._open[connection] = None
            return Standing.TAKEN
        over = self._counted - self._limit
        if over >= SPARE:
            self._meters.cut(Cut.CONNECTIONS)
            return Standing.REFUSED
        self._open[connection] = None
        self._counted += 1
        return Standing.SPARE if over >= 0 else Standing.TAKEN

    def went(self, connection: Connection, *, counted: bool) -> None:
        """Note that one is closed; one that was refused was never there."""
        if connection in self._open:
            del self._open[connection]
            self._counted -= counted

    async def watch(self) -> None:
        """Look at all of them again and again; never ends."""
        broken: set[str] = set()
        while True:
            await self._clock.sleep(EVERY_S)
            every = tuple(self._open)
            for first in range(0, len(every), AT_A_TIME):
                with survived("looking at the connections of callers", broken):
                    self.look_at(every[first : first + AT_A_TIME])
                await asyncio.sleep(0)

    def look_at(self, connections: tuple[Connection, ...]) -> None:
        """Look at some of them, and cut those that are too slow."""
        now_s, patience = self._clock.monotonic(), self._patience()
        if self._counted > self._limit:
            patience = replace(patience, idle_s=min(patience.idle_s, CROWDED_IDLE_S))
        for connection in connections:
            if connection not in self._open:
                continue  # closed since the round began
            seen = connection.seen = watched(connection.seen, connection.look(), now_s)
            why = too_slow(seen, now_s, patience)
            if why is not None:
                self._meters.cut(why)
                connection.seen = None
                connection.cut(why)

    @property
    def _limit(self) -> int:
        limit = self._capacity().connections
        return limit if self.most is None else min(limit, self.most)
