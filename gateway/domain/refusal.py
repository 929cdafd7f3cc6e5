"""Refusals: answers that the gateway itself gives instead of asking a model."""

from dataclasses import dataclass
from enum import StrEnum


class RefusalKind(StrEnum):
    """What the gateway refuses for; each dialect has its own status words for these."""

    INVALID_REQUEST = "invalid_request"
    MODEL_NOT_FOUND = "model_not_found"
    NOT_FOUND = "not_found"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    OVER_BUDGET = "over_budget"
    STORE_FAILED = "store_failed"
    INTERNAL = "internal"
    STOPPING = "stopping"
    OVERLOADED = "overloaded"
    TOO_SLOW = "too_slow"


STATUS = {
    RefusalKind.INVALID_REQUEST: 400,
    RefusalKind.MODEL_NOT_FOUND: 404,
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.UNAUTHENTICATED: 401,
    RefusalKind.FORBIDDEN: 403,
    RefusalKind.RATE_LIMITED: 429,
    RefusalKind.TOO_LARGE: 413,
    RefusalKind.OVER_BUDGET: 402,
    RefusalKind.STORE_FAILED: 503,
    RefusalKind.INTERNAL: 500,
    RefusalKind.STOPPING: 503,
    RefusalKind.OVERLOADED: 503,
    RefusalKind.TOO_SLOW: 408,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal with the words for the caller; `param` names the field of the request at fault, or is empty.

    `retry_after_s` is when it is worth trying again, None where that is not known.
    """

    kind: RefusalKind
    message: str
    param: str = ""
    retry_after_s: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status that goes with the kind."""
        return STATUS[self.kind]

    def status_where(self, overloaded: int) -> int:
        """Give the status in a dialect that has one of its own for being overloaded, 503 or another."""
        return overloaded if self.kind is RefusalKind.OVERLOADED else self.status
