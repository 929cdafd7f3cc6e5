"""What is counted of requests, over which time, and that it does not grow for ever."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt, Event, Skipped
from gateway.domain.words import Failure, Outcome, Skip
from gateway.engine.looks import EVERYTHING, NO_COUNTS, Counts
from gateway.runtime.tally import LONGEST_S, SLOT_S, SPARE_SLOTS, Tally
from tests.adapters.entries import entry


@dataclass
class Time:
    """A clock that the test moves."""

    at_s: float = 10_000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at_s, UTC)

    def monotonic(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds


def attempt(model: str, failure: Failure | None = None) -> Attempt:
    return Attempt(0, model, "acme", failure)


def counted(outcome: Outcome, *events: Event, rule: str = "code") -> dict[tuple[str, str], Counts]:
    tally = Tally(Time())
    tally.note(added_up([entry(outcome=outcome, events=events, rule=rule)]))
    return tally.counts([300.0])[300.0]


def test_a_request_counts_under_its_rule_and_under_everything_its_attempts_under_their_models() -> None:
    found = counted(
        Outcome.ANSWERED_AFTER_FALLBACK, attempt("gpt", Failure.TIMEOUT), Skipped(1, "o", Skip.FULL), attempt("mini")
    )
    fell_back = Counts(1, 0, 1, {"gpt: timeout": 1})
    assert found == {
        EVERYTHING: fell_back,
        ("rule", "code"): fell_back,
        ("model", "gpt"): Counts(1, 1, 0, {"timeout": 1}),
        ("model", "mini"): Counts(1),
    }
    assert found[EVERYTHING].failures == {"gpt: timeout": 1}
    assert found["model", "gpt"].failures == {"timeout": 1}


RULE_COUNTS: dict[str, tuple[Outcome, tuple[Event, ...], Counts]] = {
    "answered": (Outcome.ANSWERED, (attempt("gpt"),), Counts(1)),
    "failed": (Outcome.FAILED, (attempt("gpt", Failure.SERVER_ERROR),), Counts(1, 1)),
    "interrupted": (Outcome.INTERRUPTED, (attempt("gpt", Failure.TRUNCATED),), Counts(1, 1)),
    "no model could be asked": (Outcome.FAILED, (Skipped(0, "gpt", Skip.COOLING),), Counts(1, 1)),
    "our key is wrong": (Outcome.FAILED, (attempt("gpt", Failure.AUTH),), Counts(1, 1)),
    "the caller left": (Outcome.CANCELLED, (attempt("gpt", Failure.CANCELLED),), NO_COUNTS),
    "refused": (Outcome.REFUSED, (), NO_COUNTS),
    "the request was wrong": (Outcome.FAILED, (attempt("gpt", Failure.BAD_REQUEST),), NO_COUNTS),
    "the request was too long": (Outcome.FAILED, (attempt("gpt", Failure.CONTEXT_LENGTH),), NO_COUNTS),
    "the request was filtered": (Outcome.FAILED, (attempt("gpt", Failure.CONTENT_FILTER),), NO_COUNTS),
}


@pytest.mark.parametrize(("outcome", "events", "expected"), RULE_COUNTS.values(), ids=RULE_COUNTS)
def test_what_is_the_requests_own_fault_is_nobodys_rate(
    outcome: Outcome, events: tuple[Event, ...], expected: Counts
) -> None:
    found = counted(outcome, *events)
    of_rule = found.get(("rule", "code"), NO_COUNTS)
    assert (of_rule.requests, of_rule.errors) == (expected.requests, expected.errors)
    own = expected == NO_COUNTS
    assert (("model", "gpt") in found) is (not own and any(isinstance(event, Attempt) for event in events))


pauses = st.sampled_from([0, 1, 14, 15, 16, 29, 57, 60, 299, 700])
moves = st.lists(st.tuples(pauses, st.sampled_from(["a", "b", "look"]), st.booleans()), max_size=60)


@given(moves, st.sampled_from([60.0, 300.0, 3_600.0]))
def test_the_counts_are_those_of_the_window_and_at_most_a_slot_more(
    requests: list[tuple[int, str, bool]], window_s: float
) -> None:
    """With an oracle that keeps every request, however often somebody looks."""
    time, kept = Time(), list[tuple[float, str, bool]]()
    tally = Tally(time)
    for after_s, rule, failed in [*requests, (0, "look", False)]:
        time.at_s += after_s
        if rule != "look":
            kept.append((time.at_s, rule, failed))
            outcome = Outcome.FAILED if failed else Outcome.ANSWERED
            events = (attempt("gpt", Failure.TIMEOUT),) if failed else ()
            tally.note(added_up([entry(outcome=outcome, rule=rule, events=events)]))
            continue
        found = tally.counts([window_s])[window_s]
        for name in ("a", "b"):
            counts = found.get(("rule", name), NO_COUNTS)
            mine = [(time.at_s - at_s, failed) for at_s, rule, failed in kept if rule == name]
            within = [failed for age, failed in mine if age <= window_s]
            about = [failed for age, failed in mine if age < window_s + SLOT_S]
            assert len(within) <= counts.requests <= len(about)
            assert sum(within) <= counts.errors <= sum(about)
            assert counts.failures == ({"gpt: timeout": counts.errors} if counts.errors else {})
        together = found.get(EVERYTHING, NO_COUNTS).requests
        assert together == sum(found.get(("rule", name), NO_COUNTS).requests for name in ("a", "b"))


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    """Bounded memory: slots of an hour, whoever looks or does not."""
    time = Time()
    tally = Tally(time)
    for _ in range(2_000):
        time.at_s += SLOT_S
        tally.note(added_up([entry()]))
    assert len(tally._slots) == LONGEST_S // SLOT_S + 1 + SPARE_SLOTS
    time.at_s += 2 * LONGEST_S
    assert tally.counts([LONGEST_S]) == {LONGEST_S: {}}
    assert not tally._slots


def test_who_answered_instead_is_known_for_an_hour_by_a_name_that_fits_a_line() -> None:
    """U-67: the last one for each model; what providers make up is cut and cleaned."""
    time = Time()
    tally = Tally(time)
    for model, answered, unpriced in (
        ("gpt", "first", True),
        ("gpt", "second\n\u202e" + "x" * 200, True),
        ("mini", "mini-1", False),
    ):
        one = Attempt(0, model, "acme", None, unpriced=unpriced)
        tally.note(added_up([entry(events=(one,), response_model=answered)]))
    assert tally.unpriced() == {"gpt": "second??" + "x" * 92}
    time.at_s += LONGEST_S + 1
    assert tally.unpriced() == {}
