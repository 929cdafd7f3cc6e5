"""A stream whose provider falls silent, or has not begun: callers are told that somebody is there."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes.answers import read
from tests.fakes.daemon import Daemon, body_of, daemon
from tests.fakes.dictated import END, FIRST, REST, Dictated, dictated, overheard

MODELS = """\
models:
  chatty: {provider: openai, model: up-1, price: {input: 1.0, output: 1.0}}
  other: {provider: anthropic, model: up-2, price: {input: 1.0, output: 1.0}}
"""
PROVIDER = {"chatty": "openai", "other": "anthropic"}
SIGN = {
    "chat": b": keepalive\n\n",
    "responses": b": keepalive\n\n",
    "messages": b'event: ping\ndata: {"type": "ping"}\n\n',
}
SURFACES = pytest.mark.parametrize("surface", SIGN)
BOTH = pytest.mark.parametrize("model", PROVIDER)
LATE = "keepalive: 30ms, commit_after: 10ms"


@asynccontextmanager
async def served(directory: Path, route: str, says: str) -> AsyncIterator[tuple[Daemon, Dictated]]:
    """Run a daemon whose providers say what they are told, by a rule that says something of its callers."""
    async with dictated() as provider:
        rules = f"{provider.providers}{MODELS}rules:\n  - {{name: all, route: [{route}], {says}}}\n"
        async with daemon(directory, {"a.yaml": rules}, simulate=False) as running:
            yield running, provider


def without_signs(surface: str, data: bytes) -> bytes:
    return data.replace(SIGN[surface], b"")


@SURFACES
@BOTH
async def test_signs_of_life_stand_between_the_events_of_a_silent_stream(
    tmp_path: Path, surface: str, model: str
) -> None:
    """U-39: and the stream without them is what it is without a silence."""
    async with served(tmp_path, model, "keepalive: 30ms") as (running, provider):
        said = PROVIDER[model]
        provider.say(said, FIRST[said], REST[said], END)
        async with running.ask(surface, stream=True) as response:
            straight = await response.read()
        provider.say(said, FIRST[said])
        async with running.ask(surface, stream=True) as response:
            data = b""
            while data.count(SIGN[surface]) < 3:
                data += await response.content.readany()
            provider.say(said, REST[said], END)
            data += await response.read()
        assert SIGN[surface] not in straight
        assert text_of(surface, without_signs(surface, data)) == text_of(surface, straight) == "An answer."
        assert len(without_signs(surface, data)) == len(straight)
        silent, direct = await running.rows(2)
        for name in ("output_tokens", "usage_source", "cost_nano_usd", "outcome"):
            assert silent[name] == direct[name], name


def text_of(surface: str, data: bytes) -> str:
    if surface != "responses":
        return read(surface, data, stream=True).text
    events = [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


async def by_chat(url: str) -> str:
    """Give the text of a stream as OpenAI's client reads it."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        body: Any = body_of("chat", stream=True)
        return "".join(
            [chunk.choices[0].delta.content or "" async for chunk in await client.chat.completions.create(**body)]
        )


async def by_responses(url: str) -> str:
    """Give the text of a stream as OpenAI's client reads it."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        body: Any = body_of("responses")
        del body["stream"]
        async with client.responses.stream(**body) as stream:
            return (await stream.get_final_response()).output_text


async def by_messages(url: str) -> str:
    """Give the text of a stream as Anthropic's client reads it."""
    async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client:
        body: Any = body_of("messages")
        del body["stream"]
        async with client.messages.stream(**body) as stream:
            return await stream.get_final_text()


CLIENTS = {"chat": by_chat, "responses": by_responses, "messages": by_messages}


@SURFACES
@pytest.mark.parametrize("says", ["keepalive: 30ms", LATE], ids=["within", "before"])
async def test_the_official_clients_pass_over_signs_of_life(tmp_path: Path, surface: str, says: str) -> None:
    """U-39: in the middle of an answer, and before its first event where it begins early."""
    async with served(tmp_path, "chatty", says) as (running, provider), overheard(running.url) as line:
        if says != LATE:
            provider.say("openai", FIRST["openai"])
        async with asyncio.TaskGroup() as tasks:
            text = tasks.create_task(CLIENTS[surface](line.url))
            await line.hears(SIGN[surface], 3)
            if says == LATE:
                provider.say("openai", FIRST["openai"])
            provider.say("openai", REST["openai"], END)
        assert text.result() == "An answer."


