"""What is too much: bodies in memory to the byte, requests to the number, and a loop that is late for a while."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.load import Capacity, Cut, Shed
from gateway.engine.lag import FOR_S
from gateway.runtime.load import MEASURED_EVERY_S, SHOWN_FOR_S, Held, Load
from tests.fakes.clock import HandClock

SMALL = Capacity(in_flight=2, bodies_bytes=100, lag_s=1.0)


class Meters:
    """Keeps what was counted."""

    def __init__(self) -> None:
        self.sheds: list[Shed] = []

    def shed(self, why: Shed) -> None:
        self.sheds.append(why)

    def cut(self, why: Cut) -> None:
        raise AssertionError(why)


def loaded() -> tuple[Load, HandClock, Meters]:
    clock, meters = HandClock(), Meters()
    return Load(clock, meters, lambda: SMALL), clock, meters


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 120)), max_size=60))
def test_bodies_never_take_more_than_they_may_and_nothing_stays_behind(moves: list[tuple[int, int | None]]) -> None:
    """U-113: four bodies that grow, shrink and are let go of in any order; who finds no room keeps what it had."""
    load, _, _ = loaded()
    bodies: dict[int, Held] = {place: load.held() for place in range(4)}
    sizes = dict.fromkeys(bodies, 0)
    for place, size in moves:
        if size is None:
            bodies[place].let_go()
            sizes[place] = 0
            continue
        fits = sum(sizes.values()) - sizes[place] + size <= SMALL.bodies_bytes
        assert bodies[place].keeps(size, SMALL) == fits
        sizes[place] = size if fits else sizes[place]
        assert load.bodies_bytes == sum(sizes.values()) <= SMALL.bodies_bytes
    for each in bodies.values():
        with each:
            pass
        each.let_go()
    assert load.bodies_bytes == 0


def test_one_request_too_many_is_turned_away_and_readiness_says_so_for_a_while() -> None:
    load, clock, meters = loaded()
    assert load.excess(2, SMALL) is None
    assert not load.troubles
    refusal = load.excess(3, SMALL)
    assert refusal is not None
    assert (refusal.status, refusal.status_where(529), refusal.retry_after_s) == (503, 529, 1)
    assert meters.sheds == [Shed.IN_FLIGHT]
    clock.advance(SHOWN_FOR_S - 1)
    assert load.troubles == ("as many requests as it may have are under way",)
    clock.advance(1)
    assert not load.troubles


def test_a_loop_that_is_late_for_a_while_turns_away_until_it_is_not() -> None:
    load, clock, meters = loaded()
    for _ in range(3):
        assert load.excess(1, SMALL) is None
        clock.advance(MEASURED_EVERY_S + 1.5)
        load.measure(1.5)
    assert load.lag_s == 1.5
    refusal = load.excess(1, SMALL)
    assert refusal is not None
    assert refusal.retry_after_s == FOR_S
    load.measure(0.0)
    assert load.excess(1, SMALL) is None
    assert meters.sheds == [Shed.LAG]
