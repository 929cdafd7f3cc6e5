"""What is judged of callers: whose keys have expired or will soon, and what a request is expected to use."""

from datetime import datetime, timedelta

from gateway.domain.caller import Caller, Callers
from gateway.domain.problem import Problem
from gateway.engine.explain import ASSUMED_OUTPUT_TOKENS, output_tokens_of
from gateway.engine.features import Features

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


def expected_tokens(features: Features) -> int:
    """Give the tokens that a limit takes for a request until it is known what it used.

    Output limits that callers send are high above what most answers need, so that no more than the usual is taken.
    """
    output_tokens = min(max(output_tokens_of(features), 0), ASSUMED_OUTPUT_TOKENS)
    return int(features["estimated_tokens"]) + output_tokens
