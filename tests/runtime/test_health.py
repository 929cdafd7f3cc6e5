"""The board remembers what `engine.health` judges, says each change once, and lets an operator mend things."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.health import Ailment, Cooling, HealthState
from gateway.domain.pace import Took
from gateway.domain.words import Failure
from gateway.engine.health import ACCOUNT_REST_S, FEW, LONGEST_ASKED_S, MOST_SPELLS_SLOW, REST_S
from gateway.engine.pace import ENOUGH, kind_of
from gateway.runtime.health import Checkup, HealthBoard

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Time:
    """A clock that the test moves."""

    passed_s: float = 0.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return 1000.0 + self.passed_s

    async def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


def failed(failure: Failure, wait_s: float | None = None) -> Attempt:
    return Attempt(0, "small", "acme", failure, error=ProviderError(429, retry_after_s=wait_s))


def test_what_is_well_costs_nothing_to_ask() -> None:
    board = HealthBoard(Time())
    board.answered("small", trial=False)
    assert board.resting() == {}
    assert not board.began("small")
    assert board.states(["small", "large"]) == {"small": HealthState.OK, "large": HealthState.OK}


def test_a_rest_is_told_with_its_reason_and_its_end() -> None:
    """U-20: at a read endpoint, with reason and expiry."""
    time = Time()
    board = HealthBoard(time)
    board.failed(failed(Failure.RATE_LIMITED, 7.0), Failure.RATE_LIMITED, trial=False)
    assert board.checkup("small") == Checkup(HealthState.COOLING, Failure.RATE_LIMITED, AT + timedelta(seconds=7))
    assert board.resting()["small"].recovers_in_s == 7.0
    time.passed_s = 8.0
    assert board.state("small") is HealthState.HALF_OPEN
    assert board.resting() == {}
    assert board.began("small"), "whoever goes there now is its trial"
    assert list(board.resting()) == ["small"]
    board.answered("small", trial=True)
    assert board.checkup("small") == Checkup(HealthState.OK, None, None)


def test_each_change_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """U-103: whatever the traffic; and whose account it is about."""
    time = Time()
    board = HealthBoard(time)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            board.failed(failed(Failure.AUTH), Failure.AUTH, trial=False)
        time.passed_s = ACCOUNT_REST_S
        board.failed(failed(Failure.TIMEOUT), Failure.TIMEOUT, trial=board.began("small"))
        time.passed_s *= 3
        board.answered("small", trial=board.began("small"))
        board.answered("small", trial=False)
        board.failed(failed(Failure.RATE_LIMITED), Failure.RATE_LIMITED, trial=False)
    assert [record.getMessage() for record in caplog.records] == [
        f"model 'small' is left alone for {ACCOUNT_REST_S:.0f} s (auth): see to the account at provider 'acme'",
        "model 'small' answers again",
        f"model 'small' is left alone for {REST_S:.0f} s (rate_limited)",
    ]


@pytest.mark.parametrize("failure", [Failure.AUTH, Failure.QUOTA, Failure.RATE_LIMITED])
def test_a_reload_forgives_what_an_operator_mends_and_nothing_else(failure: Failure) -> None:
    board = HealthBoard(Time())
    board.failed(failed(failure), failure, trial=False)
    board.mended()
    assert bool(board.resting()) is (failure is Failure.RATE_LIMITED)


class Kept(dict[str, Cooling]):
    """What is kept, as a store has it after each word."""

    def keep(self, model: str, cooling: Cooling | None) -> None:
        if cooling is None:
            self.pop(model, None)
        else:
            self[model] = cooling


def restarted(kept: Kept, passed_s: float, *models: str) -> HealthBoard:
    """Give the board of a process that starts some time later; its monotonic clock is another one."""

    class Later(Time):
        def monotonic(self) -> float:
            return 5.0 + self.passed_s

    board = HealthBoard(Later(passed_s), kept.keep)
    board.resume(dict(kept), models)
    return board


def test_a_rest_goes_on_after_a_restart_until_its_moment() -> None:
    """U-79: with its reason, and the time that the process was not there counts."""
    kept = Kept()
    board = HealthBoard(Time(), kept.keep)
    board.failed(failed(Failure.RATE_LIMITED, 30.0), Failure.RATE_LIMITED, trial=False)
    later = restarted(kept, 20.0, "small")
    assert later.checkup("small") == Checkup(HealthState.COOLING, Failure.RATE_LIMITED, AT + timedelta(seconds=30))
    assert later.resting()["small"].recovers_in_s == pytest.approx(10.0)
    assert restarted(kept, 30.0, "small").state("small") is HealthState.OK
    assert kept == {}, "what has passed is forgotten"


def test_a_longer_rest_is_kept_and_an_answer_ends_it_for_good() -> None:
    """U-16 U-79: each word on a model is the last one."""
    kept, time = Kept(), Time()
    board = HealthBoard(time, kept.keep)
    for wait_s in (5.0, 50.0, 9.0):
        board.failed(failed(Failure.RATE_LIMITED, wait_s), Failure.RATE_LIMITED, trial=False)
    assert kept["small"].until == AT + timedelta(seconds=50)
    time.passed_s = 51.0
    assert board.began("small")
    board.answered("small", trial=True)
    assert kept == {}


def test_what_an_operator_had_to_mend_and_what_is_gone_is_not_taken_up_again() -> None:
    """U-79 U-87: a start reads keys anew, as a reload does; a model that is gone rests no more when it comes back."""
    kept = Kept()
    board = HealthBoard(Time(), kept.keep)
    board.failed(failed(Failure.AUTH), Failure.AUTH, trial=False)
    assert restarted(Kept(kept), 1.0, "small").state("small") is HealthState.OK
    board.mended()
    assert kept == {}
    board.failed(failed(Failure.RATE_LIMITED, 30.0), Failure.RATE_LIMITED, trial=False)
    assert restarted(kept, 1.0, "large").resting() == {}
    assert kept == {}


def test_a_clock_that_was_set_back_makes_no_rest_longer_than_any_can_be() -> None:
    kept = Kept(small=Cooling(Failure.RATE_LIMITED, AT + timedelta(days=300), 1))
    assert restarted(kept, 0.0, "small").resting()["small"].recovers_in_s == LONGEST_ASKED_S


SHORT, LONG = (kind_of(tokens, None, thinks=False) for tokens in (500, 100_000))


def usual(board: HealthBoard, model: str = "small", seconds: float = 0.5) -> None:
    for _ in range(ENOUGH):
        board.answered(model, trial=False, took=Took(SHORT, seconds))


def slow(board: HealthBoard, model: str = "small", count: int = FEW + 1) -> None:
    for _ in range(count):
        board.answered(model, trial=False, took=Took(SHORT, 9.0))


def test_a_model_that_becomes_slow_rests_mildly_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """U-103 U-123: with a word for why, said once when it begins and once when it ends, and nothing asked for it."""
    time, kept = Time(), Kept()
    board = HealthBoard(time, kept.keep)
    with caplog.at_level(logging.INFO):
        usual(board)
        slow(board, count=FEW)
        assert board.state("small") is HealthState.OK
        slow(board, count=4)
        until = AT + timedelta(seconds=REST_S)
        assert board.checkup("small") == Checkup(HealthState.COOLING, Ailment.SLOW, until)
        assert board.resting()["small"].mild
        time.passed_s = REST_S
        board.answered("small", trial=board.began("small"), took=Took(SHORT, 9.0))
        assert board.resting()["small"].recovers_in_s == 2 * REST_S
        time.passed_s += 2 * REST_S
        board.answered("small", trial=board.began("small"), took=Took(SHORT, 0.5))
    assert (board.state("small"), board.resting()) == (HealthState.OK, {})
    assert [record.getMessage() for record in caplog.records] == [
        "model 'small' is left alone for 10 s (slow): it does worse than usual, others are asked first",
        "model 'small' answers again",
    ]
    assert kept == {}, "what is usual is not kept, nor what is judged by it"


def test_a_model_that_fails_more_often_than_usual_is_not_closed_by_a_restart() -> None:
    """U-79: a mild rest is not kept: taken up again it would be a real one."""
    time, kept = Time(), Kept()
    board = HealthBoard(time, kept.keep)
    for _ in range(600):
        board.answered("small", trial=False)
    time.passed_s = 600.0
    for place in range(100):
        if place % 4:
            board.answered("small", trial=False)
        else:
            board.failed(failed(Failure.SERVER_ERROR), Failure.SERVER_ERROR, trial=False)
    assert (board.state("small"), board.resting()["small"].mild) == (HealthState.COOLING, True)
    assert kept == {}


def test_each_model_is_measured_by_itself_and_by_answers_of_its_kind() -> None:
    """A huge prompt takes long, and so does a model that always did."""
    board = HealthBoard(Time())
    usual(board)
    usual(board, "large", 9.0)
    for _ in range(3 * ENOUGH):
        board.answered("small", trial=False, took=Took(LONG, 60.0))
        board.answered("large", trial=False, took=Took(SHORT, 12.0))
    assert board.states(["small", "large"]) == dict.fromkeys(["small", "large"], HealthState.OK)


def test_what_is_slow_changes_nothing_about_what_is_usual_until_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """After half an hour of trials it is well, and measured by what it does from then on."""
    time = Time()
    board = HealthBoard(time)
    usual(board)
    slow(board, count=500)
    caplog.clear()
    trials = 0
    with caplog.at_level(logging.INFO):
        while board.resting():
            time.passed_s += board.resting()["small"].recovers_in_s
            trials += 1
            board.answered("small", trial=board.began("small"), took=Took(SHORT, 9.0))
    assert trials == MOST_SPELLS_SLOW
    assert [record.getMessage() for record in caplog.records] == [
        "model 'small' has been slow for so long that it is taken to be no faster any more",
        "model 'small' answers again",
    ]
    slow(board, count=500)
    assert board.state("small") is HealthState.OK


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_set_makes_no_rest_longer_or_shorter(days: int) -> None:
    """A rest goes by seconds that never go back; people are told its end by the clock as it is now."""

    class Set(Time):
        by = timedelta()

        def now(self) -> datetime:
            return super().now() + self.by

    time = Set()
    board = HealthBoard(time)
    board.failed(failed(Failure.RATE_LIMITED, 30.0), Failure.RATE_LIMITED, trial=False)
    time.by = timedelta(days=days)
    assert board.resting()["small"].recovers_in_s == 30.0
    assert board.checkup("small").until == AT + time.by + timedelta(seconds=30)
    time.passed_s = 29.0
    assert board.state("small") is HealthState.COOLING
    time.passed_s = 30.0
    assert board.state("small") is HealthState.HALF_OPEN


def overtaken(board: HealthBoard, silent_s: float, *, streams: bool = True) -> None:
    for _ in range(FEW + 1):
        attempt = Attempt(0, "small", "acme", Failure.CANCELLED, lost=True)
        board.overtaken(attempt, Took(SHORT, silent_s) if streams else None, trial=False)


def test_a_model_that_is_overtaken_again_and_again_is_slow_by_its_own_past() -> None:
    """U-123: whoever is always cancelled gives no slow answer to be judged by; its silence speaks."""
    board = HealthBoard(Time())
    usual(board)
    overtaken(board, 1.2)
    assert board.checkup("small").reason is Ailment.SLOW
    assert board.resting()["small"].mild


@pytest.mark.parametrize(("silent_s", "streams"), [(0.9, True), (60.0, False)], ids=["as ever", "of unknown length"])
def test_to_lose_to_a_model_that_is_faster_anyway_is_no_ailment(silent_s: float, *, streams: bool) -> None:
    board = HealthBoard(Time())
    usual(board)
    overtaken(board, silent_s, streams=streams)
    assert (board.state("small"), board.resting()) == (HealthState.OK, {})


def test_an_answer_of_another_kind_says_nothing_of_how_long_a_model_may_be_silent() -> None:
    """What is usual for short questions is no measure for a long one, of which nothing is known."""
    board = HealthBoard(Time())
    usual(board)
    attempt = Attempt(0, "small", "acme", Failure.CANCELLED, lost=True)
    for _ in range(FEW + 1):
        board.overtaken(attempt, Took(kind_of(100_000, None, thinks=False), 60.0), trial=False)
    assert (board.state("small"), board.resting()) == (HealthState.OK, {})


def test_a_model_that_is_overtaken_all_the_time_is_said_to_be_slow_once(caplog: pytest.LogCaptureFixture) -> None:
    board = HealthBoard(Time())
    usual(board)
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            overtaken(board, 1.2)
    assert caplog.text.count("model 'small' is left alone") == 1


@pytest.mark.parametrize(
    ("silent_s", "state"),
    [(1.2, HealthState.COOLING), (0.9, HealthState.HALF_OPEN)],
    ids=["still slow", "as ever"],
)
def test_a_trial_that_is_overtaken_finds_out_by_what_was_usual_before(silent_s: float, state: HealthState) -> None:
    """Nothing is learned from silence. Who still is slow rests again; else the next request finds out, at once."""
    time = Time()
    board = HealthBoard(time)
    usual(board)
    for _ in range(10):
        overtaken(board, 1.2)
    time.passed_s = REST_S + 1.0
    assert board.began("small"), "its rest is over"
    attempt = Attempt(0, "small", "acme", Failure.CANCELLED, lost=True)
    board.overtaken(attempt, Took(SHORT, silent_s), trial=True)
    assert board.checkup("small").reason is Ailment.SLOW
    assert (board.state("small"), "small" in board.resting()) == (state, state is HealthState.COOLING)
