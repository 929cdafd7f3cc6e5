"""What gates promise: never more than may be there, first come first served, and nobody waits in vain or for ever.

The machine of `Scene` plays requests that come, wait, give up and leave, over limits that change, and looks at all of
them after each move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limit import Crowded, Gate, GateKind
from gateway.engine.gates import FREE_SEAT, Gatehouse, Gates, Seat, Waiter

NAMES = ("a", "b", "c")
SHOP = "shop"


def gate(name: str, limit: int, queue: int = 100, wait_s: float = 10.0) -> Gate:
    return Gate(GateKind.PROVIDER if name == SHOP else GateKind.MODEL, name, limit, queue, wait_s)


def nothing() -> None:
    """Wake nobody."""


@dataclass
class Scene:
    """Requests at models of which each may be behind the gate of a shop too."""

    limits: dict[str, int]
    queue: int = 3
    house: Gatehouse = field(default_factory=Gatehouse)
    now: float = 0.0
    seats: list[Seat] = field(default_factory=list)
    waiting: list[tuple[Waiter, frozenset[str]]] = field(default_factory=list)
    woken: list[int] = field(default_factory=list)
    came: int = 0

    def gates(self, name: str) -> Gates:
        return gate(name, self.limits[name], self.queue), gate(SHOP, self.limits[SHOP], self.queue)

    def there(self, name: str) -> int:
        return next((crowd.there for crowd in self.house.crowds() if crowd.name == name), 0)

    def room(self, name: str) -> bool:
        return all(self.there(each) < self.limits[each] for each in (name, SHOP))

    def come(self, names: Sequence[str]) -> None:
        """Come in at the first model with room, else wait for all of them."""
        for name in names:
            seat = self.house.enter(self.gates(name), self.now)
            assert (seat is not None) == self.room_before(name, seat)
            if seat is not None:
                self.seats.append(seat)
                return
        self.came += 1
        number = self.came
        asked = [(place, self.gates(name)) for place, name in enumerate(names)]
        waiter = self.house.wait(asked, 1e9, self.now, lambda: self.woken.append(number))
        if isinstance(waiter, Waiter):
            assert waiter.got is None
            self.waiting.append((waiter, frozenset(names)))

    def room_before(self, name: str, seat: Seat | None) -> bool:
        taken = seat is not None
        return all(self.there(each) - taken < self.limits[each] for each in (name, SHOP))

    def settle(self) -> None:
        """Take those that were let in out of those who wait."""
        self.seats += [waiter.got[1] for waiter, _ in self.waiting if waiter.got is not None]
        self.waiting = [each for each in self.waiting if each[0].got is None]

    def check(self) -> None:
        for crowd in self.house.crowds():
            assert crowd.waiting <= self.queue
        assert not [names for _, names in self.waiting if any(self.room(name) for name in names)], "room, and a line"


moves = st.lists(
    st.tuples(st.just("come"), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    | st.tuples(st.sampled_from(["leave", "give up"]), st.integers(0, 30))
    | st.tuples(st.just("limit"), st.tuples(st.sampled_from([*NAMES, SHOP]), st.integers(1, 4))),
    max_size=60,
)
limits = st.fixed_dictionaries({**dict.fromkeys(NAMES, st.integers(1, 3)), SHOP: st.integers(1, 6)})


@given(limits, moves)
def test_never_more_are_there_than_may_be_and_nobody_waits_beside_room(
    limits: dict[str, int], moves: list[tuple[str, Any]]
) -> None:
    """After each coming, leaving, giving up and reload; once all have gone, nothing is held and nobody waits."""
    scene = Scene(dict(limits))
    for kind, what in moves:
        scene.now += 1.0
        before = {name: scene.there(name) for name in (*NAMES, SHOP)}
        match kind:
            case "come":
                scene.come(what)
            case "leave" if scene.seats:
                scene.seats.pop(what % len(scene.seats)).release(scene.now)
            case "give up" if scene.waiting:
                scene.house.leave(scene.waiting.pop(what % len(scene.waiting))[0], scene.now)
            case "limit":
                scene.limits[what[0]] = what[1]
                scene.house.take_up([gate(name, most, scene.queue) for name, most in scene.limits.items()], scene.now)
            case _:
                pass  # nobody is there to leave
        scene.settle()
        scene.check()
        for name in (*NAMES, SHOP):
            assert scene.there(name) <= max(scene.limits[name], before[name])
    for waiter, _ in scene.waiting:
        scene.house.leave(waiter, scene.now)
    for seat in scene.seats:
        seat.release(scene.now)
    assert not [crowd for crowd in scene.house.crowds() if crowd.there or crowd.waiting]


@given(st.integers(1, 4), st.lists(st.sampled_from(["come", "leave"]), max_size=60))
def test_who_waits_for_the_same_place_is_let_in_as_it_came(limit: int, moves: list[str]) -> None:
    scene = Scene({**dict.fromkeys(NAMES, limit), SHOP: 100}, queue=100)
    for move in moves:
        if move == "come":
            scene.come(["a"])
        elif scene.seats:
            scene.seats.pop(0).release(scene.now)
        scene.settle()
    assert scene.woken == list(range(1, len(scene.woken) + 1))


def test_who_cannot_use_what_is_free_does_not_hold_up_who_can() -> None:
    """The first in line waits for a model that stays full; the second gets the place in the shop."""
    house = Gatehouse()
    shop = gate(SHOP, 2)
    at_a, at_b = (gate("a", 1), shop), (gate("b", 2), shop)
    long, short = house.enter(at_a, 0.0), house.enter(at_b, 0.0)
    assert long is not None
    assert short is not None
    first = house.wait([(0, at_a)], 60.0, 0.0, nothing)
    second = house.wait([(0, at_b)], 60.0, 0.0, nothing)
    assert isinstance(first, Waiter)
    assert isinstance(second, Waiter)
    short.release(1.0)
    assert (first.got is None, second.got is None) == (True, False)
    long.release(2.0)
    assert first.got is not None


def full_for(stay_s: float, limit: int = 1, **line: Any) -> tuple[Gatehouse, Gates]:  # noqa: ANN401 - of a gate
    """Give a gate that is full, where each stay took so long."""
    house, gates = Gatehouse(), (gate("a", limit, **line),)
    for _ in range(limit):
        seat = house.enter(gates, 0.0)
        assert seat is not None
        seat.release(stay_s)
    for _ in range(limit):
        assert house.enter(gates, stay_s) is not None
    return house, gates


@pytest.mark.parametrize(
    ("stay_s", "limit", "left_s", "wait_s", "fits"),
    [
        (8.0, 1, 60.0, 10.0, [True, False]),
        (8.0, 2, 60.0, 10.0, [True, True, False]),
        (8.0, 1, 7.0, 10.0, [False]),
        (3.0, 1, 7.0, 10.0, [True, True, False]),
        (30.0, 1, 600.0, 10.0, [False]),
        (8.0, 1, 0.0, 10.0, [False]),
    ],
    ids=["its own limit", "two at once", "the deadline", "the deadline, shared", "long stays", "no deadline left"],
)
def test_who_would_wait_too_long_is_turned_away_at_once(
    stay_s: float, limit: int, left_s: float, wait_s: float, fits: list[bool]
) -> None:
    """By its place in line and how long stays took lately; the seconds it is told are those of that wait."""
    house, gates = full_for(stay_s, limit, wait_s=wait_s)
    for ahead, expected in enumerate(fits, 1):
        answer = house.wait([(0, gates)], left_s, stay_s, nothing)
        assert isinstance(answer, Waiter) == expected
        if isinstance(answer, Waiter):
            assert answer.until_s == stay_s + min(left_s, wait_s)
        else:
            assert answer == Crowded(ahead * stay_s / limit, long=True)


def test_a_line_has_an_end() -> None:
    """Its number is that of the gate; 0 lets nobody wait. Whoever is turned away is told when it may be his turn."""
    house, gates = full_for(2.0, queue=2)
    lines = [house.wait([(0, gates)], 60.0, 2.0, nothing) for _ in range(3)]
    assert [isinstance(each, Waiter) for each in lines] == [True, True, False]
    assert lines[2] == Crowded(6.0, long=False)
    assert house.again_s([(0, gates)], 2.0) == 6.0
    nobody, gates = full_for(0.25, queue=0)
    assert nobody.wait([(0, gates)], 60.0, 0.25, nothing) == Crowded(1.0, long=False)


def test_before_a_stay_has_ended_it_is_as_long_as_the_longest_is_by_now() -> None:
    house, gates = Gatehouse(), (gate("a", 1),)
    house.enter(gates, 100.0)
    assert isinstance(house.wait([(0, gates)], 60.0, 100.0, nothing), Waiter)
    assert house.wait([(0, gates)], 60.0, 120.0, nothing) == Crowded(40.0, long=True)


def test_places_that_no_one_waits_for_are_not_given() -> None:
    """Of two full models only the one is waited for whose turn can come in time."""
    house, slow = full_for(30.0)
    fast = (gate("b", 1),)
    seat = house.enter(fast, 29.0)
    assert seat is not None
    waiter = house.wait([(0, slow), (1, fast)], 60.0, 30.0, nothing)
    assert isinstance(waiter, Waiter)
    assert [position for position, _ in waiter.choices] == [1]
    seat.release(31.0)
    assert waiter.got is not None
    assert waiter.got[0] == 1


def test_a_place_that_is_free_by_now_is_given_without_a_wait() -> None:
    house, gates = Gatehouse(), (gate("a", 1),)
    woken: list[None] = []
    waiter = house.wait([(4, gates)], 60.0, 0.0, lambda: woken.append(None))
    assert isinstance(waiter, Waiter)
    assert waiter.got is not None
    assert waiter.got[0] == 4
    assert woken == []


def test_who_leaves_the_line_when_it_has_been_called_gives_the_place_back() -> None:
    house, gates = Gatehouse(), (gate("a", 1),)
    seat = house.enter(gates, 0.0)
    assert seat is not None
    waiters = [house.wait([(0, gates)], 60.0, 0.0, nothing) for _ in range(2)]
    seat.release(1.0)
    seat.release(1.0)
    first, second = waiters
    assert isinstance(first, Waiter)
    assert isinstance(second, Waiter)
    house.leave(first, 1.0)
    assert second.got is not None
    assert [(crowd.there, crowd.waiting) for crowd in house.crowds()] == [(1, 0)]


def test_a_limit_that_is_taken_out_lets_all_in_and_one_that_is_put_in_counts_from_then_on() -> None:
    house, gates = Gatehouse(), (gate("a", 1),)
    house.take_up(gates, 0.0)
    held = house.enter(gates, 0.0)
    assert held is not None
    waiter = house.wait([(0, gates)], 60.0, 0.0, nothing)
    assert isinstance(waiter, Waiter)
    house.take_up([], 1.0)
    assert waiter.got is not None
    assert [(crowd.limit, crowd.there) for crowd in house.crowds()] == [(None, 2)]
    house.take_up(gates, 2.0)
    assert house.enter(gates, 2.0) is None
    held.release(3.0)
    assert house.enter(gates, 3.0) is None
    waiter.got[1].release(4.0)
    assert house.enter(gates, 4.0) is not None


def test_a_step_without_gates_is_free_whoever_is_there() -> None:
    house = Gatehouse()
    assert house.enter((), 0.0) is FREE_SEAT
    FREE_SEAT.release(1.0)
    assert list(house.crowds()) == []
