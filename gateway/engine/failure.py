"""What a provider's answer means when it is not a 2xx: status and words to a Failure.

Source: the error references of the two providers; the bodies that say more than their status are those with which
providers report spent credit and full context windows under 400.
"""

from collections.abc import Sequence

from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.health import Rest
from gateway.domain.words import Failure

# Whole phrases: the word "billing" alone stands in plain rate limits too, where they say how to be granted more.
_QUOTA_WORDS = (
    "insufficient_quota",
    "quota_exceeded",
    "exceeded your current quota",
    "billing_error",
    "billing_not_active",
    "billing_hard_limit",
    "credit balance",
    "api usage limits",
)
_CONTEXT_WORDS = (
    "context_length",
    "context length",
    "context window",
    "context limit",
    "context size",
    "prompt is too long",
    "input is too long",
    "too many tokens",
)
_FILTER_WORDS = (
    "content_filter",
    "content_policy",
    "content filtering policy",
    "content management policy",
    "violating our usage policy",
    "safety system",
)
_KEY_WORDS = (
    "invalid_api_key",
    "invalid api key",
    "incorrect api key",
    "api key not valid",
    "authentication_error",
    "invalid x-api-key",
)

_BY_STATUS = {
    401: Failure.AUTH,
    402: Failure.QUOTA,
    403: Failure.AUTH,
    404: Failure.NOT_FOUND,
    408: Failure.TIMEOUT,
    409: Failure.SERVER_ERROR,
    429: Failure.RATE_LIMITED,
    503: Failure.OVERLOADED,
    504: Failure.TIMEOUT,
    529: Failure.OVERLOADED,
}


def failure_of(error: ProviderError) -> Failure:
    """Give the Failure for an error status; total over all of them."""
    said = f"{error.type} {error.code} {error.message}".lower()
    if error.status in (402, 403, 429) and _any(_QUOTA_WORDS, said):
        return Failure.QUOTA
    if (known := _BY_STATUS.get(error.status)) is not None:
        return known
    if 400 <= error.status < 500:
        if error.status == 413 or _any(_CONTEXT_WORDS, said):
            return Failure.CONTEXT_LENGTH
        if _any(_FILTER_WORDS, said):
            return Failure.CONTENT_FILTER
        if _any(_QUOTA_WORDS, said):
            return Failure.QUOTA
        return Failure.AUTH if _any(_KEY_WORDS, said) else Failure.BAD_REQUEST
    return Failure.SERVER_ERROR


def _any(words: tuple[str, ...], said: str) -> bool:
    return any(word in said for word in words)


OVERLOADED = 503
"""The status of a final error where the providers are overloaded; a dialect may have another one beside it."""
_OUR_FAULT = {
    Failure.AUTH: "the provider does not accept the gateway's credential",
    Failure.QUOTA: "the gateway's account at the provider has no credit left",
    Failure.NOT_FOUND: "the provider does not know the model that the gateway asked for",
}
_ANSWERS = (
    # what the caller can act on first: a fault of the request, then waiting, then ours and the provider's
    (Failure.BAD_REQUEST, 400),
    (Failure.CONTEXT_LENGTH, 400),
    (Failure.CONTENT_FILTER, 400),
    (Failure.RATE_LIMITED, 429),
    (Failure.OVERLOADED, OVERLOADED),
    (Failure.TIMEOUT, 504),
)
_WORTH_A_WAIT = (429, OVERLOADED)


def final_error(attempts: tuple[Attempt, ...], overloaded: int = OVERLOADED) -> tuple[int, ProviderError]:
    """Give the status and the words for a request whose attempts all failed.

    `overloaded` is the caller's dialect's own status for that, which is kept where the provider said it.

    The most actionable failure wins, in the order of the table above; any other, such as a credential of ours that a
    provider refuses, is a 502. An upstream's 401 never reaches a caller, who would look for the fault in his own key.
    A fault of the request keeps the provider's own status unless that one means something else, as in `_BY_STATUS`.
    The provider's words are kept where they are about the request; where they are about our account, whoever asks
    could do nothing with them, and they may hold a part of a key.
    """
    if not attempts:
        return 504, ProviderError(504, message="the deadline passed before any model could be asked")
    status, decisive = _decisive(attempts)
    error = decisive.error or ProviderError(0)
    if decisive.failure in _OUR_FAULT:
        return status, ProviderError(error.status, message=f"{_OUR_FAULT[decisive.failure]} ('{decisive.provider}')")
    waits = [each.error.retry_after_s for each in attempts if each.error and each.error.retry_after_s is not None]
    wait = min(waits, default=None) if status in _WORTH_A_WAIT else None
    if status == OVERLOADED and error.status == overloaded:
        status = overloaded
    said_nothing = f"the provider answered {error.status}" if error.status else "the provider gave no answer"
    return status, ProviderError(error.status, error.type, error.code, error.message or said_nothing, wait)


def blame_of(attempts: tuple[Attempt, ...]) -> str:
    """Say who is at fault for a request whose attempts all failed: `gateway` or `provider`."""
    return "gateway" if not attempts or _decisive(attempts)[1].failure in _OUR_FAULT else "provider"


def _decisive(attempts: tuple[Attempt, ...]) -> tuple[int, Attempt]:
    """Give the status, and the attempt that decides it: the last one of the most actionable failure."""
    last = {attempt.failure: attempt for attempt in attempts}
    for failure, status in _ANSWERS:
        if (attempt := last.get(failure)) is not None:
            own = attempt.status
            about_the_request = status == 400 and 400 <= own < 500 and own not in _BY_STATUS
            return (own if about_the_request else status), attempt
    return 502, attempts[-1]


def resting_error(rests: Sequence[Rest]) -> tuple[int, ProviderError, str]:
    """Give the status, the words and who is to blame where no model was asked, because all of them rest.

    It is what the failures that sent them to rest would be: 429 where all were of the rate, 502 and our own fault where
    all are of our account, else 503.
    """
    reasons = {rest.reason for rest in rests}
    ours = reasons <= _OUR_FAULT.keys()
    status = 429 if reasons == {Failure.RATE_LIMITED} else 502 if ours else 503
    why = ", ".join(sorted(reason.value for reason in reasons))
    words = f"every model for this request is left alone for now, after failures of its provider ({why})"
    wait_s = min(rest.recovers_in_s for rest in rests)
    return status, ProviderError(0, message=words, retry_after_s=wait_s), "gateway" if ours else "provider"
