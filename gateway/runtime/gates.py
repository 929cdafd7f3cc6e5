"""Who is at which model, provider and step, and who waits: kept by name over reloads, judged by `engine.gates`."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from math import ceil

from gateway.domain.limit import Crowd, Crowded, Gate, GateKind
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.rule import Chain, Split, Step
from gateway.domain.snapshot import Snapshot
from gateway.engine.chain import Wait
from gateway.engine.gates import FREE_SEAT, Gatehouse, Seat, Waiter
from gateway.runtime.ports import Clock, Timekeeper

Placed = tuple[int, "Place"]
"""A place of a chain that was waited for, and what is held there."""


class Place:
    """A place at a step, held until it is left; whoever leaves it again changes nothing."""

    __slots__ = ("_clock", "_seat")

    def __init__(self, seat: Seat, clock: Clock) -> None:
        self._seat = seat
        self._clock = clock

    def leave(self) -> None:
        """Make room for the next one."""
        if self._seat is not FREE_SEAT:
            self._seat.release(self._clock.monotonic())


class GateBoard:
    """The gates of all models, providers and steps that have one."""

    def __init__(self, clock: Timekeeper, turned: Callable[[], object] = lambda: None) -> None:
        self._clock = clock
        self._turned = turned
        self._gatehouse = Gatehouse()
        self._free = Place(FREE_SEAT, clock)

    def full(self, chain: Chain) -> frozenset[int]:
        """Give the places of a chain where nobody may come in now."""
        return frozenset(
            position
            for position, step in enumerate(chain.steps)
            if step.gates and not self._gatehouse.has_room(step.gates)
        )

    def enter(self, step: Step) -> Place | None:
        """Take a place at a step, None where it is full; without waiting."""
        if not step.gates:
            return self._free
        seat = self._gatehouse.enter(step.gates, self._clock.monotonic())
        return None if seat is None else Place(seat, self._clock)

    async def wait(self, chain: Chain, wait: Wait) -> Placed | Refusal:
        """Wait for the first place of some that are full, or say why there is none to be had."""
        choices = [(position, chain.steps[position].gates) for position in wait.positions]
        names = ", ".join(dict.fromkeys(f"'{chain.steps[position].model}'" for position in wait.positions))
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now_s = self._clock.monotonic()
        waiter = self._gatehouse.wait(choices, wait.left_s, now_s, lambda: _wake(given))
        if isinstance(waiter, Crowded):
            return self._turn_away(names, "waiting would take too long" if waiter.long else FULL_QUEUE, waiter.again_s)
        if waiter.got is None and not await self._given(waiter, given):
            again_s = self._gatehouse.again_s(choices, self._clock.monotonic())
            return self._turn_away(names, f"there was no room within {waiter.until_s - now_s:.3g} s", again_s)
        if waiter.got is None:
            raise TypeError("whoever was called has a place")
        position, seat = waiter.got
        return position, Place(seat, self._clock)

    async def _given(self, waiter: Waiter, given: "asyncio.Future[None]") -> bool:
        """Wait in line; whoever leaves it without a place, for whatever reason, leaves nothing behind."""
        deadline = self._clock.deadline()
        try:
            with deadline.until(waiter.until_s):
                await given
        except TimeoutError:
            if waiter.got is None:
                self._gatehouse.leave(waiter, self._clock.monotonic())
        except asyncio.CancelledError:
            self._gatehouse.leave(waiter, self._clock.monotonic())
            raise
        finally:
            deadline.close()
        return waiter.got is not None

    def _turn_away(self, names: str, why: str, again_s: float) -> Refusal:
        self._turned()
        words = f"as many requests as may be are at every model for this request ({names}), and {why}"
        return Refusal(RefusalKind.OVERLOADED, words, retry_after_s=ceil(again_s))

    def take_up(self, snapshot: Snapshot) -> None:
        """Go by the gates of a snapshot."""
        self._gatehouse.take_up(gates_of(snapshot), self._clock.monotonic())

    def crowds(self) -> Iterator[Crowd]:
        """Say how things stand at each gate."""
        return self._gatehouse.crowds()


FULL_QUEUE = "as many wait as may"


def gates_of(snapshot: Snapshot) -> Iterator[Gate]:
    """Give all gates of a snapshot; those of a chain that several rules take are given for each."""
    for provider in snapshot.providers.values():
        if provider.gate is not None:
            yield provider.gate
    for model in snapshot.models.values():
        yield from (gate for gate in model.gates if gate.kind is GateKind.MODEL)
    for rule in snapshot.rules:
        yield from _own(rule.route.places)


def _own(places: Sequence[Step | Split]) -> Iterator[Gate]:
    for place in places:
        if isinstance(place, Step):
            yield from (gate for gate in place.gates if gate.kind is GateKind.STEP)


def _wake(given: "asyncio.Future[None]") -> None:
    if not given.done():
        given.set_result(None)
