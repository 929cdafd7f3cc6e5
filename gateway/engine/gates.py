"""Gates: how many requests are at a model, at a provider or at a step at once, and who waits for which of them.

A place is had at all gates of a step or at none. Whoever leaves makes room for the first in line who can use it, at
once, so that a request that comes finds room only where nobody in line could use that. State is mutable and small, and
kept over reloads; limits are those of the rules taken up last. No locks: each call runs to its end without waiting.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import count
from math import inf
from operator import attrgetter
from typing import Final

from gateway.domain.limit import Crowd, Crowded, Gate, GateKind

WEIGHT: Final = 0.2
"""What the last stay counts for in the mean of the stays."""
SOONEST_S: Final = 1.0
"""Nobody is told to come again sooner."""

Key = tuple[GateKind, str]
Gates = tuple[Gate, ...]
Choice = tuple[int, Gates]
"""A place of a chain, and the gates before it."""


class Lobby:
    """One gate: who is there, who waits, and how long a stay takes."""

    __slots__ = ("gate", "key", "line", "stay_s", "there")

    def __init__(self, key: Key, gate: Gate | None) -> None:
        self.key = key
        self.gate = gate
        self.there: dict[Seat, None] = {}  # in the order in which they came
        self.line: dict[int, Waiter] = {}  # likewise
        self.stay_s: float | None = None

    @property
    def limit(self) -> float:
        """How many may be there; without a gate in the rules that run, any number."""
        return inf if self.gate is None else self.gate.limit

    @property
    def has_room(self) -> bool:
        """Say whether one more may come in."""
        return len(self.there) < self.limit

    @property
    def takes_waiters(self) -> bool:
        """Say whether one more may stand in line."""
        return self.gate is None or len(self.line) < self.gate.queue

    def wait_s(self, now: float) -> float:
        """Give how long the next one in line would wait, by how long stays took lately; 0 where nothing is known."""
        ahead = len(self.line) + 1 + len(self.there) - self.limit
        if ahead <= 0:
            return 0.0
        return ahead * self._usual_stay_s(now) / self.limit

    def left(self, seat: "Seat", now: float) -> None:
        """Take in that a stay has ended."""
        del self.there[seat]
        stay_s = now - seat.since_s
        self.stay_s = stay_s if self.stay_s is None else self.stay_s + WEIGHT * (stay_s - self.stay_s)

    def _usual_stay_s(self, now: float) -> float:
        """Give the mean; before a stay has ended it is as long as the one that began first has been by now."""
        if self.stay_s is not None:
            return self.stay_s
        return next((now - seat.since_s for seat in self.there), 0.0)


class Seat:
    """A place at some gates, held until it is released; whoever releases it again changes nothing."""

    __slots__ = ("_gatehouse", "lobbies", "since_s")

    def __init__(self, gatehouse: "Gatehouse | None", lobbies: tuple[Lobby, ...], since_s: float) -> None:
        self._gatehouse = gatehouse
        self.lobbies = lobbies
        self.since_s = since_s

    def release(self, now: float) -> None:
        """Leave, and let in who waits."""
        gatehouse, self._gatehouse = self._gatehouse, None
        if gatehouse is not None:
            gatehouse.left(self, now)


FREE_SEAT: Final = Seat(None, (), 0.0)
"""The place at a step that has no gates."""


class Waiter:
    """Whoever waits for the first of some places of a chain. `until_s` is when it waits no longer.

    `got` is the place that it was given, and its seat there.
    """

    __slots__ = ("_wake", "choices", "got", "lobbies", "number", "until_s")

    def __init__(
        self,
        number: int,
        choices: Sequence[tuple[int, tuple[Lobby, ...]]],
        until_s: float,
        wake: Callable[[], object],
    ) -> None:
        self.number = number
        self.choices = choices
        self.lobbies = {lobby.key: lobby for _, lobbies in choices for lobby in lobbies}
        self.until_s = until_s
        self.got: tuple[int, Seat] | None = None
        self._wake = wake

    def choice(self) -> tuple[int, tuple[Lobby, ...]] | None:
        """Give the first of its places that has room."""
        return next((each for each in self.choices if all(lobby.has_room for lobby in each[1])), None)

    def seat(self, position: int, seat: Seat) -> None:
        """Give it a place."""
        self.got = position, seat
        self._wake()


class Gatehouse:
    """All gates, by kind and name."""

    def __init__(self) -> None:
        self._lobbies: dict[Key, Lobby] = {}
        self._numbers = count()

    def has_room(self, gates: Gates) -> bool:
        """Say whether one more may come in at all of these gates."""
        return all(self._lobby(gate).has_room for gate in gates)

    def enter(self, gates: Gates, now: float) -> Seat | None:
        """Take a place at all of these gates, None where one of them is full."""
        if not gates:
            return FREE_SEAT
        lobbies = tuple(self._lobby(gate) for gate in gates)
        return self._seated(lobbies, now) if all(lobby.has_room for lobby in lobbies) else None

    def wait(
        self, choices: Sequence[Choice], left_s: float, now: float, wake: Callable[[], object]
    ) -> Waiter | Crowded:
        """Stand in line for the first place of these, or say why not; `wake` is called when it is there.

        Only those are waited for that are likely to be free within what their queues allow and what is left of the
        deadline, `left_s`. A place that is free is given at once, without a call.
        """
        waited, longest_s, soonest_s, long = [], 0.0, inf, False
        for position, gates in choices:
            lobbies = tuple(self._lobby(gate) for gate in gates)
            if all(lobby.has_room for lobby in lobbies):
                waiter = Waiter(next(self._numbers), (), now, wake)
                waiter.got = position, self._seated(lobbies, now)
                return waiter
            wait_s = max(lobby.wait_s(now) for lobby in lobbies)
            may_s = min(left_s, *(lobby.gate.wait_s for lobby in lobbies if lobby.gate is not None))
            soonest_s = min(soonest_s, wait_s)
            if all(lobby.takes_waiters for lobby in lobbies):
                if wait_s <= may_s and may_s > 0:
                    waited.append((position, lobbies))
                    longest_s = max(longest_s, may_s)
                else:
                    long = True
        if not waited:
            return Crowded(max(soonest_s, SOONEST_S), long)
        waiter = Waiter(next(self._numbers), tuple(waited), now + longest_s, wake)
        for lobby in waiter.lobbies.values():
            lobby.line[waiter.number] = waiter
        return waiter

    def leave(self, waiter: Waiter, now: float) -> None:
        """Wait no longer; a place that was given meanwhile is given back."""
        if waiter.got is not None:
            waiter.got[1].release(now)
        self._out_of_line(waiter)

    def again_s(self, choices: Sequence[Choice], now: float) -> float:
        """Give how long who comes now would wait for the first of some places, a second at least."""
        waits = (max(self._lobby(gate).wait_s(now) for gate in gates) for _, gates in choices)
        return max(min(waits, default=0.0), SOONEST_S)

    def left(self, seat: Seat, now: float) -> None:
        """Take a place back, and give it to the first in line who can use it."""
        for lobby in seat.lobbies:
            lobby.left(seat, now)
        self._let_in(seat.lobbies, now)

    def take_up(self, gates: Iterable[Gate], now: float) -> None:
        """Go by these from here on: limits that have changed hold at once, those that are gone hold no more."""
        written = {(gate.kind, gate.name): gate for gate in gates}
        for key, lobby in self._lobbies.items():
            lobby.gate = written.pop(key, None)
        self._lobbies.update((key, Lobby(key, gate)) for key, gate in written.items())
        self._let_in(tuple(self._lobbies.values()), now)

    def crowds(self) -> Iterator[Crowd]:
        """Say how things stand at each gate of the rules that run, and at others where somebody still is."""
        for (kind, name), lobby in self._lobbies.items():
            if lobby.gate is not None or lobby.there or lobby.line:
                limit = None if lobby.gate is None else lobby.gate.limit
                yield Crowd(kind, name, limit, len(lobby.there), len(lobby.line))

    def _lobby(self, gate: Gate) -> Lobby:
        key = gate.kind, gate.name
        lobby = self._lobbies.get(key)
        if lobby is None:
            lobby = self._lobbies[key] = Lobby(key, gate)
        return lobby

    def _seated(self, lobbies: tuple[Lobby, ...], now: float) -> Seat:
        seat = Seat(self, lobbies, now)
        for lobby in lobbies:
            lobby.there[seat] = None
        return seat

    def _let_in(self, freed: Sequence[Lobby], now: float) -> None:
        while (found := _first_in_line(freed)) is not None:
            waiter, (position, lobbies) = found
            self._out_of_line(waiter)
            waiter.seat(position, self._seated(lobbies, now))

    def _out_of_line(self, waiter: Waiter) -> None:
        for lobby in waiter.lobbies.values():
            lobby.line.pop(waiter.number, None)


def _first_in_line(lobbies: Sequence[Lobby]) -> tuple[Waiter, tuple[int, tuple[Lobby, ...]]] | None:
    """Give who came first of those that can use a place now, with the place."""
    lines = [lobby.line for lobby in lobbies if lobby.line and lobby.has_room]
    waiting = merge(*(line.values() for line in lines), key=_NUMBER)
    return next(((waiter, choice) for waiter in waiting if (choice := waiter.choice()) is not None), None)


_NUMBER = attrgetter("number")
