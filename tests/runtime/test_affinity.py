"""Pins are remembered for an hour from the last answer, in bounded room, by keyed hashes, whatever the clocks do."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.affinity import Pin
from gateway.runtime.affinity import HOLDS_S, KEPT_AGAIN_S, Pins

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = b"k" * 32


@dataclass
class Time:
    """A clock that the test moves; `set_by` is by how much somebody has set the time of day."""

    passed_s: float = 0.0
    set_by: timedelta = timedelta()
    started_s: float = 1000.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.passed_s) + self.set_by

    def monotonic(self) -> float:
        return self.started_s + self.passed_s

    async def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


@dataclass
class Kept:
    """What is kept, as a store has it after each word; `words` counts them."""

    pins: dict[int, Pin] = field(default_factory=dict)
    words: int = 0

    def keep(self, number: int, pin: Pin | None) -> None:
        self.words += 1
        if pin is None:
            self.pins.pop(number, None)
        else:
            self.pins[number] = pin


def test_a_conversation_stays_for_an_hour_from_each_answer() -> None:
    """U-51: to the second, and every answer begins another hour."""
    time = Time()
    pins = Pins(time, KEY)
    pins.answered(7, "small")
    time.passed_s = HOLDS_S - 1
    assert (pins.model_of(7), pins.model_of(8)) == ("small", None)
    pins.answered(7, "small")
    time.passed_s += HOLDS_S - 1
    assert pins.model_of(7) == "small"
    time.passed_s += 1
    assert pins.model_of(7) is None


def test_it_goes_on_with_whoever_answers_and_leaves_who_fails() -> None:
    """U-52: a failure of another model than the one it is on says nothing."""
    kept = Kept()
    pins = Pins(Time(), KEY, kept.keep)
    pins.answered(7, "small")
    pins.failed(7, "large")
    assert pins.model_of(7) == "small"
    pins.answered(7, "large")
    assert pins.model_of(7) == "large"
    pins.failed(7, "large")
    assert (pins.model_of(7), len(pins), kept.pins) == (None, 0, {})


def test_the_room_is_bounded_and_the_one_without_an_answer_for_longest_goes() -> None:
    """U-106: in memory as on disk."""
    kept, time = Kept(), Time()
    pins = Pins(time, KEY, kept.keep, most=3)
    for number in (1, 2, 3, 1, 4):
        pins.answered(number, "small")
    assert [pins.model_of(number) for number in (1, 2, 3, 4)] == ["small", None, "small", "small"]
    assert len(pins) == len(kept.pins) == 3
    time.passed_s = HOLDS_S
    pins.answered(5, "small")
    assert len(pins) == len(kept.pins) == 1, "what has ended takes no room"


def test_a_busy_conversation_is_kept_again_only_now_and_then() -> None:
    """So that a turn a second is no write a second; what is kept never ends much too soon."""
    kept, time = Kept(), Time()
    pins = Pins(time, KEY, kept.keep)
    for _ in range(601):
        pins.answered(7, "small")
        assert time.now() + timedelta(seconds=HOLDS_S - KEPT_AGAIN_S) < next(iter(kept.pins.values())).until
        time.passed_s += 1
    assert kept.words == 3


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.booleans(), st.floats(0, 2000)), max_size=40))
def test_what_is_kept_is_what_is_held(history: list[tuple[int, str, bool, float]]) -> None:
    """U-79: after a restart at any moment, each conversation is where it was, or nowhere a little too soon."""
    kept, time = Kept(), Time()
    pins = Pins(time, KEY, kept.keep, most=4)
    for number, model, fails, later_s in history:
        time.passed_s += later_s
        (pins.failed if fails else pins.answered)(number, model)
        again = Pins(Time(time.passed_s, started_s=5.0), KEY, most=4)
        again.resume(dict(kept.pins), "abc")
        for each in range(6):
            assert again.model_of(each) in {pins.model_of(each), None}
        assert pins.model_of(number) == again.model_of(number)


def test_after_a_restart_pins_hold_until_their_moment_if_their_model_is_there() -> None:
    """U-79: the time that the process was not there counts."""
    kept = Kept()
    pins = Pins(Time(), KEY, kept.keep)
    for number, model in ((1, "small"), (2, "gone")):
        pins.answered(number, model)
    later = Time(HOLDS_S - 10, started_s=5.0)
    again = Pins(later, KEY, kept.keep)
    again.resume(dict(kept.pins), ["small"])
    assert [again.model_of(number) for number in (1, 2)] == ["small", None]
    assert len(kept.pins) == 1, "what has no model is forgotten"
    later.passed_s += 10
    assert again.model_of(1) is None
    last = Pins(Time(HOLDS_S), KEY, kept.keep)
    last.resume(dict(kept.pins), ["small"])
    assert (len(last), kept.pins) == (0, {})


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_moves_no_pin(hours: int) -> None:
    """While the process runs, its own seconds count; over a restart, none holds longer than an hour."""
    kept, time = Kept(), Time()
    pins = Pins(time, KEY, kept.keep)
    pins.answered(7, "small")
    time.set_by = timedelta(hours=hours)
    time.passed_s = HOLDS_S - 1
    assert pins.model_of(7) == "small"
    pins.answered(7, "small")
    restarted = Time(time.passed_s, time.set_by, 5.0)
    again = Pins(restarted, KEY)
    again.resume({number: Pin(pin.model, pin.until + timedelta(days=9)) for number, pin in kept.pins.items()}, "small")
    restarted.passed_s += HOLDS_S
    assert again.model_of(7) is None
    time.passed_s += HOLDS_S
    assert pins.model_of(7) is None


def test_what_is_kept_is_a_hash_under_the_key() -> None:
    """U-114: who has the store and not the key can test no guess of what was said."""
    one, other = Kept(), Kept()
    for kept, key in ((one, KEY), (other, b"x" * 32)):
        Pins(Time(), key, kept.keep).answered(7, "small")
    assert one.pins.keys() != other.pins.keys()
    assert 7 not in one.pins
