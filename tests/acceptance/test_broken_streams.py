"""Streams that break after their first content, and failures that no other model may hide."""

from typing import Any

import anthropic
import openai
import pytest

from tests.acceptance.test_fallback import STREAMED, SURFACES, ask
from tests.fakes.daemon import Daemon
from tests.fakes.rule_files import PAIRS, PROVIDER, UPSTREAM

EVERY_PAIR = pytest.mark.parametrize("pair", PAIRS, ids="-".join)
ACROSS = pytest.mark.parametrize("pair", PAIRS[1::2], ids="-".join)
"""The fault matrix has all the others."""


@SURFACES
@ACROSS
@pytest.mark.parametrize("fault", ["cut", "no_terminal", "no_marker"])
async def test_a_stream_that_breaks_ends_with_an_error_event_and_no_other_voice(
    paired: Daemon, *, fault: str, surface: str, pair: tuple[str, str]
) -> None:
    """U-06 U-07: content of the first model, an error event in the caller's dialect, no terminal marker, no second
    model, and a row that says so."""
    await paired.fault(UPSTREAM[pair[0]], fault)
    status, headers, said = await ask(paired, surface, pair, stream=True)
    assert (status, said.whole, said.model) == (200, False, UPSTREAM[pair[0]])
    assert said.text.startswith(f"(simulated {UPSTREAM[pair[0]]})"[:12])
    assert UPSTREAM[pair[1]] not in said.text
    assert said.error is not None
    assert said.error["rulegate"]["blame"] == "provider"
    row = await paired.row(headers["x-rulegate-request-id"])
    assert row["outcome"] == "interrupted"
    assert [(each["model"], each["failure"]) for each in row["attempts"]] == [(pair[0], "truncated")]
    assert row["output_tokens"] > 0
    assert (await paired.upstream())["models"] == {UPSTREAM[pair[0]]: 1}
    metrics = await paired.metrics()
    assert metrics["rulegate_requests_total", "interrupted", "-".join(pair), surface] == 1
    assert metrics["rulegate_attempts_total", "truncated", pair[0]] == 1


@EVERY_PAIR
async def test_the_official_clients_raise_when_a_stream_breaks(paired: Daemon, pair: tuple[str, str]) -> None:
    """U-06: whoever reads with an official client learns that the answer is not whole."""
    await paired.fault(UPSTREAM[pair[0]], "cut")
    headers = {"x-pair": "-".join(pair)}
    turn = "Why is the sky blue?"
    async with openai.AsyncOpenAI(base_url=f"{paired.url}/v1", api_key="none", max_retries=0) as client:
        chunks = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": turn}], stream=True, extra_headers=headers
        )
        with pytest.raises(openai.APIError):
            _ = [chunk async for chunk in chunks]
    async with anthropic.AsyncAnthropic(base_url=paired.url, api_key="none", max_retries=0) as other:
        events = await other.messages.create(
            model="auto",
            max_tokens=200,
            messages=[{"role": "user", "content": turn}],
            stream=True,
            extra_headers=headers,
        )
        with pytest.raises(anthropic.APIError):
            _ = [event async for event in events]


@SURFACES
@STREAMED
@ACROSS
async def test_a_request_that_is_wrong_is_sent_once_and_the_provider_says_why(
    paired: Daemon, *, surface: str, stream: bool, pair: tuple[str, str]
) -> None:
    """U-11: one attempt, the provider's own status and words, in the caller's dialect."""
    await paired.fault(UPSTREAM[pair[0]], "bad_request")
    status, headers, said = await ask(paired, surface, pair, stream=stream)
    assert (status, headers["x-rulegate-attempts"], headers.get("x-rulegate-model")) == (400, "1", None)
    assert said.error is not None
    assert (said.error["type"], "temperature" in said.error["message"]) == ("invalid_request_error", True)
    assert (await paired.row(headers["x-rulegate-request-id"]))["outcome"] == "failed"
    assert (await paired.upstream())["total"] == 1


