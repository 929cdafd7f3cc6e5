"""By how much counters grew: of a window and no older, and never by what was there before anybody looked."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.metric import Sample
from gateway.runtime.growth import GRAINS, Growth

WINDOW_S = 300.0


def grown(growth: Growth, value: float, now_s: float, **labels: str) -> float:
    (sample,) = growth.look([Sample(labels, value)], now_s)
    assert sample.labels == labels
    return sample.value


def test_what_was_there_at_the_first_look_is_no_growth() -> None:
    growth = Growth(WINDOW_S)
    assert grown(growth, 500.0, 0.0) == 0.0
    assert grown(growth, 503.0, 1.0) == 3.0


def test_a_series_that_comes_later_counts_from_nothing() -> None:
    """A counter's series appears with its first event, which is growth."""
    growth = Growth(WINDOW_S)
    assert growth.look([], 0.0) == []
    assert grown(growth, 2.0, 1.0, store="log") == 2.0
    assert grown(growth, 2.0, 300.0, store="log") == 2.0
    assert grown(growth, 2.0, 301.0, store="log") == 0.0


def test_series_are_told_apart() -> None:
    growth = Growth(WINDOW_S)
    growth.look([Sample({"a": "1"}, 0.0), Sample({"a": "2"}, 7.0)], 0.0)
    found = growth.look([Sample({"a": "2"}, 8.0), Sample({"a": "1"}, 3.0)], 5.0)
    assert [(sample.labels, sample.value) for sample in found] == [({"a": "2"}, 1.0), ({"a": "1"}, 3.0)]


@given(st.lists(st.tuples(st.floats(0.5, 120), st.integers(0, 9)), min_size=1, max_size=80))
def test_the_growth_is_that_of_the_window_give_or_take_a_grain(moves: list[tuple[float, int]]) -> None:
    """With an oracle that keeps every value; the memory is bounded."""
    growth, now_s, value, kept = Growth(WINDOW_S), 0.0, 0.0, [(0.0, 0.0)]
    grown(growth, value, now_s)
    for after_s, more in moves:
        now_s, value = now_s + after_s, value + more
        kept.append((now_s, value))
        found = grown(growth, value, now_s)

        def at(moment_s: float) -> float:
            return next((each for at_s, each in reversed(kept) if at_s <= moment_s), 0.0)

        longest_gap_s = max(WINDOW_S / GRAINS, *(b[0] - a[0] for a, b in pairwise(kept)))
        assert value - at(now_s - WINDOW_S) <= found <= value - at(now_s - WINDOW_S - WINDOW_S / GRAINS - longest_gap_s)
        (points,) = growth._points.values()
        assert len(points) <= GRAINS + 2
