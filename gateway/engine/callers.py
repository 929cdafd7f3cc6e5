"""What time does to callers: whose keys have expired, and whose will soon."""

from datetime import datetime, timedelta

from gateway.domain.caller import Caller, Callers
from gateway.domain.problem import Problem

SOON = timedelta(days=14)
"""How long before its end an expiry is warned of."""


def expiries(callers: Callers, at: datetime) -> tuple[Problem, ...]:
    """Give a warning for each caller whose keys are not taken any more at an aware moment, or not for long."""
    return tuple(problem for caller in callers.by_name.values() if (problem := _expiry(caller, at)) is not None)


def _expiry(caller: Caller, at: datetime) -> Problem | None:
    if caller.expires is None or caller.expires > at + SOON:
        return None
    when = "expired" if caller.expired(at) else "expires"
    words = f"the key of caller '{caller.name}' {when} at {caller.expires:%Y-%m-%dT%H:%M:%SZ}"
    hint = "give it a later 'expires', or remove the caller"
    return Problem(caller.file, caller.mark.line, caller.mark.column, words, hint)
