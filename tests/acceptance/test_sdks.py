"""The official clients, unmodified, with `model: auto`: answers, streams and their own errors."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import anthropic
import openai
import pytest

from gateway.wiring.rules import shipped_rules
from tests.fakes.daemon import Daemon, daemon

CODE = "Write a Python function that parses a CSV file with quoted fields, and unit tests for it."
CHEAP = "Translate into French: good morning"
PROMPTS = pytest.mark.parametrize(
    ("prompt", "upstream"), [(CODE, "claude-sonnet-4-5"), (CHEAP, "gpt-5-nano")], ids=["to-anthropic", "to-openai"]
)


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[Daemon]:
    files = {file.name: file.data.decode() for file in shipped_rules()}
    async with daemon(tmp_path, files) as running:
        yield running


def said_by(upstream: str, text: str | None) -> bool:
    return text is not None and text.startswith(f"(simulated {upstream})")


@PROMPTS
async def test_openais_client_gets_an_answer_and_a_stream(shipped: Daemon, prompt: str, upstream: str) -> None:
    """U-26: `auto` is answered by the model that the rules choose, whichever dialect it speaks."""
    async with openai.AsyncOpenAI(base_url=f"{shipped.url}/v1", api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": prompt}])
        assert said_by(upstream, answer.choices[0].message.content)
        assert (answer.model, answer.choices[0].finish_reason) == (upstream, "stop")
        assert answer.usage is not None
        stream = await client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said_by(upstream, text)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


@PROMPTS
async def test_anthropics_client_gets_an_answer_and_a_stream(shipped: Daemon, prompt: str, upstream: str) -> None:
    """U-26: the same on the other surface."""
    async with anthropic.AsyncAnthropic(base_url=shipped.url, api_key="none", max_retries=0) as client:
        answer = await client.messages.create(
            model="auto", max_tokens=400, messages=[{"role": "user", "content": prompt}]
        )
        block = answer.content[0]
        assert block.type == "text"
        assert said_by(upstream, block.text)
        assert (answer.model, answer.stop_reason) == (upstream, "end_turn")
        assert answer.usage.output_tokens > 0
        async with client.messages.stream(
            model="auto", max_tokens=400, messages=[{"role": "user", "content": prompt}]
        ) as stream:
            assert said_by(upstream, await stream.get_final_text())
            final = await stream.get_final_message()
    assert (final.model, final.stop_reason) == (upstream, "end_turn")
    assert final.usage.output_tokens == answer.usage.output_tokens or upstream == "gpt-5-nano"


async def test_the_blocking_clients_get_answers_and_streams_too(shipped: Daemon) -> None:
    """U-26: what holds for the asynchronous clients holds for the others."""

    def with_openai() -> tuple[str | None, str]:
        with openai.OpenAI(base_url=f"{shipped.url}/v1", api_key="none", max_retries=0) as client:
            answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": CODE}])
            chunks = list(
                client.chat.completions.create(model="auto", messages=[{"role": "user", "content": CODE}], stream=True)
            )
        return answer.choices[0].message.content, "".join(c.choices[0].delta.content or "" for c in chunks)

    def with_anthropic() -> tuple[str, str]:
        with anthropic.Anthropic(base_url=shipped.url, api_key="none", max_retries=0) as client:
            answer = client.messages.create(model="auto", max_tokens=400, messages=[{"role": "user", "content": CODE}])
            with client.messages.stream(
                model="auto", max_tokens=400, messages=[{"role": "user", "content": CODE}]
            ) as stream:
                text = stream.get_final_text()
        block = answer.content[0]
        return block.text if block.type == "text" else "", text

    for whole, streamed in (await asyncio.to_thread(with_openai), await asyncio.to_thread(with_anthropic)):
        assert said_by("claude-sonnet-4-5", whole)
        assert said_by("claude-sonnet-4-5", streamed)


async def test_an_unknown_model_raises_not_found_in_both_clients(shipped: Daemon) -> None:
    """A name that no rule takes is a 404 that lists what there is, and reaches no provider."""
    async with openai.AsyncOpenAI(base_url=f"{shipped.url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="haiku") as first:
            await client.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "hello"}])
        assert first.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(
                model="gpt-99", messages=[{"role": "user", "content": "hello"}], stream=True
            )
    async with anthropic.AsyncAnthropic(base_url=shipped.url, api_key="none", max_retries=0) as other:
        with pytest.raises(anthropic.NotFoundError, match="haiku"):
            await other.messages.create(model="gpt-99", max_tokens=9, messages=[{"role": "user", "content": "hello"}])
    assert (await shipped.upstream())["total"] == 0


async def test_a_registry_name_and_an_upstream_id_are_answered_by_that_model(shipped: Daemon) -> None:
    """Asking by name leaves the rules out."""
    async with openai.AsyncOpenAI(base_url=f"{shipped.url}/v1", api_key="none", max_retries=0) as client:
        for name in ("haiku", "claude-haiku-4-5"):
            raw = await client.chat.completions.with_raw_response.create(
                model=name, messages=[{"role": "user", "content": CODE}]
            )
            answer = raw.parse()
            assert raw.headers["x-rulegate-rule"] == "requested-model"
            assert (raw.headers["x-rulegate-model"], answer.model) == ("haiku", "claude-haiku-4-5")


async def test_models_are_listed_in_the_shape_of_the_client_that_asks(shipped: Daemon) -> None:
    """Both clients read the registry, `auto` first."""
    async with openai.AsyncOpenAI(base_url=f"{shipped.url}/v1", api_key="none") as client:
        names = [model.id async for model in client.models.list()]
    async with anthropic.AsyncAnthropic(base_url=shipped.url, api_key="none") as other:
        others = [model.id async for model in other.models.list()]
    assert others == ["auto", "haiku", "sonnet", "opus", "nano", "mini", "gpt"]
    assert names == [*others, "embed"]  # Anthropic's client has nothing to ask it for


async def test_execute_answers_a_bare_prompt(shipped: Daemon) -> None:
    """The surface for people without a client library says who answered, why and for how much."""
    async with shipped.ask("execute", prompt=CHEAP) as response:
        answer = await response.json()
        headers = response.headers
    assert said_by("gpt-5-nano", answer["text"])
    row = await shipped.row(answer["request_id"])
    assert answer | {"text": "", "cost_usd": 0} == {
        "text": "",
        "model": "nano",
        "provider": "openai",
        "rule": "simple",
        "category": "translation",
        "cost_usd": 0,
        "request_id": headers["x-rulegate-request-id"],
    }
    assert round(answer["cost_usd"] * 10**9) == row["cost_nano_usd"] > 0


async def test_execute_refuses_what_it_does_not_take(shipped: Daemon) -> None:
    """Its errors have OpenAI's shape and name the field."""
    for body, param in (({}, "prompt"), ({"prompt": "hi", "model": "gpt"}, "model"), ({"prompt": 1}, "prompt")):
        async with shipped.http.post(f"{shipped.url}/v1/execute", json=body) as response:
            error = (await response.json())["error"]
        assert (response.status, error["param"], error["type"]) == (400, param, "invalid_request_error")


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/audio/speech"), ("GET", "/v1/chat/completions")])
async def test_a_path_that_is_not_here_says_what_is(shipped: Daemon, method: str, path: str) -> None:
    """A 404 in OpenAI's shape that lists what there is for callers, and not what is for operators."""
    async with shipped.http.request(method, shipped.url + path) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (404, "unknown_url")
    for there in ("POST /v1/chat/completions", "POST /v1/messages", "GET /v1/models", "POST /v1/execute"):
        assert there in error["message"]
    assert "/api/" not in error["message"]


async def test_a_path_that_is_not_here_is_told_to_anthropics_client_in_its_own_shape(shipped: Daemon) -> None:
    """U-61: its exception has the type and the id, as of any other error."""
    async with anthropic.AsyncAnthropic(base_url=shipped.url, api_key="any", max_retries=0) as client:
        with pytest.raises(anthropic.NotFoundError, match="there is no GET /v1/messages/batches here") as caught:
            await client.messages.batches.list()
    assert (caught.value.type, bool(caught.value.request_id)) == ("not_found_error", True)


async def test_a_path_for_operators_that_is_not_here_says_all_there_is(shipped: Daemon) -> None:
    async with shipped.http.get(f"{shipped.url}/api/lgo") as response:
        error = (await response.json())["error"]
    assert response.status == 404
    for there in ("GET /api/log", "GET /metrics", "POST /v1/messages"):
        assert there in error["message"]
