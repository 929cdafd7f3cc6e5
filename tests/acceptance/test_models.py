"""The models there are, as both official clients list and retrieve them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anthropic
import openai
import pytest

from gateway.wiring.rules import shipped_rules
from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.daemon import Daemon, daemon

CALLERS = callers(app="", locked="models: [haiku, embed]")


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[Daemon]:
    files = {file.name: file.data.decode() for file in shipped_rules()}
    async with daemon(tmp_path, files | {"callers.yaml": CALLERS}) as running:
        yield running


@asynccontextmanager
async def clients(running: Daemon, name: str) -> AsyncIterator[tuple[openai.AsyncOpenAI, anthropic.AsyncAnthropic]]:
    async with (
        openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=key_of(name), max_retries=0) as one,
        anthropic.AsyncAnthropic(base_url=running.url, api_key=key_of(name), max_retries=0) as other,
    ):
        yield one, other


async def test_each_client_reads_its_own_shape(keyed: Daemon) -> None:
    """Listed and retrieved are the same, `auto` among them; no provider is asked."""
    async with clients(keyed, "app") as (one, other):
        listed = [model async for model in one.models.list()]
        assert [each.id for each in listed] == ["auto", "haiku", "sonnet", "opus", "nano", "mini", "gpt", "embed"]
        assert {each.object for each in listed} == {"model"}
        assert [each.owned_by for each in listed[:2]] == ["rulegate", "anthropic"]
        for each in listed:
            assert await one.models.retrieve(each.id) == each
        also = [model async for model in other.models.list()]
        assert [each.id for each in also] == ["auto", "haiku", "sonnet", "opus", "nano", "mini", "gpt"]
        assert {each.type for each in also} == {"model"}
        assert also[0].created_at.tzinfo is not None
        for told in also:
            assert await other.models.retrieve(told.id) == told
    assert (await keyed.upstream())["total"] == 0


async def test_a_providers_id_is_retrieved_as_the_entry_that_has_it(keyed: Daemon) -> None:
    """As a request may name it."""
    async with clients(keyed, "app") as (one, other):
        assert (await one.models.retrieve("text-embedding-3-small")).id == "embed"
        assert (await other.models.retrieve("claude-haiku-4-5")).id == "haiku"


async def test_a_page_at_a_time_is_the_same_list(keyed: Daemon) -> None:
    """Anthropic's client asks for the next page by itself."""
    async with clients(keyed, "app") as (_, other):
        first = await other.models.list(limit=3)
        assert ([each.id for each in first.data], first.has_more) == (["auto", "haiku", "sonnet"], True)
        assert [model.id async for model in other.models.list(limit=3)] == [
            model.id async for model in other.models.list()
        ]
        after = await other.models.list(after_id="mini", limit=20)
        assert [each.id for each in after.data] == ["gpt"]


@pytest.mark.parametrize("name", ["gpt-99", "meta-llama/Llama-3", "mini"])
async def test_what_there_is_not_for_a_caller_is_not_found(keyed: Daemon, name: str) -> None:
    """U-61: not there, and closed to the caller, look the same in both clients."""
    async with clients(keyed, "locked") as (one, other):
        with pytest.raises(openai.NotFoundError, match="there is auto, embed, haiku") as error:
            await one.models.retrieve(name)
        assert error.value.code == "model_not_found"
        with pytest.raises(anthropic.NotFoundError, match="there is auto, haiku"):
            await other.models.retrieve(name)
        assert [model.id async for model in one.models.list()] == ["auto", "haiku", "embed"]
        assert (await one.models.retrieve("haiku")).owned_by == "anthropic"
        with pytest.raises(anthropic.NotFoundError):
            await other.models.retrieve("embed")  # it answers no message


@asynccontextmanager
async def signed(running: Daemon, key: str | None, token: str | None) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Give Anthropic's client with a key, a token, or as some environments make it send both."""
    if token is None:
        client = anthropic.AsyncAnthropic(base_url=running.url, api_key=key, max_retries=0)
    else:
        beside = {} if key is None else {"x-api-key": key}
        client = anthropic.AsyncAnthropic(base_url=running.url, auth_token=token, max_retries=0, default_headers=beside)
    async with client:
        yield client


async def test_both_forms_of_a_key_work_and_one_that_opens_is_enough(keyed: Daemon) -> None:
    """U-109: as x-api-key and as a bearer; of two that open and differ the bearer says who asks, on every surface."""
    app, locked = key_of("app"), key_of("locked")
    for key, token, who in (
        *((app, None, "app"), (None, app, "app")),
        *((locked, app, "app"), (app, locked, "locked")),
        *(("nonsense", locked, "locked"), (locked, "nonsense", "locked")),
    ):
        async with signed(keyed, key, token) as client:
            there = [model.id async for model in client.models.list()]
            assert there == (["auto", "haiku"] if who == "locked" else there)
            answer = await client.messages.with_raw_response.create(
                model="haiku", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
            )
        row = await keyed.row(answer.headers["x-rulegate-request-id"])
        assert row["caller"] == who
    async with signed(keyed, "a", "b") as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.models.list()


async def test_route_may_be_told_whose_body_it_is(keyed: Daemon) -> None:
    """U-28: `surface` says it where the fields do not, and a word that is none is refused."""
    body = {"model": "auto", "input": "hello", "messages": [{"role": "user", "content": "hello"}]}
    for surface, rule in (("embeddings", "embeddings"), ("chat", "short-question")):
        url = f"{keyed.url}/v1/route?surface={surface}"
        async with keyed.http.post(url, json=body, headers=bearer("app")) as response:
            assert (await response.json())["rule"] == rule
    async with keyed.http.post(f"{keyed.url}/v1/route?surface=audio", json=body, headers=bearer("app")) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, "surface")
