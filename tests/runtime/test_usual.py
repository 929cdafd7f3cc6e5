"""What models usually take: learned from answers, streams and whole ones apart."""

from gateway.engine.hedges import FEWEST_TIMES
from gateway.runtime.usual import RELEARN_EVERY, REMEMBERED_TIMES, UsualTimes


def test_what_is_usual_is_known_once_enough_answers_are() -> None:
    usual = UsualTimes()
    for _ in range(FEWEST_TIMES - 1):
        usual.add("haiku", True, 0.25)
    assert usual.usual_s("haiku", True) is None
    usual.add("haiku", True, 0.25)
    assert usual.usual_s("haiku", True) == 0.25
    assert usual.usual_s("haiku", False) is None
    assert usual.usual_s("sonnet", True) is None


def test_what_is_usual_follows_the_model_and_forgets() -> None:
    usual = UsualTimes()
    for _ in range(REMEMBERED_TIMES):
        usual.add("haiku", True, 0.25)
    for _ in range(REMEMBERED_TIMES + RELEARN_EVERY):
        usual.add("haiku", True, 4.0)
    assert usual.usual_s("haiku", True) == 4.0


def test_a_model_that_hangs_does_not_put_its_own_hedge_off() -> None:
    """Each loss is taken in as the wait before the hedge: the usual time stays what it was."""
    usual = UsualTimes()
    for _ in range(REMEMBERED_TIMES):
        usual.add("haiku", True, 0.25)
    for _ in range(10 * REMEMBERED_TIMES):
        waited_s = usual.usual_s("haiku", True)
        assert waited_s == 0.25
        usual.add("haiku", True, waited_s)
