"""Rate limits of callers: what may be used within a minute and at once, and what is said when it is used up.

Nothing here counts; `gateway.engine.limits` does.
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
