"""What a Failure does beside moving on: whether the same step may be tried again, and whether the model rests."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.domain.words import Failure


class Cools(Enum):
    """What a failure says of the model's health."""

    AT_ONCE = "at once"
    COUNTED = "after several"
    NEVER = "no"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a failure does. `again`: a second try at the same step may cure it; `tries` counts only these."""

    cools: Cools
    again: bool


EFFECTS: Mapping[Failure, Effect] = {
    Failure.RATE_LIMITED: Effect(Cools.AT_ONCE, again=False),
    Failure.OVERLOADED: Effect(Cools.COUNTED, again=True),
    Failure.TIMEOUT: Effect(Cools.COUNTED, again=True),
    Failure.CONNECT: Effect(Cools.COUNTED, again=True),
    Failure.SERVER_ERROR: Effect(Cools.COUNTED, again=True),
    Failure.AUTH: Effect(Cools.AT_ONCE, again=False),
    Failure.QUOTA: Effect(Cools.AT_ONCE, again=False),
    Failure.BAD_REQUEST: Effect(Cools.NEVER, again=False),
    Failure.NOT_FOUND: Effect(Cools.COUNTED, again=False),
    Failure.CONTEXT_LENGTH: Effect(Cools.NEVER, again=False),
    Failure.CONTENT_FILTER: Effect(Cools.NEVER, again=False),
    Failure.TRUNCATED: Effect(Cools.COUNTED, again=True),
    Failure.EMPTY: Effect(Cools.NEVER, again=True),
    Failure.MALFORMED: Effect(Cools.COUNTED, again=True),
    Failure.CANCELLED: Effect(Cools.NEVER, again=False),
}
"""Whether the chain goes on is the rule's `fall_back_on`; an empty answer may be the request's own fault."""
