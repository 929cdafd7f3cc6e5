"""What an event shows of itself: our words and numbers, and none of the provider's text."""

import pytest

from gateway.domain.attempt import Attempt, Event, ProviderError, Skipped, shown
from gateway.domain.words import Failure, Skip

QUOTING = ProviderError(400, "kind", "code", "you said: my secret plan")
EVENTS: dict[str, tuple[Event, dict[str, object]]] = {
    "an answer": (
        Attempt(0, "small", "local", None, status=200, duration_s=0.123456),
        {"model": "small", "status": 200, "failure": None, "seconds": 0.1235},
    ),
    "a failure without what the provider said": (
        Attempt(1, "large", "local", Failure.BAD_REQUEST, error=QUOTING, status=400),
        {"model": "large", "status": 400, "failure": "bad_request", "seconds": 0.0},
    ),
    "a skip": (Skipped(2, "other", Skip.COOLING), {"model": "other", "skip": "cooling"}),
}


@pytest.mark.parametrize(("event", "expected"), EVENTS.values(), ids=EVENTS.keys())
def test_an_event_is_shown_in_our_words(event: Event, expected: dict[str, object]) -> None:
    """U-114: the provider's message may quote the request, and stays out of rows and error bodies."""
    assert shown(event) == expected
