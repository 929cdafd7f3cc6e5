"""What failures and hedges cost beside money: the time that was waited in vain adds up, each moment once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.attempt import Attempt, Event, Skipped
from gateway.domain.extra import extra_ms, extra_tokens
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Skip


def tried(began_s: float, seconds: float, failure: Failure | None = None, *, lost: bool = False) -> Attempt:
    return Attempt(0, "m", "p", failure, began_s=began_s, duration_s=seconds, lost=lost)


FAILED, LEFT = Failure.TIMEOUT, Failure.CANCELLED
PASSED = Skipped(1, "m", Skip.COOLING)
CASES: dict[str, tuple[tuple[Event, ...], list[int]]] = {
    "answered at once": ((tried(0, 9),), [0]),
    "failed": ((tried(0, 0.25, FAILED),), [250]),
    "left by the caller": ((tried(0, 9, LEFT),), [0]),
    "fallen back": ((tried(0, 0.25, FAILED), PASSED, tried(0.25, 9)), [250, 0, 0]),
    "overtaken: until the hedge began": ((tried(0, 2.5, LEFT, lost=True), tried(2, 3)), [2000, 0]),
    "a hedge that loses delays nothing": ((tried(0, 3), tried(2, 0.5, LEFT, lost=True)), [0, 0]),
    "failed beside the hedge that answered": ((tried(0, 2.75, FAILED), tried(2, 3)), [2000, 0]),
    "both failed, then another answered": (
        (tried(0, 4, FAILED), tried(2, 3, FAILED), tried(5, 1)),
        [4000, 1000, 0],
    ),
    "both failed, the hedge first": ((tried(0, 4, FAILED), tried(2, 1, FAILED), tried(4, 1)), [4000, 0, 0]),
    "broke off in the middle": ((Attempt(0, "m", "p", Failure.TRUNCATED, committed=True, duration_s=3.0),), [0]),
    "never asked": ((PASSED, PASSED), [0, 0]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_time_in_vain_lasts_until_the_answer_began(case: str) -> None:
    events, expected = CASES[case]
    assert list(extra_ms(events)) == expected


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6), st.none() | st.integers(0, 90))
def test_no_moment_counts_twice_and_none_after_the_answer_began(
    spans: list[tuple[int, int]], answered_s: int | None
) -> None:
    """Against the plain count of the seconds that any of them covers."""
    spans = sorted(spans, key=lambda span: span[0])
    events: list[Event] = [tried(began, seconds, FAILED) for began, seconds in spans]
    if answered_s is not None:
        events.append(tried(answered_s, 5))
    until = 1_000 if answered_s is None else answered_s
    covered = {second for began, seconds in spans for second in range(began, began + seconds) if second < until}
    assert sum(extra_ms(events)) == 1000 * len(covered)


def test_the_tokens_of_an_attempt_are_those_in_and_out() -> None:
    assert extra_tokens(Attempt(0, "m", "p", FAILED)) == 0
    used = Usage(
        fresh_input_tokens=1, cache_read_tokens=2, cache_write_5m_tokens=4, output_tokens=8, reasoning_tokens=8
    )
    assert extra_tokens(Attempt(0, "m", "p", FAILED, usage=used)) == 15
