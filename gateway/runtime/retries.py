"""Keeps the budget for attempts beyond the first of each request, for the whole daemon. The sums are `engine.retries`.

Hedges, and further tries of the same step, need room in it: they are more load for the same answer, and an hour in
which everything fails is when they would be most. A fallback to another model takes its part and is never refused:
without it the caller would get an error that another model could have spared them, and what bounds it is that a model
which fails is left alone.
"""

import logging
from collections.abc import Callable
from enum import StrEnum

from gateway.domain.rule import RetryBudget
from gateway.engine.retries import QUIET_S, Purse, brought_up, emptied, full, spent
from gateway.runtime.ports import Clock

logger = logging.getLogger(__name__)


class Further(StrEnum):
    """What needs room in the budget."""

    HEDGE = "hedge"
    TRY = "try"


Refused = Callable[[str], object]
"""Hears of what the budget has refused."""


class Retries:
    """The purse; it belongs to the event loop."""

    def __init__(self, clock: Clock, refused: Refused) -> None:
        self._clock = clock
        self._told = refused
        self._purse: Purse | None = None
        self._came = 0
        self._refused_s: float | None = None

    def came(self) -> None:
        """Count a request whose first attempt is made."""
        self._came += 1
        if self._refused_s is not None and self._clock.monotonic() - self._refused_s >= QUIET_S:
            self._refused_s = None
            logger.info("the retry budget holds again: nothing was refused for %.0f s", QUIET_S)

    def allows(self, what: Further, budget: RetryBudget) -> bool:
        """Take a further attempt out of the budget, or refuse it."""
        purse = self._brought_up(budget)
        rest = spent(purse)
        self._purse = purse if rest is None else rest
        if rest is not None:
            return True
        self._told(what.value)
        if self._refused_s is None:
            words = (
                "the retry budget is used up (%.0f%% of the requests, at least %d a minute): until there is room again "
                "slow models are not hedged, and no step is tried a second time"
            )
            logger.warning(words, budget.share * 100, budget.at_least_per_min)
        self._refused_s = self._clock.monotonic()
        return False

    def fell_back(self, budget: RetryBudget) -> None:
        """Take a fallback out of the budget, as far as there is anything in it."""
        self._purse = emptied(self._brought_up(budget))

    def _brought_up(self, budget: RetryBudget) -> Purse:
        now_s, came = self._clock.monotonic(), self._came
        self._came = 0
        return brought_up(self._purse or full(budget, now_s), budget, came, now_s)
