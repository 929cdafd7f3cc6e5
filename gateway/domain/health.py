"""How models are doing, as nouns: what is known of one from its own traffic, and what keeps requests from it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, structs

from gateway.domain.words import Failure


class HealthState(StrEnum):
    """How a model is doing: the word used in conditions, metrics and `/api/models`."""

    OK = "ok"
    DEGRADED = "degraded"
    COOLING = "cooling"
    HALF_OPEN = "half_open"


class Ailment(StrEnum):
    """What keeps requests from a model that does answer them."""

    SLOW = "slow"


Reason = Failure | Ailment
"""Why a model rests: the word in `/api/models` and in the daemon's own log."""


class Health(Struct, frozen=True, gc=False):
    """What is known of a model. Times are monotonic seconds.

    `seen`, `failed` and `slow` count attempts that say something of the model, each counting less the older it is; they
    stand as of `at_s`. `in_a_row` counts the failures since the last answer, `slow_in_a_row` the slow answers since the
    last one that was not. `reason` is why requests stay away, None while they do not; they come again from `until_s`
    on, one at first. `mild` says that it is only worse than it was: whoever has no better model left asks it as ever.
    `spells` counts how often that failed. `trial_s` is when the request of the present spell was let through that is to
    find out. `past_seen` and `past_failed` are `seen` and `failed` with a longer memory.
    """

    seen: float = 0.0
    failed: float = 0.0
    at_s: float = 0.0
    in_a_row: int = 0
    reason: Reason | None = None
    until_s: float = 0.0
    spells: int = 0
    trial_s: float | None = None
    mild: bool = False
    slow: float = 0.0
    slow_in_a_row: int = 0
    past_seen: float = 0.0
    past_failed: float = 0.0

    def on_trial(self, trial_s: float | None) -> "Health":
        """Give the same with another moment at which a request was let through to find out."""
        return structs.replace(self, trial_s=trial_s)

    def at_rest(self, reason: Reason, until_s: float, spells: int, *, mild: bool) -> "Health":
        """Give the same at rest, without a request that finds out."""
        return structs.replace(self, reason=reason, until_s=until_s, spells=spells, trial_s=None, mild=mild)


WELL = Health()
"""A model of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Cooling:
    """A rest as it is kept over restarts: why, until which aware moment, and how often it has failed to help.

    A mild one is not kept: what is usual is learned anew.
    """

    reason: Failure
    until: datetime
    spells: int


@dataclass(frozen=True, slots=True)
class Rest:
    """A model that no request should go to: why, for how many seconds yet, and whether one may all the same.

    `last_resort` says that a request with no other step left may try it. `mild` says that any such request may, for
    the model does answer, only not as it used to.
    """

    reason: Reason
    recovers_in_s: float
    last_resort: bool
    mild: bool = False
