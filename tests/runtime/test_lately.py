"""What attempts have cost lately: learned every few of them, however many are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.lately import RELEARN_EVERY, REMEMBERED_COSTS, Lately


@pytest.mark.parametrize("known", [REMEMBERED_COSTS // 2, REMEMBERED_COSTS, 2 * REMEMBERED_COSTS])
def test_what_is_usual_is_learned_every_few_costs_and_not_with_each(known: int) -> None:
    """Also once as many are known as are remembered."""
    lately = Lately()
    for _ in range(known):
        lately.add([7])
    for _ in range(RELEARN_EVERY - 1):
        lately.add([9])
        assert lately.usual_nano_usd == 7
    lately.add([9])
    assert lately.usual_nano_usd == 9


@given(st.lists(st.lists(st.integers(1, 9), max_size=40), max_size=30))
def test_costs_taken_together_are_learned_from_as_one_by_one(taken: list[list[int]]) -> None:
    together, one_by_one = Lately(), Lately()
    for costs in taken:
        together.add(costs)
        for cost in costs:
            one_by_one.add([cost])
        assert together.usual_nano_usd == one_by_one.usual_nano_usd
