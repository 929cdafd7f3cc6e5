"""What rate limits promise: steady callers get what they were given, and a refusal says truly when to come back.

The oracle is the plain log of what was used when, summed by brute force.
"""

from bisect import bisect_left
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.limit import MINUTE_S, Full, LimitKind, Limits, Standing, TooLarge, UsedUp
from gateway.engine.limits import SLOTS, Admission, Limiter, Seat, Seats, Tally

SLOT_S = MINUTE_S / SLOTS
TICK_S = 1 / 1024
"""Times in these are exact in floats, and so are their sums with a minute and a slot."""
SLOT = round(SLOT_S / TICK_S)
MINUTE = round(MINUTE_S / TICK_S)

gaps = st.sampled_from([0, 1, 2, SLOT - 1, SLOT, SLOT + 1, MINUTE // 4]) | st.integers(0, 2 * SLOT)
loads = st.lists(st.tuples(gaps, st.integers(0, 12)), max_size=120)
"""Ticks since the use before, and how much is wanted."""
limits = st.integers(1, 40)


@dataclass
class Log:
    """Everything that was used, by the ticks of its use."""

    uses: list[list[int]] = field(default_factory=list)

    def use(self, at: int, amount: int) -> list[int]:
        self.uses.append([at, amount])
        return self.uses[-1]

    def within(self, ticks: int, at: int) -> int:
        """Sum what was used in the ticks before `at`: at the far end of them no more, at `at` itself still."""
        return sum(amount for when, amount in self.uses if at - ticks < when <= at)


@given(loads, limits)
def test_no_minute_holds_more_than_the_limit(load: list[tuple[int, int]], limit: int) -> None:
    """U-121: whichever minute is looked at, not only those of the clock."""
    tally, log, at = Tally(), Log(), 0
    for gap, amount in load:
        at += gap
        if tally.take(amount, limit, at * TICK_S) is not None:
            log.use(at, amount)
            assert log.within(MINUTE, at) <= limit


@given(loads, limits)
def test_what_is_refused_would_have_passed_the_limit(load: list[tuple[int, int]], limit: int) -> None:
    """U-121: counted over a minute and one slot, the price of a bounded memory."""
    tally, log, at = Tally(), Log(), 0
    for gap, amount in load:
        at += gap
        if tally.take(amount, limit, at * TICK_S) is None:
            assert log.within(MINUTE + SLOT, at) + amount > limit
        else:
            log.use(at, amount)


@given(st.lists(st.tuples(st.integers(SLOT, MINUTE // 3), st.integers(0, 12)), max_size=120), limits)
def test_uses_a_slot_apart_are_counted_to_the_tick(load: list[tuple[int, int]], limit: int) -> None:
    tally, log, at = Tally(), Log(), 0
    for gap, amount in load:
        at += gap
        fits = log.within(MINUTE, at) + amount <= limit
        assert tally.fits(amount, limit, at * TICK_S) is fits
        assert (tally.take(amount, limit, at * TICK_S) is not None) is fits
        if fits:
            log.use(at, amount)


def steady(limit: int, size: int, percent: int, minutes: int) -> tuple[list[float], int]:
    """Use amounts of a size evenly, a share of a limit; give the times of those admitted, and how many were refused."""
    tally, admitted, refused = Tally(), [], 0
    for number in range(limit * percent * minutes // (100 * size)):
        now = 1e5 + number * MINUTE_S * 100 * size / (limit * percent)
        if tally.take(size, limit, now) is None:
            refused += 1
        else:
            admitted.append(now)
    return admitted, refused


sizes = st.integers(1, 2000).map(lambda limit: (limit, 1)) | st.tuples(
    st.integers(20_000, 10**7), st.integers(200, 2000)
).map(lambda drawn: (drawn[0], drawn[0] // drawn[1]))
"""A limit, and what each request uses of it: one request, or tokens, no request more than half a percent."""


@given(sizes)
@example((40_000, 1))
def test_a_steady_load_below_the_limit_is_never_refused(drawn: tuple[int, int]) -> None:
    """U-121: constant load at 95 % of a limit."""
    limit, size = drawn
    admitted, refused = steady(limit, size, 95, 4)
    assert (len(admitted), refused) == (limit * 95 * 4 // (100 * size), 0)


@given(sizes)
@example((40_000, 1))
def test_a_steady_load_above_the_limit_gets_the_limit(drawn: tuple[int, int]) -> None:
    """U-121: at 105 %, every minute after the first admits the limit within 2 %, or one request of a small limit."""
    limit, size = drawn
    admitted, refused = steady(limit, size, 105, 5)
    assert refused > 0
    for place, start in enumerate(admitted):
        for begin, first in ((start, place), (start + 1e-6, place + 1)):
            if 1e5 + MINUTE_S <= begin <= admitted[-1] - MINUTE_S:
                count = bisect_left(admitted, begin + MINUTE_S - 1e-6) - first
                assert limit - max(0.02 * limit, 1) <= count * size <= limit


@given(loads, limits, st.integers(0, 100))
def test_a_pause_of_a_window_brings_all_of_it_back(load: list[tuple[int, int]], limit: int, overshoot: int) -> None:
    """U-121: whatever was before, an overshoot included."""
    tally, at = Tally(), 0
    for gap, amount in load:
        at += gap
        slot = tally.take(amount, limit, at * TICK_S)
        if slot is not None:
            tally.settle(slot, amount, amount + overshoot, at * TICK_S)
    after = at * TICK_S + MINUTE_S
    assert tally.standing(limit, after) == Standing(limit, limit, 0.0)
    assert tally.take(limit, limit, after) is not None


def test_a_burst_after_a_pause_uses_one_limit_and_not_two() -> None:
    """U-121: what a bucket that refills would let through on top is refused."""
    tally = Tally()
    admitted = [now for now in range(1000, 1060) for _ in range(10) if tally.take(1, 100, float(now)) is not None]
    assert admitted == [now for now in range(1000, 1010) for _ in range(10)]


floats = st.floats(0, 100) | st.floats(0, 1e9)


@given(floats, st.lists(st.tuples(st.floats(0, 3), st.integers(1, 12)), max_size=80), limits, st.integers(1, 40))
@example(0.0, [(3.9, 1), (11.9, 1)], 1, 1)  # 15.8 + (63.9 - 15.8) is less than 63.9 in floats
def test_waiting_as_long_as_it_says_is_enough_and_no_less_is(
    start: float, load: list[tuple[float, int]], limit: int, asked: int
) -> None:
    """U-122: at any time that a float can hold, and to the microsecond."""
    tally, now = Tally(), start
    for gap, amount in load:
        now += gap
        tally.take(amount, limit, now)
        wait_s = tally.wait_s(asked, limit, now)
        if asked > limit:
            assert wait_s == float("inf")
            continue
        assert (wait_s == 0) is tally.fits(asked, limit, now)
        assert deepcopy(tally).take(asked, limit, now + wait_s) is not None
        sooner = now + wait_s - 1e-6
        assert wait_s < 1e-5 or deepcopy(tally).take(asked, limit, sooner) is None


@given(floats, st.lists(st.floats(0, 0.01), min_size=1, max_size=300))
def test_a_busy_slot_lets_nobody_in_early(start: float, load: list[float]) -> None:
    """U-122: what shares a slot leaves with the last of it, and the wait says so."""
    tally, now = Tally(), start
    for gap in load:
        now += gap
        tally.take(1, len(load), now)
    wait_s = tally.wait_s(len(load), len(load), now)
    assert wait_s == pytest.approx(MINUTE_S)
    assert tally.take(len(load), len(load), now + wait_s) is not None


operations = st.lists(
    st.tuples(gaps, st.integers(0, 12), st.none() | st.tuples(st.integers(0, 200), st.integers(-3, 30))), max_size=80
)
"""Ticks, an amount to take, and which of the amounts taken so far is settled to what."""


@given(operations)
def test_the_end_of_a_request_corrects_what_it_was_taken_for(
    done: list[tuple[int, int, tuple[int, int] | None]],
) -> None:
    """What was not used is free again, what was used beyond the estimate counts from its end, and none is negative."""
    tally, log, at, open_ones = Tally(), Log(), 0, []
    for gap, amount, settled in done:
        at += gap
        slot = tally.take(amount, 10**9, at * TICK_S)
        assert slot is not None
        open_ones.append((slot, amount, log.use(at, amount)))
        if settled is not None:
            slot, taken, use = open_ones.pop(settled[0] % len(open_ones))
            tally.settle(slot, taken, settled[1], at * TICK_S)
            if settled[1] > taken:
                log.use(at, settled[1] - taken)
            else:
                use[1] = max(settled[1], 0)
        used = 10**9 - tally.standing(10**9, at * TICK_S).remaining
        assert 0 <= log.within(MINUTE, at) <= used <= log.within(MINUTE + SLOT, at)


def test_a_correction_may_pass_the_limit_and_is_waited_for() -> None:
    tally = Tally()
    slot = tally.take(10, 100, 0.0)
    assert slot is not None
    tally.settle(slot, 10, 250, 30.0)
    assert tally.standing(100, 30.0) == Standing(100, 0, 60.0)
    assert tally.take(0, 100, 30.0) is None
    assert tally.wait_s(1, 100, 30.0) == 60.0


def test_nothing_comes_back_to_a_window_that_has_let_it_go() -> None:
    tally = Tally()
    slot = tally.take(100, 100, 0.0)
    assert slot is not None
    assert tally.take(70, 100, 60.0) is not None
    tally.settle(slot, 100, 10, 61.0)
    assert tally.standing(100, 61.0).remaining == 30


@given(st.lists(st.tuples(st.floats(0, 0.6), st.floats(0, 0.002), st.integers(0, 5)), max_size=200), limits)
@example([(0, 0, 1), (SLOT_S - 1e-4, 0, 1), (2e-4, 0, 1), (0, 1.6e-3, 1)], 4)
def test_times_that_go_back_a_little_break_nothing(load: list[tuple[float, float, int]], limit: int) -> None:
    """U-122: the wait counts from the time that was given, and the limit holds but for the time that went back."""
    tally, latest, used = Tally(), 1e4, []
    for gap, back, amount in load:
        latest += gap
        now = latest - back
        if tally.take(amount, limit, now) is not None:
            used.append((now, amount))
            assert sum(each for when, each in used if when > now - (MINUTE_S - 0.003)) <= limit
        wait_s = tally.wait_s(limit, limit, now)
        assert deepcopy(tally).take(limit, limit, now + wait_s) is not None


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=10), st.integers(1, 10), st.sampled_from([MINUTE_S, 3600.0]))
def test_memory_is_bounded_whatever_the_rate(rhythm: list[float], amount: int, window_s: float) -> None:
    tally, now = Tally(window_s), 0.0
    for number in range(2000):
        now += rhythm[number % len(rhythm)] * window_s / MINUTE_S
        tally.take(amount, 10**9, now)
        assert len(tally._slots) <= SLOTS + 2


def test_a_limit_that_is_edited_holds_at_once_over_what_was_used() -> None:
    tally = Tally()
    assert tally.take(60, 100, 0.0) is not None
    assert tally.take(1, 50, 1.0) is None
    assert tally.standing(50, 1.0) == Standing(50, 0, 59.0)
    assert tally.take(60, 120, 1.0) is not None


def test_a_standing_tells_what_is_left_and_when_all_of_it_is_back() -> None:
    tally = Tally()
    assert tally.standing(10, 5.0) == Standing(10, 10, 0.0)
    slot = tally.take(4, 10, 5.0)
    later = tally.take(3, 10, 25.0)
    assert slot is not None
    assert later is not None
    assert tally.standing(10, 30.0) == Standing(10, 3, 55.0)
    tally.settle(later, 3, 0, 30.0)
    assert tally.standing(10, 30.0) == Standing(10, 6, 35.0)
    assert tally.standing(10, 65.0) == Standing(10, 10, 0.0)


def test_another_window_than_a_minute_is_as_exact() -> None:
    tally = Tally(window_s=3600.0)
    assert tally.take(5, 5, 0.0) is not None
    assert tally.wait_s(1, 5, 100.0) == 3500.0


@given(st.integers(0, 4), st.lists(st.booleans() | st.integers(0, 20), max_size=60))
def test_a_seat_is_given_back_once(limit: int, done: list[bool | int]) -> None:
    """As many run as took a seat and did not release it, however often they say so; never more than the limit."""
    seats, given, held = Seats(), [], set[Seat]()
    for each in done:
        if isinstance(each, bool):
            seat = seats.take(limit)
            assert (seat is not None) is (len(held) < limit)
            if seat is not None:
                given.append(seat)
                held.add(seat)
        elif given:
            seat = given[each % len(given)]
            seat.release()
            held.discard(seat)
        assert seats.taken == len(held)


# -- the limits of a caller together


def admitted(verdict: Admission | UsedUp | Full | TooLarge) -> Admission:
    assert isinstance(verdict, Admission)
    return verdict


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 30), st.integers(0, 40)), max_size=60),
    st.builds(Limits, st.none() | st.integers(1, 10), st.none() | st.integers(1, 60)),
)
def test_a_caller_is_let_in_when_told_to_come_back(load: list[tuple[float, int, int]], limits: Limits) -> None:
    """U-122: with all limits at once, whether the wait is kept to the letter or in the header's whole seconds."""
    limiter, now = Limiter(), 1e4
    for gap, tokens, actual in load:
        now += gap
        match limiter.admit(limits, tokens, now):
            case Admission() as admission:
                admission.settle(actual, now)
                admission.release()
            case UsedUp() as refusal:
                assert refusal.wait_s <= refusal.retry_after_s < refusal.wait_s + 1
                for wait_s in (refusal.wait_s, refusal.retry_after_s):
                    admitted(deepcopy(limiter).admit(limits, tokens, now + wait_s))
            case TooLarge(kind, limit, asked):
                assert (kind, limit, asked) == (LimitKind.TOKENS, limits.tokens, tokens)
                assert asked > limit
            case Full():
                raise AssertionError("nothing limits how many run at once")


LIMITS = Limits(requests=3, tokens=100, concurrent=2)


@pytest.mark.parametrize(
    ("tokens", "refusal"),
    [
        pytest.param(101, TooLarge(LimitKind.TOKENS, 100, 101), id="never"),
        pytest.param(61, UsedUp(LimitKind.TOKENS, 100, 40.0), id="in a while"),
        pytest.param(10, Full(2), id="who knows"),
    ],
)
def test_a_refusal_says_the_worst_and_uses_nothing(tokens: int, refusal: UsedUp | Full | TooLarge) -> None:
    limiter = Limiter()
    for now in (0.0, 10.0):
        admitted(limiter.admit(LIMITS, 20, now))
    before = limiter.standings(LIMITS, 20.0)
    assert limiter.admit(LIMITS, tokens, 20.0) == refusal
    assert limiter.standings(LIMITS, 20.0) == before


def test_the_longest_of_several_waits_is_said() -> None:
    limiter, limits = Limiter(), Limits(requests=2, tokens=100)
    admitted(limiter.admit(limits, 10, 0.0))
    admitted(limiter.admit(limits, 80, 10.0))
    assert limiter.admit(limits, 25, 20.0) == UsedUp(LimitKind.TOKENS, 100, 50.0)
    assert limiter.admit(limits, 5, 20.0) == UsedUp(LimitKind.REQUESTS, 2, 40.0)


def test_a_request_larger_than_the_limit_is_refused_for_ever() -> None:
    """As at OpenAI: the window being empty does not help it, and no wait is named."""
    assert Limiter().admit(Limits(tokens=30_000), 36_278, 1e4) == TooLarge(LimitKind.TOKENS, 30_000, 36_278)
    admitted(Limiter().admit(Limits(tokens=30_000), 30_000, 1e4))


def test_each_limiter_has_its_own_state() -> None:
    """U-121: one caller's use leaves another's alone."""
    one, other = Limiter(), Limiter()
    admitted(one.admit(Limits(requests=1, concurrent=1), 0, 0.0))
    assert isinstance(one.admit(Limits(requests=1), 0, 0.0), UsedUp)
    admitted(other.admit(Limits(requests=1, concurrent=1), 0, 0.0))


def test_the_end_of_a_request_is_heard_once() -> None:
    limiter, limits = Limiter(), Limits(tokens=100, concurrent=1)
    first = admitted(limiter.admit(limits, 60, 0.0))
    assert limiter.admit(limits, 10, 1.0) == Full(1)
    for _ in range(2):
        first.settle(20, 1.0)
        first.release()
    assert limiter.standings(limits, 1.0) == {LimitKind.TOKENS: Standing(100, 80, 59.0)}
    admitted(limiter.admit(limits, 80, 1.0))
    assert limiter.admit(limits, 0, 2.0) == Full(1)


def test_a_caller_without_limits_is_always_admitted() -> None:
    limiter = Limiter()
    for _ in range(100):
        admitted(limiter.admit(Limits(), 10**9, 0.0)).settle(10**9, 0.0)
    assert limiter.standings(Limits(), 0.0) == {}


def test_those_that_run_already_count_when_a_reload_limits_them() -> None:
    limiter = Limiter()
    running = admitted(limiter.admit(Limits(), 0, 0.0))
    assert limiter.admit(Limits(concurrent=1), 0, 0.0) == Full(1)
    running.release()
    admitted(limiter.admit(Limits(concurrent=1), 0, 0.0))
