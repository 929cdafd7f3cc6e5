"""Limits of callers with the official clients, unmodified: what they raise, and what a request costs them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.daemon import PATHS, Daemon, body_of, daemon, until
from tests.fakes.rule_files import UPSTREAM, to_model

SAID: Any = [{"role": "user", "content": "Why is the sky blue?"}]
CALLERS = callers(
    few="limits: {requests: 2/min}",
    tokens="limits: {tokens: 1200/min}",
    small="limits: {tokens: 100/min}",
    one="limits: {concurrent: 1}",
    free="",
)
FILES = {"rules.yaml": to_model("nano"), "callers.yaml": CALLERS}
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, FILES) as running:
        yield running


@asynccontextmanager
async def clients(running: Daemon, name: str) -> AsyncIterator[tuple[openai.AsyncOpenAI, anthropic.AsyncAnthropic]]:
    async with (
        openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=key_of(name), max_retries=0) as first,
        anthropic.AsyncAnthropic(base_url=running.url, api_key=key_of(name), max_retries=0) as second,
    ):
        yield first, second


async def left_to(running: Daemon, name: str, kind: str) -> int:
    """Give what a caller has left, as the next answer or refusal of its tells."""
    async with running.ask("chat", headers=bearer(name)) as response:
        return int(response.headers[f"x-ratelimit-remaining-{kind}"])


@STREAMED
async def test_one_request_too_many_raises_rate_limit_error_with_a_wait(limited: Daemon, *, stream: bool) -> None:
    """U-61 U-122: in both clients, without a request to a provider, in a row with the caller, and counted once."""
    async with clients(limited, "few") as (first, second):
        one = await first.chat.completions.with_raw_response.create(model="auto", messages=SAID)
        assert (one.headers["x-ratelimit-limit-requests"], one.headers["x-ratelimit-remaining-requests"]) == ("2", "1")
        two = await second.messages.with_raw_response.create(model="auto", max_tokens=50, messages=SAID)
        assert two.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert two.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        with pytest.raises(openai.RateLimitError) as third:
            await first.chat.completions.create(model="auto", messages=SAID, stream=stream)
        with pytest.raises(anthropic.RateLimitError) as fourth:
            await second.messages.create(model="auto", max_tokens=50, messages=SAID, stream=stream)
    body: Any = fourth.value.body
    assert (third.value.code, body["error"]["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    for error, told in ((third.value, third.value.message), (fourth.value, body["error"]["message"])):
        headers = error.response.headers
        wait_s = int(headers["Retry-After"])
        assert 0 < wait_s <= 60
        assert f"caller 'few' has used up its 2 requests a minute: come again in {wait_s} s" in told
        row = await limited.row(headers["x-rulegate-request-id"])
        assert (row["outcome"], row["caller"], row["rule"], row["attempts"]) == ("refused", "few", "all", [])
        assert headers["x-rulegate-rule"] == "all"
    assert third.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert fourth.value.response.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert (await limited.upstream())["total"] == 2
    metrics = await limited.metrics()
    assert metrics["rulegate_requests_total", "refused", "all", "chat"] == 1
    assert metrics["rulegate_requests_total", "refused", "all", "messages"] == 1


async def test_the_limit_of_one_caller_is_no_limit_of_another(limited: Daemon) -> None:
    """U-121: each has its own, and whoever has none is told of none."""
    statuses = []
    for _ in range(3):
        async with limited.ask("execute", headers=bearer("few")) as response:
            statuses.append(response.status)
    assert statuses == [200, 200, 429]
    for _ in range(5):
        async with limited.ask("chat", headers=bearer("free")) as response:
            assert response.status == 200
            assert [name for name in response.headers if "ratelimit" in name.lower()] == []


async def test_a_reload_gives_no_fresh_start(limited: Daemon) -> None:
    """U-121: what was used counts for a minute whatever is saved meanwhile; a limit that changes holds at once."""
    assert [await left_to(limited, "few", "requests") for _ in range(2)] == [1, 0]
    limited.write("callers.yaml", CALLERS.replace("2/min", "3/min"))
    await limited.generation(1)
    assert await left_to(limited, "few", "requests") == 0
    async with limited.ask("chat", headers=bearer("few")) as response:
        assert (response.status, response.headers["x-ratelimit-limit-requests"]) == (429, "3")


@STREAMED
async def test_tokens_are_settled_with_what_was_used(limited: Daemon, *, stream: bool) -> None:
    """An answer takes what it used, as the row has it, and no more: its estimate is given back."""
    for surface in ("chat", "messages"):
        async with limited.ask(surface, headers=bearer("tokens"), stream=stream) as response:
            await response.read()
            assert response.status == 200
    used = sum(tokens_of(row) for row in await limited.rows(2))
    async with limited.ask("chat", headers=bearer("tokens")) as response:
        last = int(response.headers["x-ratelimit-remaining-tokens"])
    expected = 1200 - used - last
    assert 500 < expected < 600


def tokens_of(row: dict[str, Any]) -> int:
    return int(row["fresh_input_tokens"] + row["cache_read_tokens"] + row["output_tokens"])


@pytest.mark.parametrize("fault", ["server_error", "refuse", "cut"])
async def test_a_request_that_fails_gives_back_what_it_did_not_use(limited: Daemon, fault: str) -> None:
    """However often it fails, the caller may go on asking."""
    await limited.fault(UPSTREAM["nano"], fault)
    for _ in range(6):  # estimates of about 520 tokens each
        async with limited.ask("chat", headers=bearer("tokens")) as response:
            assert response.status in (502, 503)
    await limited.clear()
    assert await left_to(limited, "tokens", "tokens") > 600


async def test_a_request_larger_than_the_whole_limit_is_told_not_to_come_again(limited: Daemon) -> None:
    """U-122: no wait is told where none would help, and clients that retry by themselves do not."""
    async with openai.AsyncOpenAI(base_url=f"{limited.url}/v1", api_key=key_of("small"), max_retries=5) as client:
        with pytest.raises(openai.RateLimitError, match="alone takes about") as refused:
            await client.chat.completions.create(model="auto", messages=SAID)
    assert "Retry-After" not in refused.value.response.headers
    assert len(await limited.rows(1)) == 1


async def free_again(running: Daemon) -> None:
    """Wait until a seat of the caller that may have one is free."""

    async def look() -> bool | None:
        async with running.ask("chat", headers=bearer("one")) as response:
            return True if response.status == 200 else None

    await until(look, "free seat")


async def test_one_at_a_time_is_one_after_another_without_a_wait(limited: Daemon) -> None:
    """U-113 U-121: whoever has read an answer to its end may ask again at once, on any surface, streamed or not."""
    for _ in range(5):
        for surface in PATHS:
            for stream in (False, True):
                async with limited.ask(surface, headers=bearer("one"), stream=stream) as response:
                    assert response.status == 200
                    await response.read()


@STREAMED
@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves"])
async def test_a_second_at_the_same_time_is_refused_until_the_first_has_ended(
    limited: Daemon, *, stream: bool, leaves: bool
) -> None:
    """U-113: with a clean 429; the seat is free when the answer is there, and when the caller hangs up."""
    await limited.fault(UPSTREAM["nano"], "stall_after_headers" if leaves else "slow", count=1, per_token_s=0.02)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(ask_once(limited, stream=stream))

        async def under_way() -> bool | None:
            return True if (await limited.upstream(0))["total"] else None

        await until(under_way, "request under way")
        async with limited.ask("messages", headers=bearer("one")) as response:
            error = (await response.json())["error"]
        assert (response.status, error["type"]) == (429, "rate_limit_error")
        assert error["message"] == "caller 'one' has 1 requests running, and may have no more at a time"
        assert "Retry-After" not in response.headers
        if leaves:
            first.cancel()
    await free_again(limited)
    row = next(row for row in reversed(await limited.rows(3)) if row["stream"] == stream and row["caller"] == "one")
    assert row["outcome"] == ("cancelled" if leaves else "answered")


async def ask_once(running: Daemon, *, stream: bool) -> None:
    async with running.ask("chat", headers=bearer("one"), stream=stream) as response:
        await response.read()
        assert response.status == 200


async def test_what_is_refused_otherwise_takes_nothing(limited: Daemon) -> None:
    """A body that is none, a model that there is not: neither is a request that a limit counts."""
    for body in ({}, body_of("chat", model="gpt-99")):
        async with limited.http.post(limited.url + PATHS["chat"], json=body, headers=bearer("few")) as response:
            assert response.status in (400, 404)
    async with limited.http.post(f"{limited.url}/v1/route", json=body_of("chat"), headers=bearer("few")) as response:
        assert response.status == 200
    assert await left_to(limited, "few", "requests") == 1
