"""Warnings of keys that end: early enough, and at the caller's place."""

from datetime import UTC, datetime, timedelta

from gateway.domain.caller import NO_CALLERS, Caller, Callers
from gateway.domain.problem import Mark, Problem
from gateway.engine.callers import SOON, expiries

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
TICK = timedelta(seconds=1)


def expiring(expires: datetime | None) -> tuple[Problem, ...]:
    caller = Caller("bot", expires=expires, file="c.yaml", mark=Mark(3, 5))
    return expiries(Callers.of([(b"8 bytes and more", caller)]), AT)


def test_a_key_that_ends_within_fourteen_days_is_warned_of_where_it_stands() -> None:
    assert timedelta(days=14) == SOON
    hint = "give it a later 'expires', or remove the caller"
    words = {
        AT + SOON: "the key of caller 'bot' expires at 2026-01-19T12:00:00Z",
        AT + TICK: "the key of caller 'bot' expires at 2026-01-05T12:00:01Z",
        AT: "the key of caller 'bot' expired at 2026-01-05T12:00:00Z",
        AT - 99 * SOON: "the key of caller 'bot' expired at 2022-03-21T12:00:00Z",
    }
    assert {at: expiring(at) for at in words} == {
        at: (Problem("c.yaml", 3, 5, told, hint),) for at, told in words.items()
    }


def test_a_key_that_does_not_end_soon_is_no_warning() -> None:
    assert expiring(None) == expiring(AT + SOON + TICK) == expiries(NO_CALLERS, AT) == ()