@SURFACES
async def test_the_official_clients_raise_where_an_answer_that_began_early_fails(tmp_path: Path, surface: str) -> None:
    """U-39 U-06: there is no status any more, and no clean end either."""
    async with served(tmp_path, "chatty", LATE) as (running, provider), overheard(running.url) as line:
        error = anthropic.APIError if surface == "messages" else openai.APIError
        async with asyncio.TaskGroup() as tasks:
            text = tasks.create_task(raised(CLIENTS[surface], line.url, error))
            await line.hears(SIGN[surface])
            provider.say("openai", 500)
        assert "told to say 500" in text.result()


async def raised(client: Callable[[str], Awaitable[str]], url: str, error: type[Exception]) -> str:
    with pytest.raises(error) as caught:
        await client(url)
    return str(caught.value)


@SURFACES
async def test_an_answer_that_begins_early_goes_on_falling_back(tmp_path: Path, surface: str) -> None:
    """U-39 U-01: behind a status of 200; what is not known by then is in the row and in no header."""
    async with served(tmp_path, "chatty, other", LATE) as (running, provider):
        async with running.ask(surface, stream=True) as response:
            assert response.status == 200
            assert {"x-rulegate-model", "x-rulegate-provider", "x-rulegate-attempts"}.isdisjoint(response.headers)
            assert "x-rulegate-overhead-ms" not in response.headers
            assert response.headers["x-rulegate-rule"] == "all"
            data = await response.content.readany()
            assert data.startswith(SIGN[surface])
            provider.say("openai", 500)
            provider.say("anthropic", FIRST["anthropic"], REST["anthropic"], END)
            data += await response.read()
        assert text_of(surface, without_signs(surface, data)) == "An answer."
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert (row["outcome"], row["model"]) == ("answered_after_fallback", "other")
        assert [each["failure"] for each in row["attempts"]] == ["server_error", None]


ERRORS = {
    500: ("server_error", "api_error"),
    429: ("rate_limit_error", "rate_limit_error"),
    400: ("invalid_request_error", "invalid_request_error"),
}
"""Statuses of a provider, and the type of the event in OpenAI's words and in Anthropic's."""


@SURFACES
@pytest.mark.parametrize("status", ERRORS)
async def test_where_all_steps_fail_after_an_early_beginning_the_stream_ends_with_their_error(
    tmp_path: Path, surface: str, status: int
) -> None:
    """U-39 U-02: the event has the words that the body of a status would have had, and what was attempted."""
    async with served(tmp_path, "chatty", LATE) as (running, provider):
        async with running.ask(surface, stream=True) as response:
            assert response.status == 200
            data = await response.content.readany()
            provider.say("openai", status)
            data += await response.read()
        *signs, last, rest = without_signs(surface, data).split(b"\n\n")
        assert (signs, rest) == ([], b"")
        event = json.loads(last.split(b"data: ")[1])
        error = event["error"]
        assert error["type"] in (*ERRORS[status], "api_error")
        assert f"told to say {status}" in error["message"]
        assert [each["status"] for each in error["rulegate"]["attempts"]] == [status]
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert (row["outcome"], row["model"], row["cost_nano_usd"]) == ("failed", "", 0)


@SURFACES
async def test_a_failure_before_the_moment_has_a_status_of_its_own(tmp_path: Path, surface: str) -> None:
    """U-02: the moment changes nothing for those who fail or answer before it."""
    async with served(tmp_path, "chatty", "commit_after: 1h") as (running, provider):
        provider.say("openai", 500)
        async with running.ask(surface, stream=True) as response:
            assert (response.status, response.content_type) == (502, "application/json")
        provider.say("openai", FIRST["openai"], REST["openai"], END)
        async with running.ask(surface, stream=True) as response:
            assert response.headers["x-rulegate-model"] == "chatty"
            assert SIGN[surface] not in await response.read()


async def test_a_whole_answer_is_never_begun_early(tmp_path: Path) -> None:
    """U-39: it has a status for as long as it has no body."""
    async with served(tmp_path, "chatty", "commit_after: 0s, keepalive: 10ms") as (running, provider):
        provider.say("openai", 500)
        async with running.ask("chat") as response:
            assert response.status == 502


@SURFACES
async def test_a_caller_who_leaves_an_answer_that_began_early_ends_it(tmp_path: Path, surface: str) -> None:
    """U-35 U-38: the provider is hung up on, no other is asked."""
    async with served(tmp_path, "chatty, other", LATE) as (running, provider):
        response = await running.ask(surface, stream=True).__aenter__()
        await response.content.readany()
        response.close()
        await provider.left(1)
        (row,) = await running.rows(1)
        assert (row["outcome"], [each["failure"] for each in row["attempts"]]) == ("cancelled", ["cancelled"])
        assert provider.came == ["openai"]
