"""The budget for what is asked beyond the first attempt of each request: a share of the traffic, and a little more.

A purse with two pockets. `earned` grows by the share with each request, and halves in a minute: what a quiet day has
saved is not spent in a bad hour. `spare` fills up to a minute's worth, however little traffic there is. Source of the
idea: the retry budgets of Finagle (`RetryBudget`, a share and a number per second that expire) and Envoy.
"""

from dataclasses import dataclass
from math import log
from typing import Final

from gateway.domain.rule import RetryBudget

HALF_LIFE_S: Final = 60.0
MINUTE_S: Final = 60.0
QUIET_S: Final = 60.0
"""After so long without a refusal the budget is said to hold again."""


@dataclass(frozen=True, slots=True)
class Purse:
    """What may be spent on further attempts, as of a moment of the monotonic seconds."""

    earned: float
    spare: float
    at_s: float


def full(budget: RetryBudget, now_s: float) -> Purse:
    """Give the purse that a daemon begins with."""
    return Purse(0.0, budget.at_least_per_min, now_s)


def brought_up(purse: Purse, budget: RetryBudget, requests: int, now_s: float) -> Purse:
    """Take in the requests that came since the purse was looked at, as if they had come evenly."""
    passed_s = max(now_s - purse.at_s, 0.0)
    kept = 0.5 ** (passed_s / HALF_LIFE_S)
    # the mean, over the stretch, of what is left at its end of something that came within it
    left = 1.0 if passed_s <= 0 else min(HALF_LIFE_S / log(2) * (1 - kept) / passed_s, 1.0)
    spare = purse.spare + budget.at_least_per_min * passed_s / MINUTE_S
    return Purse(
        purse.earned * kept + budget.share * requests * left,
        min(spare, budget.at_least_per_min),
        max(now_s, purse.at_s),
    )


def spent(purse: Purse) -> Purse | None:
    """Take one further attempt out of a purse that was brought up; None where there is not enough for it."""
    from_earned = min(purse.earned, 1.0)
    from_spare = 1.0 - from_earned
    if from_spare > purse.spare:
        return None
    return Purse(purse.earned - from_earned, purse.spare - from_spare, purse.at_s)


def emptied(purse: Purse) -> Purse:
    """Take an attempt out of a purse that is made whatever is left: a fallback, which nothing refuses."""
    return spent(purse) or Purse(0.0, 0.0, purse.at_s)
