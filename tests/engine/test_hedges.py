"""When a slow model is hedged: what is usual is an exact quantile, and too little known is nothing."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.rule import Hedge, Usual
from gateway.engine.hedges import FEWEST_TIMES, delay_s, usual_s

times = st.lists(st.integers(0, 50).map(float), min_size=FEWEST_TIMES, max_size=300)


@given(times)
def test_what_is_usual_is_the_least_time_that_ninety_five_of_a_hundred_stay_within(seconds: Sequence[float]) -> None:
    usual = usual_s(seconds)
    assert usual is not None
    assert usual in seconds
    within = sum(each <= usual for each in seconds)
    below = sum(each < usual for each in seconds)
    assert 100 * within >= 95 * len(seconds) > 100 * below


@given(times)
def test_counting_who_was_overtaken_at_the_wait_leaves_what_is_usual_where_it_is(seconds: list[float]) -> None:
    """However long they would have taken: hedges neither breed hedges nor put them off."""
    usual = usual_s(seconds)
    assert usual is not None
    assert usual_s([min(each, usual) for each in seconds]) == usual


def test_too_few_times_say_nothing() -> None:
    assert usual_s([1.0] * (FEWEST_TIMES - 1)) is None


@pytest.mark.parametrize(
    ("hedge", "learned_s", "expected"),
    [
        (None, 3.0, None),
        (Hedge(2.0), None, 2.0),
        (Hedge(2.0), 3.0, 2.0),
        (Hedge(Usual.P95), None, None),
        (Hedge(Usual.P95), 3.0, 3.0),
    ],
)
def test_the_delay_is_that_of_the_rule_or_of_the_model(
    hedge: Hedge | None, learned_s: float | None, expected: float | None
) -> None:
    assert delay_s(hedge, learned_s) == expected
