"""What all endpoints of OpenAI have in common: errors, the headers of limits, the credential.

Source: the guides on error codes and on rate limits of OpenAI's API reference.
"""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

import msgspec

from gateway.dialects.base import Bad, Blame, Outgoing
from gateway.dialects.fields import object_of, word_of
from gateway.domain.attempt import ProviderError
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.words import Failure, Surface

SECOND_MS, MINUTE_MS = 1_000, 60_000
ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
"""The type and the code of an error by its status."""
FAILURES = {
    "rate_limit_exceeded": Failure.RATE_LIMITED,
    "rate_limit_error": Failure.RATE_LIMITED,
    "429": Failure.RATE_LIMITED,
    "overloaded_error": Failure.OVERLOADED,
    "503": Failure.OVERLOADED,
    "529": Failure.OVERLOADED,
    "insufficient_quota": Failure.QUOTA,
    "402": Failure.QUOTA,
    "invalid_api_key": Failure.AUTH,
    "authentication_error": Failure.AUTH,
    "401": Failure.AUTH,
    "403": Failure.AUTH,
    "model_not_found": Failure.NOT_FOUND,
    "404": Failure.NOT_FOUND,
    "context_length_exceeded": Failure.CONTEXT_LENGTH,
    "content_filter": Failure.CONTENT_FILTER,
    "content_policy_violation": Failure.CONTENT_FILTER,
    "timeout": Failure.TIMEOUT,
    "408": Failure.TIMEOUT,
    "504": Failure.TIMEOUT,
    "invalid_request_error": Failure.BAD_REQUEST,
    "invalid_prompt": Failure.BAD_REQUEST,
    "400": Failure.BAD_REQUEST,
    "422": Failure.BAD_REQUEST,
}
"""What the code or else the type of an error object means that comes with a 2xx; some sellers write a status."""
OURS = (Surface.CHAT, Surface.RESPONSES)
"""The surfaces whose callers speak to OpenAI's own endpoints of conversations."""
_encode = msgspec.json.encode


class OpenAI:
    """What each of the endpoints does alike, on both sides; it has no state."""

    id_header = "x-request-id"
    overloaded = 503
    keepalive = b": keepalive\n\n"

    def refusal(self, refusal: Refusal, blame: Blame, request_id: str) -> bytes:
        """Give `{"error": {...}}` with OpenAI's words."""
        kind, code = _type_of(refusal.status)
        if refusal.kind is RefusalKind.NOT_FOUND:
            code = "unknown_url"
        return _encode({"error": error_object(kind, code, refusal.message, blame, refusal.param or None)})

    def limit_headers(self, standings: Mapping[LimitKind, Standing], now: datetime) -> dict[str, str]:
        """Give `x-ratelimit-*`; a reset is a duration such as `1m0s` or `20ms`."""
        headers = {}
        for kind, standing in standings.items():
            headers[f"x-ratelimit-limit-{kind}"] = str(standing.limit)
            headers[f"x-ratelimit-remaining-{kind}"] = str(standing.remaining)
            headers[f"x-ratelimit-reset-{kind}"] = _duration(standing.reset_s)
        return headers

    def failure(self, status: int, error: ProviderError, blame: Blame, request_id: str) -> bytes:
        """Give `{"error": {...}}`, the provider's type and code where it gave some."""
        kind, code = _type_of(status)
        return _encode({"error": error_object(error.type or kind, error.code or code, error.message, blame)})

    def headers(self, secret: str | None, request: Request) -> dict[str, str]:
        """Give a bearer credential, and the betas that the caller of this dialect asked for."""
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        if request.surface in OURS and "openai-beta" in request.headers:
            headers["openai-beta"] = request.headers["openai-beta"]
        return headers

    def mended(self, body: bytes, error: ProviderError) -> Outgoing | None:
        """Give None: no part of a request of this dialect is signed by its provider."""
        return None

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read `{"error": {...}}`; anything else is a message of its first 500 characters."""
        error = (object_of(body) or {}).get("error")
        return (
            error_of(status, error)
            if error
            else ProviderError(status, message=body[:2000].decode("utf-8", "replace")[:500])
        )


def event_words(error: ProviderError, blame: Blame) -> dict[str, Any]:
    """Give the object that says what went wrong in a stream that has begun with a 200."""
    kind, code = _type_of(error.status) if error.status >= 400 else ("server_error", None)
    return error_object(error.type or kind, error.code or code, error.message, blame)


def _type_of(status: int) -> tuple[str, str | None]:
    """Give the type and the code that go with a status."""
    other = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return ERROR_TYPES.get(status, (other, None))


def error_object(kind: str, code: str | None, message: str, blame: Blame, param: str | None = None) -> dict[str, Any]:
    """Give the object that says what went wrong, and who is at fault."""
    return {"message": message, "type": kind, "param": param, "code": code, "rulegate": blame.shown()}


def error_of(status: int, error: Any) -> ProviderError:  # noqa: ANN401 - decoded JSON
    """Give the words of an error object."""
    if not isinstance(error, dict):
        return ProviderError(status, message=word_of(error))
    kind, code, message = (word_of(error.get(name)) for name in ("type", "code", "message"))
    return ProviderError(status, kind, code, message)


def bad_of(error: Any) -> Bad:  # noqa: ANN401 - decoded JSON
    """Give what an error object means that comes with a 2xx: what it would mean with its own status."""
    words = error_of(200, error)
    return Bad(FAILURES.get(words.code) or FAILURES.get(words.type) or Failure.SERVER_ERROR, words)


def _duration(seconds: float) -> str:
    """Write a duration as OpenAI does, rounded up to a millisecond so that waiting it is enough."""
    milliseconds = ceil(seconds * 1000)
    if milliseconds < MINUTE_MS:
        return f"{milliseconds}ms" if milliseconds < SECOND_MS else f"{milliseconds / SECOND_MS:g}s"
    minutes, rest = divmod(milliseconds, MINUTE_MS)
    return f"{minutes}m{rest / SECOND_MS:g}s"
