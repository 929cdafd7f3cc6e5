"""The budget of a daemon for further attempts: what it refuses is counted, and said once."""

import logging

import pytest

from gateway.domain.rule import RetryBudget
from gateway.engine.retries import QUIET_S
from gateway.runtime.retries import Further, Retries
from tests.fakes.clock import HandClock

BUDGET = RetryBudget(share=0.5, at_least_per_min=2)


def words_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition(":")[0].partition(" (")[0] for record in caplog.records]


def test_it_says_once_that_it_is_used_up_and_once_that_it_holds_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock, told = HandClock(), list[str]()
    retries = Retries(clock, told.append)
    assert [retries.allows(Further.HEDGE, BUDGET) for _ in range(5)] == [True, True, False, False, False]
    assert not retries.allows(Further.TRY, BUDGET)
    assert told == ["hedge", "hedge", "hedge", "try"]
    assert words_of(caplog) == ["the retry budget is used up"]
    clock.advance(QUIET_S - 1)
    retries.came()
    assert len(caplog.records) == 1
    clock.advance(1)
    retries.came()
    retries.came()
    assert words_of(caplog)[1:] == ["the retry budget holds again"]


def test_requests_earn_their_share_and_fallbacks_take_theirs() -> None:
    retries = Retries(HandClock(), lambda _: None)
    for _ in range(4):
        retries.came()
    assert [retries.allows(Further.TRY, BUDGET) for _ in range(5)] == [True, True, True, True, False]
    for _ in range(4):
        retries.came()
    for _ in range(9):
        retries.fell_back(BUDGET)
    assert not retries.allows(Further.TRY, BUDGET)


def test_a_budget_that_a_reload_makes_larger_holds_from_the_next_moment_on() -> None:
    clock = HandClock()
    retries = Retries(clock, lambda _: None)
    assert not any([retries.allows(Further.TRY, RetryBudget(0.0, 1)) for _ in range(9)][1:])
    clock.advance(1)
    assert retries.allows(Further.TRY, RetryBudget(0.0, 60))
