"""What an event shows of itself: our words and numbers, and none of the provider's text."""

import pytest

from gateway.domain.attempt import Attempt, Event, ProviderError, Skipped, shown
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Skip, SpendKind

QUOTING = ProviderError(400, "kind", "code", "you said: my secret plan")
EVENTS: dict[str, tuple[Event, dict[str, object]]] = {
    "an answer": (
        Attempt(0, "small", "local", None, status=200, duration_s=0.123456),
        {"model": "small", "status": 200, "failure": None, "seconds": 0.1235},
    ),
    "an answer with the provider's id": (
        Attempt(0, "small", "local", None, status=200, upstream_id="req_1"),
        {"model": "small", "status": 200, "failure": None, "seconds": 0.0, "upstream_id": "req_1"},
    ),
    "a failure without what the provider said": (
        Attempt(1, "large", "local", Failure.BAD_REQUEST, error=QUOTING, status=400),
        {"model": "large", "status": 400, "failure": "bad_request", "seconds": 0.0},
    ),
    "a failure that was mended": (
        Attempt(1, "large", "local", Failure.BAD_REQUEST, error=QUOTING, status=400, again=True),
        {"model": "large", "status": 400, "failure": "bad_request", "seconds": 0.0, "again": True},
    ),
    "a skip": (Skipped(2, "other", Skip.COOLING), {"model": "other", "skip": "cooling"}),
    "a skip for what the model lacks": (
        Skipped(2, "other", Skip.INCAPABLE, ("images",)),
        {"model": "other", "skip": "incapable", "lacks": ["images"]},
    ),
}


@pytest.mark.parametrize(("event", "expected"), EVENTS.values(), ids=EVENTS.keys())
def test_an_event_is_shown_in_our_words(event: Event, expected: dict[str, object]) -> None:
    """U-114: the provider's message may quote the request, and stays out of rows and error bodies."""
    assert shown(event) == expected


@pytest.mark.parametrize(
    ("failure", "committed", "kind"),
    [
        (None, False, SpendKind.ANSWER),
        (None, True, SpendKind.ANSWER),
        (Failure.TRUNCATED, True, SpendKind.ANSWER),
        (Failure.EMPTY, False, SpendKind.FAILED),
    ],
)
def test_an_attempt_was_for_an_answer_if_the_caller_holds_a_part_of_one(
    failure: Failure | None, kind: SpendKind, *, committed: bool
) -> None:
    assert Attempt(0, "small", "local", failure, committed=committed).kind is kind


@pytest.mark.parametrize(
    ("attempt", "counts"),
    [
        (Attempt(0, "small", "local", None), True),
        (Attempt(0, "small", "local", Failure.TRUNCATED, committed=True), True),
        (Attempt(0, "small", "local", Failure.EMPTY, usage=Usage(output_tokens=1)), True),
        (Attempt(0, "small", "local", Failure.EMPTY, cost_nano_usd=1), True),
        (Attempt(0, "small", "local", Failure.EMPTY, usage=Usage()), False),
        (Attempt(0, "small", "local", Failure.CONNECT), False),
    ],
)
def test_an_attempt_counts_that_answered_or_used_something(attempt: Attempt, *, counts: bool) -> None:
    assert attempt.counts is counts
