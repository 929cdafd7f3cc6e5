"""How long the fuzzers run: a few hundred examples each with all the tests, or minutes each with `--fuzz-minutes`."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

T = TypeVar("T")
EXAMPLES = 250
"""In a run of all the tests."""
ROUND = 500
"""At a time in a long run, after each of which the clock is looked at."""
SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


@dataclass(frozen=True)
class Fuzz:
    """Runs a check on examples: for a number of them, or for a while."""

    minutes: float

    def run(self, check: Callable[[T], None], examples: st.SearchStrategy[T], most: int = EXAMPLES) -> None:
        """Check examples: `most` of them, or rounds of many until the time is over."""
        chosen = settings(max_examples=ROUND if self.minutes else most, suppress_health_check=SLOW_IS_FINE)
        end_s = monotonic() + 60 * self.minutes
        while True:

            @chosen
            @given(examples)
            def one(example: T) -> None:
                check(example)

            one()
            if monotonic() >= end_s:
                return