@SURFACES
@STREAMED
@ACROSS
async def test_a_filtered_answer_is_the_answer(
    paired: Daemon, *, surface: str, stream: bool, pair: tuple[str, str]
) -> None:
    """U-13: a provider that refuses on content is not asked behind its back."""
    await paired.fault(UPSTREAM[pair[0]], "content_filter")
    status, headers, said = await ask(paired, surface, pair, stream=stream)
    assert (status, headers["x-rulegate-model"], headers["x-rulegate-attempts"]) == (200, pair[0], "1")
    assert (said.model, said.whole) == (UPSTREAM[pair[0]], True)
    assert (await paired.upstream())["models"] == {UPSTREAM[pair[0]]: 1}


ALL_FAIL = {
    # fault of both models: status for the caller, who is to blame
    "rate_limited": (429, "provider"),
    "overloaded": (503, "provider"),
    "server_error": (502, "provider"),
    "refuse": (502, "provider"),
    "auth": (502, "gateway"),
    "quota": (502, "gateway"),
    "not_found": (502, "gateway"),
}


@SURFACES
@STREAMED
@pytest.mark.parametrize("fault", ALL_FAIL)
async def test_when_every_step_fails_the_caller_gets_one_error_with_a_status(
    paired: Daemon, *, fault: str, surface: str, stream: bool
) -> None:
    """U-02 U-61 U-62: an error with its HTTP status, never a 200 stream; it lists the attempts, and an upstream's
    refusal of our credential is our fault."""
    status, blame = ALL_FAIL[fault]
    await paired.fault("*", fault)
    for pair in PAIRS[1::2]:
        got, headers, said = await ask(paired, surface, pair, stream=stream)
        last = (fault, surface, PROVIDER[pair[-1]])
        told = 529 if last == ("overloaded", "messages", "anthropic") else status  # which Anthropic's clients know
        assert (got, headers["Content-Type"]) == (told, "application/json")
        assert said.error is not None
        about = said.error["rulegate"]
        row = await paired.row(headers["x-rulegate-request-id"])
        assert about["blame"] == blame
        assert [(each["model"], each["failure"]) for each in about["attempts"]] == [
            (name, "connect" if fault == "refuse" else fault) for name in pair
        ]
        assert [without_extra(each) for each in row["attempts"]] == about["attempts"]
        assert (row["outcome"], row["model"], row["cost_nano_usd"]) == ("failed", "", 0)
        assert headers["x-rulegate-attempts"] == "2"
        assert ("Retry-After" in headers) == (fault == "rate_limited")


def without_extra(attempt: dict[str, Any]) -> dict[str, Any]:
    """Give an attempt of a row without what is for its operator alone: by how much it delayed the answer."""
    return {name: value for name, value in attempt.items() if name != "extra_ms"}


CLASSES = {
    "rate_limited": (openai.RateLimitError, anthropic.RateLimitError),
    "server_error": (openai.InternalServerError, anthropic.InternalServerError),
    "auth": (openai.InternalServerError, anthropic.InternalServerError),
    "bad_request": (openai.BadRequestError, anthropic.BadRequestError),
}


@pytest.mark.parametrize("fault", CLASSES)
@pytest.mark.parametrize("pair", [("nano", "sonnet"), ("haiku", "mini")], ids="-".join)
async def test_the_official_clients_raise_their_class_for_the_failure(
    paired: Daemon, fault: str, pair: tuple[str, str]
) -> None:
    """U-61: the unmodified clients raise what their callers already handle."""
    await paired.fault("*", fault)
    headers = {"x-pair": "-".join(pair)}
    for_openai, for_anthropic = CLASSES[fault]
    async with openai.AsyncOpenAI(base_url=f"{paired.url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(for_openai):
            await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "hello"}], extra_headers=headers
            )
    async with anthropic.AsyncAnthropic(base_url=paired.url, api_key="none", max_retries=0) as other:
        with pytest.raises(for_anthropic):
            await other.messages.create(
                model="auto", max_tokens=9, messages=[{"role": "user", "content": "hello"}], extra_headers=headers
            )


@SURFACES
async def test_a_credential_that_is_refused_says_so_without_quoting_it(paired: Daemon, surface: str) -> None:
    """U-61 U-114: the words of a provider about our account do not reach the caller; which provider it was does."""
    await paired.fault("*", "auth")
    _, _, said = await ask(paired, surface, ("nano", "mini"), stream=False)
    assert said.error is not None
    assert PROVIDER["mini"] in said.error["message"]
    assert "sk-" not in said.error["message"]
