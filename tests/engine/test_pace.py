"""What slow means: far slower than answers of the same kind usually are, and by more than anybody would not notice."""

from functools import reduce
from math import exp, log

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.domain.pace import UNKNOWN, Pace
from gateway.engine import pace as rules
from gateway.engine.pace import is_overtaken, is_slow, kind_of, learned

seconds = st.floats(0, 600)


def pace_of(*took: float) -> Pace:
    return reduce(learned, took, UNKNOWN)


SLOW: dict[str, tuple[list[float], float, bool]] = {
    "ten times the usual": ([2.0] * 20, 20.0, True),
    "too few to say": ([2.0] * 19, 20.0, False),
    "three times the usual": ([2.0] * 20, 6.0, False),
    "many times the usual, and nobody notices": ([0.02] * 20, 0.9, False),
    "many times the usual, and all notice": ([0.02] * 20, 1.1, True),
    "now and then it takes as long anyway": ([1.0, 20.0] * 20, 20.0, False),
    "one slow answer among the first makes no difference": ([1.0] * 40 + [30.0] + [1.0] * 40, 15.0, True),
}


@pytest.mark.parametrize(("before", "took", "slow"), SLOW.values(), ids=SLOW.keys())
def test_an_answer_is_slow_by_what_is_usual(before: list[float], took: float, *, slow: bool) -> None:
    assert is_slow(pace_of(*before), took) is slow


@given(st.lists(seconds, max_size=60), seconds)
def test_nothing_is_slow_that_is_near_to_the_usual(before: list[float], took: float) -> None:
    """Whatever came before: fewer than some, less than a second more, or less than four times as much."""
    pace = pace_of(*before)
    usual = exp(pace.mean)
    if len(before) < rules.ENOUGH or took < usual + rules.FLOOR_S or took <= usual * rules.TIMES:
        assert not is_slow(pace, took)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.integers(10, 200))
def test_a_model_with_two_paces_is_at_neither_slow(one: float, other: float, count: int) -> None:
    """Hits and misses of a cache, questions with and without thought: a wide spread is no outlier."""
    pace = pace_of(*[one, other] * count)
    assert not is_slow(pace, one)
    assert not is_slow(pace, other)


@given(st.lists(st.floats(0.01, 600), min_size=1, max_size=60))
def test_what_is_usual_lies_among_what_was_seen(before: list[float]) -> None:
    pace = pace_of(*before)
    assert log(min(before)) - 1e-6 <= pace.mean <= log(max(before)) + 1e-6
    assert 0 <= pace.spread <= log(max(before)) - log(min(before)) + 1e-6


@given(st.lists(seconds, min_size=20, max_size=40), seconds, seconds)
def test_what_is_slower_than_a_slow_answer_is_slow(before: list[float], took: float, more: float) -> None:
    pace = pace_of(*before)
    assert is_slow(pace, took) <= is_slow(pace, took + more)


OVERTAKEN: dict[str, tuple[list[float], float, bool]] = {
    "silent for three times the usual": ([0.1] * 20, 0.3, True),
    "silent for less than twice the usual": ([0.1] * 20, 0.19, False),
    "too few to say": ([0.1] * 19, 10.0, False),
    "slower than the other, and no slower than ever": ([5.0] * 20, 6.0, False),
    "no time at all": ([0.1] * 20, 0.0, False),
}


@pytest.mark.parametrize(("before", "silent", "overtaken"), OVERTAKEN.values(), ids=OVERTAKEN.keys())
def test_a_model_is_overtaken_by_its_own_past_alone(before: list[float], silent: float, *, overtaken: bool) -> None:
    """To lose to a model that is faster anyway is no ailment."""
    assert is_overtaken(pace_of(*before), silent) is overtaken


@given(st.lists(seconds, min_size=20, max_size=40), seconds, seconds)
def test_who_loses_is_judged_sooner_than_who_answers(before: list[float], silent: float, more: float) -> None:
    """What would be a slow answer is enough to be overtaken, and a longer silence never speaks for a model."""
    pace = pace_of(*before)
    assert is_slow(pace, silent) <= is_overtaken(pace, silent) <= is_overtaken(pace, silent + more)


@given(st.lists(seconds, min_size=15, max_size=25), st.floats(0.5, 8))
def test_to_be_overtaken_is_to_be_silent_for_twice_the_usual(before: list[float], times: float) -> None:
    """By the geometric mean of what was learned, once that is enough."""
    pace = pace_of(*before)
    silent = times * exp(pace.mean)
    assume(abs(times - 2) > 1e-6 and silent > rules.LEAST_S)
    assert is_overtaken(pace, silent) is (pace.seen >= rules.ENOUGH and times > 2)


def test_what_is_usual_follows_what_comes_later() -> None:
    """A pace goes by no more than the last answers, whatever was before."""
    pace = pace_of(*[1.0] * 100_000, *[3.0] * (3 * rules.MOST))
    assert 2.7 < exp(pace.mean) < 3.0


tokens = st.integers(0, 2_000_000)


@given(tokens, tokens)
def test_only_inputs_of_about_one_size_are_compared(one: int, other: int) -> None:
    """A huge prompt is measured by huge prompts: up to twice as long, or all short."""
    if kind_of(one, None, thinks=False) == kind_of(other, None, thinks=False):
        assert max(one, other) < max(2 * (min(one, other) + rules.INPUT_UNIT), 2 * rules.INPUT_UNIT)
    assert kind_of(one, None, thinks=False) != kind_of(one, None, thinks=True)


@given(tokens, tokens)
def test_only_whole_answers_of_about_one_length_are_compared(one: int, other: int) -> None:
    """An answer of many tokens takes long by itself; the first content of a stream does not wait for it."""
    first, second = (kind_of(0, output, thinks=False) for output in (one, other))
    if first == second:
        assert max(one, other) < max(2 * (min(one, other) + rules.OUTPUT_UNIT), 2 * rules.OUTPUT_UNIT)
    assert first != kind_of(0, None, thinks=False)


def test_there_are_few_kinds() -> None:
    """Memory is bounded, whatever callers send."""
    sizes = range(0, 10_000_000, 500)
    assert len({kind_of(size, None, thinks=False) for size in sizes}) < 20
    assert len({kind_of(0, size, thinks=False) for size in sizes}) < 25
