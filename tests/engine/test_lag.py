"""When the loop is too late: for a while, not once; and when that is over."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.lag import FOR_S, IN_TIME, Lagging, measured

EVERY_S = 0.25


def sheds(lags_s: list[float], limit_s: float = 1.0) -> list[bool]:
    state, now_s, seen = IN_TIME, 100.0, []
    for lag_s in lags_s:
        now_s += EVERY_S + lag_s
        state = measured(state, lag_s, now_s, limit_s)
        seen.append(state.sheds)
    return seen


def test_one_stall_however_long_turns_nobody_away() -> None:
    assert not any(sheds([0.0, 60.0, 0.0, 60.0, 0.0]))


def test_a_loop_that_stays_late_turns_away_until_it_is_well_below_the_limit() -> None:
    """The first measure begins the time; between half of the limit and the limit nothing changes."""
    assert sheds([1.5, 1.5, 1.5, 0.8, 0.6, 0.5, 0.8]) == [False, False, True, True, True, False, False]


@given(st.lists(st.floats(0, 5), max_size=60))
def test_nobody_is_turned_away_unless_all_measures_of_a_while_were_late(lags_s: list[float]) -> None:
    """And whoever is, is after at least that while; a measure below half of the limit always ends it."""
    state, now_s, late_since = IN_TIME, 0.0, None
    for lag_s in lags_s:
        now_s += EVERY_S + lag_s
        before, state = state, measured(state, lag_s, now_s, 1.0)
        if lag_s <= 1.0:
            late_since = None
        elif late_since is None:
            late_since = now_s
        if state.sheds and not before.sheds:
            assert late_since is not None
            assert now_s - late_since >= FOR_S
        assert not (state.sheds and lag_s <= 0.5)


def test_a_measure_in_time_is_as_none() -> None:
    assert measured(Lagging(5.0), 0.0, 9.0, 1.0) == IN_TIME
