"""What models usually take: learned from answers, streams and whole ones apart."""

from gateway.engine.pace import FEWEST_TIMES
from gateway.runtime.paces import RELEARN_EVERY, REMEMBERED_TIMES, Paces


def test_what_is_usual_is_known_once_enough_answers_are() -> None:
    paces = Paces()
    for _ in range(FEWEST_TIMES - 1):
        paces.add("haiku", True, 0.25)
    assert paces.usual_s("haiku", True) is None
    paces.add("haiku", True, 0.25)
    assert paces.usual_s("haiku", True) == 0.25
    assert paces.usual_s("haiku", False) is None
    assert paces.usual_s("sonnet", True) is None


def test_what_is_usual_follows_the_model_and_forgets() -> None:
    paces = Paces()
    for _ in range(REMEMBERED_TIMES):
        paces.add("haiku", True, 0.25)
    for _ in range(REMEMBERED_TIMES + RELEARN_EVERY):
        paces.add("haiku", True, 4.0)
    assert paces.usual_s("haiku", True) == 4.0


def test_a_model_that_hangs_does_not_put_its_own_hedge_off() -> None:
    """Each loss is taken in as the wait before the hedge: the usual time stays what it was."""
    paces = Paces()
    for _ in range(REMEMBERED_TIMES):
        paces.add("haiku", True, 0.25)
    for _ in range(10 * REMEMBERED_TIMES):
        waited_s = paces.usual_s("haiku", True)
        assert waited_s == 0.25
        paces.add("haiku", True, waited_s)
