"""What the daemon carries: bodies in memory, the lag of its event loop, and whether new requests are turned away."""

from collections.abc import Callable
from typing import Final, Self

from gateway.domain.load import Capacity, Shed
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.engine.lag import FOR_S, IN_TIME, measured
from gateway.runtime.ports import Clock, LoadMeters
from gateway.runtime.ticks import survived

MEASURED_EVERY_S: Final = 0.25
SHOWN_FOR_S: Final = 10.0
"""How long readiness goes on saying that a request was turned away."""
AGAIN_S: Final = {Shed.LAG: FOR_S}
"""When it is worth coming again: no sooner than what is wrong can be over; else after a second."""
WORDS: Final = {
    Shed.IN_FLIGHT: "as many requests as it may have are under way",
    Shed.LAG: "it is late with everything it does",
    Shed.BODIES: "the request bodies that it holds leave no room for this one",
    Shed.CONNECTIONS: "as many connections as it may have are open",
}


class Held:
    """The bytes of a request body that are in memory, until it is let go of; twice is as once."""

    __slots__ = ("_bytes", "_load")

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()

    def keeps(self, size_bytes: int, capacity: Capacity) -> bool:
        """Hold so many bytes in all; say whether there is room for them."""
        more = size_bytes - self._bytes
        if self._load.bodies_bytes + more > capacity.bodies_bytes:
            return False
        self._load.bodies_bytes += more
        self._bytes = size_bytes
        return True

    def let_go(self) -> None:
        """Hold nothing any more."""
        self._load.bodies_bytes -= self._bytes
        self._bytes = 0


class Load:
    """How much there is, and what is too much. It belongs to one event loop."""

    def __init__(self, clock: Clock, meters: LoadMeters, capacity: Callable[[], Capacity]) -> None:
        self._clock = clock
        self._meters = meters
        self._capacity = capacity
        self._lagging = IN_TIME
        self._shed_s: dict[Shed, float] = {}
        self.bodies_bytes = 0
        self.lag_s = 0.0

    def held(self) -> Held:
        """Give the holder of one request body."""
        return Held(self)

    def excess(self, in_flight: int, capacity: Capacity) -> Refusal | None:
        """Say why a request is turned away that is one of so many, None where it is taken."""
        if in_flight > capacity.in_flight:
            return self.shed(Shed.IN_FLIGHT)
        return self.shed(Shed.LAG) if self._lagging.sheds else None

    def shed(self, why: Shed) -> Refusal:
        """Turn a request away."""
        self.turned_away(why)
        wait_s = AGAIN_S.get(why, 1.0)
        words = f"the gateway takes no more requests at the moment: {WORDS[why]}"
        return Refusal(RefusalKind.OVERLOADED, words, retry_after_s=round(wait_s))

    def turned_away(self, why: Shed) -> None:
        """Note that a request was turned away."""
        self._meters.shed(why)
        self._shed_s[why] = self._clock.monotonic()

    @property
    def troubles(self) -> tuple[str, ...]:
        """What requests were turned away for a moment ago, for people."""
        now_s = self._clock.monotonic()
        return tuple(WORDS[why] for why, at_s in self._shed_s.items() if why in WORDS and now_s - at_s < SHOWN_FOR_S)

    def measure(self, lag_s: float) -> None:
        """Take in how late the event loop was."""
        self.lag_s = lag_s
        self._lagging = measured(self._lagging, lag_s, self._clock.monotonic(), self._capacity().lag_s)

    async def watch(self) -> None:
        """Measure again and again how late the loop is; never ends."""
        broken: set[str] = set()
        while True:
            due_s = self._clock.monotonic() + MEASURED_EVERY_S
            await self._clock.sleep(MEASURED_EVERY_S)
            with survived("measuring the lag of the event loop", broken):
                self.measure(max(0.0, self._clock.monotonic() - due_s))
