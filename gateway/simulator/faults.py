"""Faults: what a simulated provider does wrong on request, and for how many requests.

The nouns are frozen; the board is the one thing here that changes, and the server owns it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

EVERY_MODEL = "*"


class Fault(StrEnum):
    """One way in which a provider fails; where streams and whole answers differ, both are said."""

    RATE_LIMITED = "rate_limited"
    """429 with Retry-After."""
    QUOTA = "quota"
    """The account is empty: 429 insufficient_quota from OpenAI, 400 from Anthropic."""
    SERVER_ERROR = "server_error"
    """500."""
    OVERLOADED = "overloaded"
    """529 from Anthropic, 503 from OpenAI."""
    AUTH = "auth"
    """401."""
    NOT_FOUND = "not_found"
    """404 for the model."""
    BAD_REQUEST = "bad_request"
    """400 for a parameter."""
    CONTEXT_LENGTH = "context_length"
    """400 for too long an input, as each provider words it."""
    CONTENT_FILTER = "content_filter"
    """200, and the answer ends as filtered (OpenAI) or refused (Anthropic)."""
    REFUSE = "refuse"
    """The request is read, then the connection is reset without a byte of response."""
    STALL = "stall"
    """The request is read, and nothing is said until the client goes."""
    STALL_AFTER_HEADERS = "stall_after_headers"
    """Headers (and a stream's events before content), then nothing until the client goes."""
    CUT = "cut"
    """The connection closes after a few words of a stream, or in the middle of a whole answer's body."""
    ERROR_IN_STREAM = "error_in_stream"
    """An error event before any content; without a stream, the provider's overloaded answer."""
    ERROR_IN_200 = "error_in_200"
    """200 whose JSON body is an error, also if a stream was asked for."""
    EMPTY = "empty"
    """200 with an answer that holds no content."""
    MALFORMED_LINE = "malformed_line"
    """A stream has one event that is not JSON before its content; a whole answer is not JSON."""
    NO_TERMINAL = "no_terminal"
    """A stream ends cleanly right after its content: no finish reason, no usage, no marker."""
    NO_MARKER = "no_marker"
    """A stream ends cleanly with all but its last marker, `[DONE]`, `response.completed` or `message_stop`."""
    HEADERS_SLOWLY = "headers_slowly"
    """A head that comes a byte at a time and has no end, until the client goes."""
    PINGS_ONLY = "pings_only"
    """A stream that gives signs of life and nothing else; the body of a whole answer begins with spaces for ever."""
    ENDLESS = "endless"
    """A stream whose content does not end; a whole answer's body does not, and is large."""
    ENDLESS_EVENT = "endless_event"
    """A stream whose first event of content does not end; a whole answer is as `endless`."""
    GZIP_BOMB = "gzip_bomb"
    """200, compressed although nobody asked for that: a few kilobytes that unfold to ten megabytes of nothing."""
    HALF_CLOSED = "half_closed"
    """As `cut`, but the provider goes on listening: it has only said that it says no more."""
    SLOW = "slow"
    """A second for each token, or what the script says of a token and of the first content."""
    USAGE_MISSING = "usage_missing"
    """No usage is reported."""
    USAGE_CACHED = "usage_cached"
    """Most of the input is reported as read from a cache, in each provider's own fields."""
    USAGE_WRONG = "usage_wrong"
    """The usage contradicts itself: no output for an answer that has some, and more input from a cache than input."""
    USAGE_SPLIT = "usage_split"
    """A stream's usage is spread over its events, with null and partial counters; a whole answer's is as always."""


@dataclass(frozen=True, slots=True)
class Script:
    """A fault for the next `remaining` requests, or for ever if that is None.

    `retry_after_s` is sent as Retry-After with any error status (rate_limited sends 1 if it is None).
    `per_token_s` and `first_content_s` are the pace of `slow`; unlike the default pace it is not multiplied by the
    simulator's speed. Where only the latter is given, tokens come as they always do.
    """

    fault: Fault
    remaining: int | None = None
    retry_after_s: float | None = None
    per_token_s: float | None = None
    first_content_s: float | None = None


class Faults:
    """The board of scripts: one for each upstream model, for `provider/model`, or `*` for every model."""

    def __init__(self, scripts: Mapping[str, Script] | None = None) -> None:
        self._scripts = dict(scripts or {})

    @property
    def scripts(self) -> Mapping[str, Script]:
        """Give what stands on the board now, as a copy."""
        return dict(self._scripts)

    def put(self, model: str, script: Script) -> None:
        """Put a script on the board in place of the model's last one; one with nothing remaining clears it."""
        if script.remaining is not None and script.remaining <= 0:
            self.clear(model)
        else:
            self._scripts[model] = script

    def clear(self, model: str | None = None) -> None:
        """Take one model's script off the board, or all of them."""
        if model is None:
            self._scripts.clear()
        else:
            self._scripts.pop(model, None)

    def take(self, provider: str | None, model: str) -> Script | None:
        """Give the script for one request and count it; the most particular name wins."""
        for name in (f"{provider}/{model}", model, EVERY_MODEL):
            script = self._scripts.get(name)
            if script is None:
                continue
            if script.remaining is not None:
                self.put(name, replace(script, remaining=script.remaining - 1))
            return script
        return None
