"""The closed vocabularies. One word means one thing in rule files, log columns, metric labels and messages."""

from enum import StrEnum


class Failure(StrEnum):
    """Why an attempt failed; an attempt is one HTTP request to a provider."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    SERVER_ERROR = "server_error"
    AUTH = "auth"
    QUOTA = "quota"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    MALFORMED = "malformed"
    CANCELLED = "cancelled"


DEFAULT_FALL_BACK_ON = frozenset(Failure) - {Failure.BAD_REQUEST, Failure.CONTENT_FILTER, Failure.CANCELLED}
"""What moves a request to the next step when the rule does not say."""


class Skip(StrEnum):
    """Why a step was passed over without an attempt."""

    INCAPABLE = "incapable"
    OVER_BUDGET = "over_budget"
    COOLING = "cooling"
    FULL = "full"


class Outcome(StrEnum):
    """How a request ended; every request has exactly one."""

    ANSWERED = "answered"
    ANSWERED_AFTER_FALLBACK = "answered_after_fallback"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class CountResult(StrEnum):
    """How a request for a count of tokens ended; every one has exactly one."""

    COUNTED = "counted"
    ESTIMATED = "estimated"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Surface(StrEnum):
    """Which door a request came through."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"
    EXECUTE = "execute"


class Dialect(StrEnum):
    """A wire format; also the `kind` of a provider that speaks it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Prefer(StrEnum):
    """What a caller would rather have when both cannot be had; also the `strength` of a model, less `cost`."""

    COST = "cost"
    BALANCED = "balanced"
    QUALITY = "quality"
    SPEED = "speed"


class Mode(StrEnum):
    """Whether a rule decides, is only matched and logged, or is not looked at."""

    LIVE = "live"
    SHADOW = "shadow"
    OFF = "off"


class Affinity(StrEnum):
    """Whether a conversation stays on the model that answered it."""

    CONVERSATION = "conversation"
    NONE = "none"


class SpendKind(StrEnum):
    """What an attempt was for: each kind is money all the same."""

    ANSWER = "answer"
    FAILED = "failed"
    HEDGE = "hedge"
    SHADOW = "shadow"
    JUDGE = "judge"
