"""Limits: what callers may use within a minute and at once, and how many requests may be at a model at once.

Nothing here counts; `gateway.engine.limits` and `gateway.engine.gates` do.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

MINUTE_S: Final = 60.0
"""The window of every limit that is written `N/min`."""


class LimitKind(StrEnum):
    """What is limited, in the words of `limits:`."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    CONCURRENT = "concurrent"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may use: requests and tokens within any minute, and requests at once; None is without limit."""

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands with one limit, as the rate limit headers of OpenAI and Anthropic tell it.

    `remaining` is never negative. `reset_s` is when all of the limit is there again if nothing more is used: OpenAI
    sends it as a duration (`6m0s`), Anthropic as the instant.
    https://platform.openai.com/docs/guides/rate-limits https://docs.claude.com/en/api/rate-limits#response-headers
    """

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class UsedUp:
    """Refused for now: the same request is admitted after `wait_s`, more than 0, if the caller sends no other."""

    kind: LimitKind
    limit: int
    wait_s: float

    @property
    def retry_after_s(self) -> int:
        """The whole seconds for a Retry-After header, rounded up so that waiting them is enough."""
        return ceil(self.wait_s)


@dataclass(frozen=True, slots=True)
class Full:
    """Refused while as many requests as `limit` are running; nobody knows when one ends, so no wait would be true."""

    limit: int


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Refused for ever: the request alone asks for more than the whole limit, and waiting does not help.

    OpenAI does the same, with a 429 "Request too large ...: Limit 30000, Requested 36278" and no Retry-After.
    """

    kind: LimitKind
    limit: int
    asked: int


class GateKind(StrEnum):
    """What requests may be at: a model, a provider, or one step of a chain."""

    MODEL = "model"
    PROVIDER = "provider"
    STEP = "step"


QUEUE: Final = 100
QUEUE_WAIT_S: Final = 10.0
"""How many requests may wait at a gate, and for how long, where its file does not say."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How many requests may be at something at once, and how many more may wait for it, each for how long.

    A step is named by its place: `chains/cheap/2`, or `rules/code/1` where the chain stands inside its rule.
    """

    kind: GateKind
    name: str
    limit: int
    queue: int = QUEUE
    wait_s: float = QUEUE_WAIT_S


@dataclass(frozen=True, slots=True)
class Crowd:
    """How things stand at a gate: the requests that are there, and those that wait for it; `limit` None for none."""

    kind: GateKind
    name: str
    limit: int | None
    there: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Crowded:
    """No place, and none in line: a request that comes in `again_s` seconds, more than 0, may fare better.

    `long` says that there was a place in line, from which the wait would have been longer than it may be.
    """

    again_s: float
    long: bool
