"""What attempts have cost lately: learned every few of them, however many are known."""

import pytest

from gateway.runtime.lately import RELEARN_EVERY, REMEMBERED_COSTS, Lately


@pytest.mark.parametrize("known", [REMEMBERED_COSTS // 2, REMEMBERED_COSTS, 2 * REMEMBERED_COSTS])
def test_what_is_usual_is_learned_every_few_costs_and_not_with_each(known: int) -> None:
    """Also once as many are known as are remembered."""
    lately = Lately()
    for _ in range(known):
        lately.add(7)
    for _ in range(RELEARN_EVERY - 1):
        lately.add(9)
        assert lately.usual_nano_usd == 7
    lately.add(9)
    assert lately.usual_nano_usd == 9
