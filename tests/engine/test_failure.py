"""What reading failures promises: every answer has one word, and the caller gets the most actionable status."""

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import ProviderDialect
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.health import Rest
from gateway.domain.words import Failure
from gateway.engine.failure import blame_of, failure_of, final_error, resting_error
from tests import strategies

OPENAI, ANTHROPIC = OpenAIChat(), AnthropicMessages()


def openai(kind: str | None, code: str | None, message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def anthropic(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).encode()


INVALID = "invalid_request_error"
BODIES: dict[str, tuple[ProviderDialect, int, bytes, Failure]] = {
    "openai: a wrong key": (
        OPENAI,
        401,
        openai(INVALID, "invalid_api_key", "Incorrect API key provided: sk-1***9."),
        Failure.AUTH,
    ),
    "openai: a wrong key under 400": (
        OPENAI,
        400,
        openai(None, None, "Incorrect API key provided: xai-1."),
        Failure.AUTH,
    ),
    "openai: a wrong key at Google": (
        OPENAI,
        400,
        openai(None, "400", "API key not valid. Please pass a valid API key."),
        Failure.AUTH,
    ),
    "openai: a country": (
        OPENAI,
        403,
        openai("request_forbidden", "unsupported_country_region_territory", "Country not supported"),
        Failure.AUTH,
    ),
    "openai: a rate limit": (
        OPENAI,
        429,
        openai("tokens", "rate_limit_exceeded", "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000."),
        Failure.RATE_LIMITED,
    ),
    "openai: a rate limit that advertises": (
        OPENAI,
        429,
        openai(
            "requests",
            "rate_limit_exceeded",
            "Rate limit reached for gpt-4o-mini on requests per min (RPM): Limit 3. Please try again in 20s. Visit "
            "https://platform.openai.com/account/billing to add a payment method and increase your rate limit.",
        ),
        Failure.RATE_LIMITED,
    ),
    "openai: credit spent": (
        OPENAI,
        429,
        openai(
            "insufficient_quota",
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Failure.QUOTA,
    ),
    "openai: an account that is not active": (
        OPENAI,
        429,
        openai("billing_not_active", "billing_not_active", "Your account is not active, please check your billing."),
        Failure.QUOTA,
    ),
    "openai: a hard limit under 400": (
        OPENAI,
        400,
        openai(INVALID, "billing_hard_limit_reached", "Billing hard limit has been reached"),
        Failure.QUOTA,
    ),
    "openai: too long": (
        OPENAI,
        400,
        openai(INVALID, "context_length_exceeded", "This model's maximum context length is 8192 tokens."),
        Failure.CONTEXT_LENGTH,
    ),
    "openai: too long, in other words": (
        OPENAI,
        400,
        openai(INVALID, None, "Your input exceeds the context window of this model. Please adjust your input."),
        Failure.CONTEXT_LENGTH,
    ),
    "openai: too long for vLLM": (
        OPENAI,
        400,
        openai(
            "BadRequestError", "400", "This model's maximum context length is 4096 tokens. However, you requested 5000."
        ),
        Failure.CONTEXT_LENGTH,
    ),
    "openai: too long for llama.cpp": (
        OPENAI,
        400,
        openai("exceed_context_size_error", "400", "the request exceeds the available context size."),
        Failure.CONTEXT_LENGTH,
    ),
    "openai: content refused by Azure": (
        OPENAI,
        400,
        openai(None, "content_filter", "The response was filtered due to Azure OpenAI's content management policy."),
        Failure.CONTENT_FILTER,
    ),
    "openai: content refused": (
        OPENAI,
        400,
        openai(INVALID, "invalid_prompt", "Your prompt was flagged as potentially violating our usage policy."),
        Failure.CONTENT_FILTER,
    ),
    "openai: an unknown parameter": (
        OPENAI,
        400,
        openai(INVALID, "unknown_parameter", "Unknown parameter: 'foo'."),
        Failure.BAD_REQUEST,
    ),
    "openai: an invalid value": (OPENAI, 422, openai(None, None, "temperature: not a number"), Failure.BAD_REQUEST),
    "openai: an unknown model": (
        OPENAI,
        404,
        openai(INVALID, "model_not_found", "The model `x` does not exist or you do not have access to it."),
        Failure.NOT_FOUND,
    ),
    "openai: a fault": (OPENAI, 500, openai("server_error", None, "The server had an error"), Failure.SERVER_ERROR),
    "openai: overload": (OPENAI, 503, openai("server_error", None, "The engine is overloaded"), Failure.OVERLOADED),
    "a gateway's page": (OPENAI, 502, b"<html><h1>502 Bad Gateway</h1></html>", Failure.SERVER_ERROR),
    "a gateway's timeout": (OPENAI, 504, b"upstream request timeout", Failure.TIMEOUT),
    "anthropic: a wrong key": (
        ANTHROPIC,
        401,
        anthropic("authentication_error", "invalid x-api-key"),
        Failure.AUTH,
    ),
    "anthropic: a wrong key under 400": (ANTHROPIC, 400, anthropic(INVALID, "invalid x-api-key"), Failure.AUTH),
    "anthropic: no permission": (ANTHROPIC, 403, anthropic("permission_error", "not allowed"), Failure.AUTH),
    "anthropic: credit spent": (
        ANTHROPIC,
        400,
        anthropic(INVALID, "Your credit balance is too low to access the Anthropic API."),
        Failure.QUOTA,
    ),
    "anthropic: a spend limit": (
        ANTHROPIC,
        400,
        anthropic(INVALID, "You have reached your specified API usage limits. You will regain access on 2026-02-01."),
        Failure.QUOTA,
    ),
    "anthropic: billing": (ANTHROPIC, 402, anthropic("billing_error", "payment required"), Failure.QUOTA),
    "anthropic: too long": (
        ANTHROPIC,
        400,
        anthropic(INVALID, "prompt is too long: 200251 tokens > 200000 maximum"),
        Failure.CONTEXT_LENGTH,
    ),
    "anthropic: too long with its answer": (
        ANTHROPIC,
        400,
        anthropic(INVALID, "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000"),
        Failure.CONTEXT_LENGTH,
    ),
    "anthropic: too large": (
        ANTHROPIC,
        413,
        anthropic("request_too_large", "Request exceeds the maximum size"),
        Failure.CONTEXT_LENGTH,
    ),
    "anthropic: content refused": (
        ANTHROPIC,
        400,
        anthropic(INVALID, "Output blocked by content filtering policy"),
        Failure.CONTENT_FILTER,
    ),
    "anthropic: an invalid request": (
        ANTHROPIC,
        400,
        anthropic(INVALID, "max_tokens: Field required"),
        Failure.BAD_REQUEST,
    ),
    "anthropic: an unknown model": (ANTHROPIC, 404, anthropic("not_found_error", "model: claude-9"), Failure.NOT_FOUND),
    "anthropic: a rate limit": (
        ANTHROPIC,
        429,
        anthropic(
            "rate_limit_error", "This request would exceed your organization's rate limit of 40,000 input tokens"
        ),
        Failure.RATE_LIMITED,
    ),
    "anthropic: a fault": (ANTHROPIC, 500, anthropic("api_error", "Internal server error"), Failure.SERVER_ERROR),
    "anthropic: overload": (ANTHROPIC, 529, anthropic("overloaded_error", "Overloaded"), Failure.OVERLOADED),
}


@pytest.mark.parametrize(("dialect", "status", "body", "failure"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_a_provider_sends_has_its_failure(
    dialect: ProviderDialect, status: int, body: bytes, failure: Failure
) -> None:
    """U-09 to U-13: the words that go with a status decide where the status alone does not."""
    assert failure_of(dialect.read_error(status, body)) is failure


STATUSES = {
    **dict.fromkeys(range(100, 600), Failure.SERVER_ERROR),
    **dict.fromkeys(range(400, 500), Failure.BAD_REQUEST),
    401: Failure.AUTH,
    402: Failure.QUOTA,
    403: Failure.AUTH,
    404: Failure.NOT_FOUND,
    408: Failure.TIMEOUT,
    409: Failure.SERVER_ERROR,
    413: Failure.CONTEXT_LENGTH,
    429: Failure.RATE_LIMITED,
    503: Failure.OVERLOADED,
    504: Failure.TIMEOUT,
    529: Failure.OVERLOADED,
}


def test_every_status_without_words_has_its_failure() -> None:
    """U-09: 408, 409, 429, 5xx and 529 are failures after which a chain goes on by default."""
    assert {status: failure_of(ProviderError(status)) for status in STATUSES} == STATUSES


@given(st.integers(0, 999), st.text(max_size=30), st.text(max_size=30), st.text(max_size=200))
def test_any_words_under_any_status_have_a_failure(status: int, kind: str, code: str, message: str) -> None:
    failure = failure_of(ProviderError(status, kind, code, message))
    assert failure in Failure
    if status not in range(400, 500):
        assert failure in {Failure.SERVER_ERROR, Failure.OVERLOADED, Failure.TIMEOUT}


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"no"', b'{"error": "no"}', b'{"error": {"code": 7}}', b"\xff"])
@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_a_body_of_any_shape_has_the_failure_of_its_status(dialect: ProviderDialect, body: bytes) -> None:
    assert failure_of(dialect.read_error(400, body)) is Failure.BAD_REQUEST
    assert failure_of(dialect.read_error(529, body)) is Failure.OVERLOADED


# -- what the caller is told when nothing answered


def failed(failure: Failure, status: int = 0, words: str = "words", wait_s: float | None = None) -> Attempt:
    error = ProviderError(status, "kind", "code", words, wait_s)
    return Attempt(0, "model", "the-provider", failure, error=error, status=status)


MOST_ACTIONABLE_FIRST = [
    (failed(Failure.BAD_REQUEST, 422), 422),
    (failed(Failure.CONTEXT_LENGTH, 400), 400),
    (failed(Failure.CONTENT_FILTER, 400), 400),
    (failed(Failure.RATE_LIMITED, 429), 429),
    (failed(Failure.OVERLOADED, 529), 503),
    (failed(Failure.TIMEOUT, 0), 504),
    (failed(Failure.SERVER_ERROR, 500), 502),
]


@pytest.mark.parametrize("place", range(len(MOST_ACTIONABLE_FIRST)))
def test_the_most_actionable_failure_is_the_answer_wherever_it_stands(place: int) -> None:
    """U-61: a fault of the request, then waiting, then time, then the provider's faults."""
    attempts = [each for each, _ in MOST_ACTIONABLE_FIRST[place:][:3]]
    for order in permutations(attempts):
        status, error = final_error(order)
        assert status == MOST_ACTIONABLE_FIRST[place][1]
        assert error.status == attempts[0].status


attempts = st.lists(
    st.builds(failed, strategies.failures, st.sampled_from([0, 200, 400, 401, 402, 403, 404, 429, 500, 599])),
    max_size=5,
)


@given(attempts.map(tuple))
def test_a_caller_is_never_told_that_the_key_or_the_budget_is_at_fault(attempts: tuple[Attempt, ...]) -> None:
    """U-10, U-62: an upstream's 401, 402 or 403 would send the caller to look at a key that is fine."""
    status, _ = final_error(attempts)
    assert status in {400, 429, 502, 503, 504}


OURS = [Failure.AUTH, Failure.QUOTA, Failure.NOT_FOUND]


@pytest.mark.parametrize("failure", OURS)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429])
def test_a_fault_of_our_account_is_a_502_in_our_words(failure: Failure, status: int) -> None:
    """U-62: the provider's own words about our account, which may hold a part of a key, are not passed on."""
    told, error = final_error((failed(failure, status, "Incorrect API key provided: sk-secret"),))
    assert told == 502
    assert "the-provider" in error.message
    assert "sk-secret" not in error.message
    assert (error.type, error.code, error.retry_after_s) == ("", "", None)


KEPT: dict[str, tuple[Attempt, int]] = {
    "an invalid value": (failed(Failure.BAD_REQUEST, 422), 422),
    "a body that is too large": (failed(Failure.CONTEXT_LENGTH, 413), 413),
    "an error within a 200": (failed(Failure.BAD_REQUEST, 200), 400),
    "no status at all": (failed(Failure.CONTENT_FILTER, 0), 400),
}


@pytest.mark.parametrize(("attempt", "status"), KEPT.values(), ids=KEPT.keys())
def test_a_fault_of_the_request_keeps_the_providers_status_and_words(attempt: Attempt, status: int) -> None:
    """U-11, U-61: the provider's type, code and message reach the caller."""
    told, error = final_error((attempt,))
    assert told == status
    assert (error.type, error.code, error.message) == ("kind", "code", "words")


WAITS: dict[str, tuple[tuple[Attempt, ...], float | None]] = {
    "the shortest counts": (
        (failed(Failure.RATE_LIMITED, 429, wait_s=30), failed(Failure.OVERLOADED, 529, wait_s=7)),
        7,
    ),
    "one that gives none is passed over": (
        (failed(Failure.OVERLOADED, 503), failed(Failure.OVERLOADED, 503, wait_s=9)),
        9,
    ),
    "none is given": ((failed(Failure.RATE_LIMITED, 429),), None),
    "no wait cures a bad request": (
        (failed(Failure.RATE_LIMITED, 429, wait_s=30), failed(Failure.BAD_REQUEST, 400)),
        None,
    ),
}


@pytest.mark.parametrize(("attempts", "wait_s"), WAITS.values(), ids=WAITS.keys())
def test_a_wait_is_passed_on_where_waiting_helps(attempts: tuple[Attempt, ...], wait_s: float | None) -> None:
    assert final_error(attempts)[1].retry_after_s == wait_s


def test_the_last_attempt_of_the_deciding_failure_gives_the_words() -> None:
    attempts = (
        failed(Failure.TIMEOUT, words="first"),
        failed(Failure.TIMEOUT, words="last"),
        failed(Failure.AUTH, 401),
    )
    assert final_error(attempts)[1].message == "last"


SILENT: dict[str, tuple[Attempt, str]] = {
    "a status without words": (failed(Failure.SERVER_ERROR, 500, ""), "the provider answered 500"),
    "not even a status": (Attempt(0, "model", "p", Failure.CONNECT), "the provider gave no answer"),
}


@pytest.mark.parametrize(("attempt", "words"), SILENT.values(), ids=SILENT.keys())
def test_where_the_provider_said_nothing_we_say_that(attempt: Attempt, words: str) -> None:
    assert final_error((attempt,)) == (502, ProviderError(attempt.status, *_said(attempt), message=words))


def _said(attempt: Attempt) -> tuple[str, str]:
    return (attempt.error.type, attempt.error.code) if attempt.error else ("", "")


def test_without_any_attempt_the_deadline_is_to_blame() -> None:
    status, error = final_error(())
    assert status == 504
    assert "deadline" in error.message


@pytest.mark.parametrize(
    ("failures", "blame"),
    [
        ((), "gateway"),
        ((Failure.AUTH,), "gateway"),
        ((Failure.OVERLOADED, Failure.QUOTA), "provider"),
        ((Failure.SERVER_ERROR, Failure.NOT_FOUND), "gateway"),
        ((Failure.NOT_FOUND, Failure.SERVER_ERROR), "provider"),
        ((Failure.BAD_REQUEST,), "provider"),
    ],
)
def test_the_blame_is_that_of_the_failure_that_decides(failures: tuple[Failure, ...], blame: str) -> None:
    """U-62: nobody is sent to a provider for our own credential, nor to us for an overload."""
    assert blame_of(tuple(Attempt(at, "m", "acme", each) for at, each in enumerate(failures))) == blame


@pytest.mark.parametrize(
    ("reasons", "status", "blame"),
    [
        ({Failure.RATE_LIMITED}, 429, "provider"),
        ({Failure.RATE_LIMITED, Failure.OVERLOADED}, 503, "provider"),
        ({Failure.TIMEOUT}, 503, "provider"),
        ({Failure.AUTH, Failure.QUOTA}, 502, "gateway"),
        ({Failure.AUTH, Failure.TIMEOUT}, 503, "provider"),
    ],
)
def test_when_all_models_rest_the_answer_is_that_of_their_failures(
    reasons: set[Failure], status: int, blame: str
) -> None:
    """U-19: with the time of the earliest recovery."""
    rests = [Rest(reason, 5.0 + place, last_resort=False) for place, reason in enumerate(sorted(reasons))]
    got, error, who = resting_error(rests)
    assert (got, error.retry_after_s, who) == (status, 5.0, blame)
    assert all(reason.value in error.message for reason in reasons)
