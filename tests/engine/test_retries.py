"""The budget for further attempts: no run of requests and failures gets more out of it than was put in."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.rule import RetryBudget
from gateway.engine.retries import HALF_LIFE_S, Purse, brought_up, emptied, full, spent

budgets = st.builds(RetryBudget, st.floats(0, 2), st.integers(1, 600))
Moment = tuple[float, int, int]
"""Seconds that pass, requests that come within them, and further attempts that are asked for then."""
moments = st.lists(st.tuples(st.floats(0, 600), st.integers(0, 500), st.integers(0, 500)), max_size=12)


def run(budget: RetryBudget, day: list[Moment]) -> list[tuple[Purse, int]]:
    """Give the purse and how many were granted after each moment."""
    now_s, purse, after = 1_000.0, full(budget, 1_000.0), list[tuple[Purse, int]]()
    for passed_s, requests, asked in day:
        now_s += passed_s
        purse = brought_up(purse, budget, requests, now_s)
        granted = 0
        while granted < asked and (rest := spent(purse)) is not None:
            purse, granted = rest, granted + 1
        after.append((purse, granted))
    return after


@given(budgets, moments)
def test_no_more_is_granted_than_the_share_and_the_minutes_gave(budget: RetryBudget, day: list[Moment]) -> None:
    """And one minute's worth, with which it began."""
    granted = sum(each for _, each in run(budget, day))
    minutes, requests = sum(each[0] for each in day) / 60, sum(each[1] for each in day)
    assert granted <= budget.share * requests + budget.at_least_per_min * (minutes + 1) + 1e-6


@given(budgets, moments)
def test_a_purse_is_never_overdrawn_and_saves_no_more_than_a_minute(budget: RetryBudget, day: list[Moment]) -> None:
    for purse, _ in run(budget, day):
        assert purse.earned >= 0
        assert 0 <= purse.spare <= budget.at_least_per_min


@given(budgets, st.integers(1, 500), st.integers(1, 10))
def test_what_a_busy_day_saved_is_gone_after_some_quiet_minutes(budget: RetryBudget, requests: int, quiet: int) -> None:
    saved = brought_up(Purse(0.0, 0.0, 0.0), budget, requests, 0.0)
    later = brought_up(saved, budget, 0, quiet * HALF_LIFE_S)
    assert later.earned == pytest.approx(saved.earned / 2**quiet)


@given(budgets, st.integers(0, 500), st.integers(1, 50), st.floats(1, 300))
def test_looking_often_or_once_at_an_even_stream_comes_to_the_same(
    budget: RetryBudget, each: int, steps: int, passed_s: float
) -> None:
    often = once = full(budget, 0.0)
    for step in range(1, steps + 1):
        often = brought_up(often, budget, each, passed_s * step / steps)
    once = brought_up(once, budget, each * steps, passed_s)
    assert often.earned == pytest.approx(once.earned)
    assert often.spare == pytest.approx(once.spare)


def test_an_hour_of_failures_at_a_steady_rate_is_granted_the_share_and_the_least() -> None:
    """U-22: ten requests a second that fail are a fifth more load and half an attempt a second, not twice as much."""
    budget = RetryBudget(0.2, 30)
    hour = run(budget, [(1.0, 10, 10)] * 3_600)
    granted = sum(each for _, each in hour)
    assert granted <= 0.2 * 36_000 + 30 * 61
    assert granted >= 0.2 * 36_000
    before = run(budget, [(1.0, 10, 0)] * 3_600)[-1][0]
    assert before.earned == pytest.approx(0.2 * 10 * HALF_LIFE_S / log(2), rel=0.01), "what can be saved is bounded"


def test_a_small_gateway_is_granted_so_many_a_minute_whatever_its_traffic() -> None:
    budget = RetryBudget(0.2, 30)
    assert run(budget, [(0.0, 1, 40)])[0][1] == 30
    assert [granted for _, granted in run(RetryBudget(0.0, 6), [(0.0, 1, 9), (10.0, 1, 9), (5.0, 1, 9)])] == [6, 1, 0]


@given(st.floats(0, 5), st.floats(0, 5))
def test_a_fallback_takes_what_there_is_and_no_more(earned: float, spare: float) -> None:
    purse = Purse(earned, spare, 0.0)
    left = emptied(purse)
    assert left.earned + left.spare == pytest.approx(max(earned + spare - 1, 0))
    assert min(left.earned, left.spare) >= 0
