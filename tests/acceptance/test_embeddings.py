"""Embeddings with the official client, unmodified: vectors, the rules that see them, money, and what fails."""

import asyncio
import hashlib
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from aiohttp import web
from llmock.scenarios import Fail, Match
from llmock.testing import LLMockServer

from tests.fakes.daemon import EMBEDDINGS, Daemon, daemon

MODELS = """\
providers:
  openai: {kind: openai, api_key: none, base_url: "https://api.openai.com/v1"}
  second: {kind: openai, api_key: none, base_url: "https://api.openai.com/v1"}
  anthropic: {kind: anthropic, api_key: none}
models:
  embed: {provider: openai, model: text-embedding-3-small}
  embed-two: {provider: second, model: text-embedding-3-small}
  large: {provider: openai, model: text-embedding-3-large}
  mini: {provider: openai, model: gpt-5-mini}
  haiku: {provider: anthropic, model: claude-haiku-4-5}
"""
RULES = """\
rules:
  - {name: everything, priority: 100, route: [mini, haiku]}
  - {name: long, priority: 2, when: {surface: embeddings, estimated_tokens: {gt: 1000}}, route: [large]}
  - {name: vectors, when: {surface: embeddings}, route: [embed, embed-two]}
"""
FILES = {"models.yaml": MODELS, "rules.yaml": RULES}
TEXTS = ["why is the sky blue", "Grüße aus Köln", "why is the sky blue"]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, FILES) as started:
        yield started


@asynccontextmanager
async def client_of(running: Daemon) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
        yield client


async def vectors(client: openai.AsyncOpenAI, asked: Any, model: str = "auto") -> list[list[float]]:  # noqa: ANN401 - any input
    answer = await client.embeddings.create(model=model, input=asked)
    assert [each.index for each in answer.data] == [*range(len(answer.data))]
    return [each.embedding for each in answer.data]


async def test_the_client_gets_the_same_vectors_as_base64_and_as_numbers(running: Daemon) -> None:
    """U-42: the client asks for base64 by itself and decodes it; both forms and a smaller size pass through."""
    async with client_of(running) as client:
        decoded = await vectors(client, TEXTS)
        written = await client.embeddings.create(model="auto", input=TEXTS, encoding_format="float")
        small = await client.embeddings.create(model="auto", input="hello", dimensions=256)
    assert [each.embedding for each in written.data] == decoded
    assert [len(each) for each in decoded] == [1536] * 3
    assert decoded[0] == decoded[2] != decoded[1]
    assert all(math.isclose(sum(x * x for x in each), 1, abs_tol=1e-5) for each in decoded)
    assert len(small.data[0].embedding) == 256
    sent = (await running.upstream())["requests"]
    assert [entry["body"].get("encoding_format") for entry in sent] == ["base64", "float", "base64"]
    assert {entry["dialect"] for entry in sent} == {"embeddings"}


async def test_every_form_of_input_gets_a_vector_each(running: Daemon) -> None:
    """A text, texts, the tokens of one text, and those of several."""
    async with client_of(running) as client:
        for asked, wanted in (("one", 1), (["one", "two"], 2), ([1, 2, 3], 1), ([[1, 2], [3], [4, 5]], 3)):
            assert len(await vectors(client, asked)) == wanted


async def test_a_body_is_passed_on_byte_for_byte_but_for_the_model(running: Daemon) -> None:
    """U-42: unknown fields, spaces and the order of keys survive."""
    body = b'{ "input":  ["a" ,"b"], "x_own": {"b": 1, "a": [ ]}, "model" : "auto" , "user": "u\\u00e9" }'
    async with running.http.post(running.url + EMBEDDINGS, data=body) as response:
        assert response.status == 200
        assert response.headers["x-rulegate-rule"] == "vectors"
    (sent,) = (await running.upstream())["requests"]
    assert sent["body_sha256"] == hashlib.sha256(body.replace(b'"auto"', b'"text-embedding-3-small"')).hexdigest()


async def test_the_answer_is_the_providers_own_and_headers_row_and_metrics_agree(running: Daemon) -> None:
    """U-26 U-33 U-63 U-105: prompt tokens are the usage, and cost what the catalogue says: 0.02 USD a million."""
    async with client_of(running) as client:
        raw = await client.embeddings.with_raw_response.create(model="auto", input=TEXTS)
    answer = raw.parse()
    assert answer.model == "text-embedding-3-small"
    row = await running.row(raw.headers["x-rulegate-request-id"])
    shown = ("surface", "rule", "model", "provider", "outcome", "upstream_model", "response_model", "usage_source")
    assert [row[name] for name in shown] == [
        *("embeddings", "vectors", "embed", "openai", "answered"),
        *("text-embedding-3-small", "text-embedding-3-small", "reported"),
    ]
    assert (row["fresh_input_tokens"], row["output_tokens"]) == (answer.usage.prompt_tokens, 0)
    assert row["cost_nano_usd"] == answer.usage.prompt_tokens * 20 > 0
    assert round(float(raw.headers["x-rulegate-cost-usd"]) * 10**9) == row["cost_nano_usd"]
    assert (raw.headers["x-rulegate-model"], raw.headers["x-rulegate-attempts"]) == ("embed", "1")
    metrics = await running.metrics()
    assert metrics["rulegate_requests_total", "answered", "vectors", "embeddings"] == 1
    assert metrics["rulegate_tokens_total", "embed", "input"] == answer.usage.prompt_tokens
    assert metrics["rulegate_cost_usd_total", "embed", "vectors"] * 10**9 == pytest.approx(row["cost_nano_usd"])


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("rate_limited", "rate_limited"),
        ("quota", "quota"),
        ("server_error", "server_error"),
        ("error_in_200", "server_error"),
        ("empty", "empty"),
        ("malformed_line", "malformed"),
        ("cut", "connect"),
        ("refuse", "connect"),
    ],
)
async def test_the_same_model_at_another_provider_answers_when_one_fails(
    running: Daemon, fault: str, failure: str
) -> None:
    """U-09 U-14: before the caller has seen a byte; the vectors are those that the first one gives."""
    async with client_of(running) as client:
        before = await vectors(client, "hello")
        await running.fault("openai/text-embedding-3-small", fault)
        raw = await client.embeddings.with_raw_response.create(model="auto", input="hello")
    assert raw.parse().data[0].embedding == before[0]
    row = await running.row(raw.headers["x-rulegate-request-id"])
    assert (row["outcome"], row["model"]) == ("answered_after_fallback", "embed-two")
    assert next(each["failure"] for each in row["attempts"]) in (failure, "truncated")


async def test_what_no_provider_takes_raises_what_the_provider_said(running: Daemon) -> None:
    """U-11 U-61: one attempt, and the provider's own words and status."""
    async with client_of(running) as client:
        with pytest.raises(openai.BadRequestError, match="Must be between 1 and 1536") as error:
            await client.embeddings.create(model="auto", input="hello", dimensions=9999)
    assert error.value.type == "invalid_request_error"
    assert (await running.upstream())["total"] == 1


@pytest.mark.parametrize("asked", ["{}", '{"input": []}', '{"input": 5}', '{"input": {"a": 1}}', '{"input": null}'])
async def test_a_request_without_input_is_refused_by_name(running: Daemon, asked: str) -> None:
    """U-11: in OpenAI's shape, and no provider is asked."""
    body = json.loads(asked) | {"model": "auto"}
    async with running.http.post(running.url + EMBEDDINGS, json=body) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"], error["rulegate"]["blame"]) == (400, "input", "gateway")
    assert (await running.upstream())["total"] == 0


async def test_what_the_rules_see_is_the_last_text_and_the_tokens_of_all(running: Daemon) -> None:
    """Only rules with `surface: embeddings` see it; traffic and /v1/route say the same (U-28)."""
    for asked, rule, tokens in (
        ("hello", "vectors", 1),
        (["word " * 900, "word " * 900], "long", None),
        ([[*range(600)], [*range(600)]], "long", 1200),
    ):
        body = {"model": "auto", "input": asked}
        async with running.http.post(running.url + EMBEDDINGS, json=body) as response:
            assert response.headers["x-rulegate-rule"] == rule
        async with running.http.post(f"{running.url}/v1/route", json=body) as routed:
            account = await routed.json()
        assert (account["rule"], account["assumed_output_tokens"]) == (rule, 0)
        assert "everything" not in [each["rule"] for each in account["tried"]]
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert row["facts"]["estimated_tokens"] == account["estimated_tokens"]
        assert tokens in (account["estimated_tokens"], None)
    async with running.ask("chat", prompt="hello") as response:
        assert response.headers["x-rulegate-rule"] == "everything"


async def test_a_model_is_asked_only_where_it_can_answer(running: Daemon) -> None:
    """U-15: by name, an embedding model on the chat surfaces and the others on this one are a 400 in each dialect."""
    said: Any = [{"role": "user", "content": "hello"}]
    async with (
        client_of(running) as client,
        anthropic.AsyncAnthropic(base_url=running.url, api_key="none", max_retries=0) as other,
    ):
        with pytest.raises(openai.BadRequestError, match="'large' makes embeddings alone, at /v1/embeddings") as one:
            await client.chat.completions.create(model="text-embedding-3-large", messages=said)
        with pytest.raises(anthropic.BadRequestError, match="'embed' makes embeddings alone"):
            await other.messages.create(model="embed", messages=said, max_tokens=9)
        for name in ("mini", "haiku"):
            with pytest.raises(openai.BadRequestError, match=f"'{name}' makes no embeddings"):
                await client.embeddings.create(model=name, input="hello")
        assert len(await vectors(client, "hello", "large")) == 1
        with pytest.raises(openai.NotFoundError, match="there is auto, embed, embed-two, large"):
            await client.embeddings.create(model="nope", input="hello")
    assert (one.value.param, one.value.code) == ("model", None)
    assert (await running.upstream())["total"] == 1


async def test_without_a_rule_for_embeddings_auto_is_not_found(tmp_path: Path) -> None:
    """A rule without `surface: embeddings` never sees them, not even a catch-all."""
    files = FILES | {"rules.yaml": "rules:\n  - {name: everything, route: [mini, haiku]}\n"}
    async with daemon(tmp_path, files) as running, client_of(running) as client:
        with pytest.raises(openai.NotFoundError, match="no rule with 'surface: embeddings' takes this request"):
            await client.embeddings.create(model="auto", input="hello")
        assert len(await vectors(client, "hello", "embed-two")) == 1


async def test_a_hard_budget_holds_the_input_back_and_no_output(tmp_path: Path) -> None:
    """U-69 U-70 U-74: what cannot fit is a 402; a body gets no output limit; nothing is held at rest."""
    limit = "budgets:\n  all: {limit: 0.00001 USD, per: day, hard: true, assume_max_tokens: 100}\n"
    async with daemon(tmp_path, FILES | {"budgets.yaml": limit}) as running, client_of(running) as client:
        assert len(await vectors(client, "hello")) == 1  # at most 0.000003 USD
        with pytest.raises(openai.APIStatusError) as error:
            await vectors(client, "word " * 1000)
        assert error.value.status_code == 402
        (sent,) = (await running.upstream())["requests"]
        assert set(sent["body"]) == {"model", "input", "encoding_format"}
        metrics = await running.metrics()
        assert metrics["rulegate_budget_reserved_usd", "all"] == 0
        assert metrics["rulegate_budget_spend_usd", "all"] > 0


SHORT = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 9}}
HOLED = {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}], "usage": {"prompt_tokens": 9}}
NOTHING: dict[str, Any] = {"data": [], "usage": {"prompt_tokens": 9}}
GOOD = {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "AACAPw=="}], "model": "v-1"}


@asynccontextmanager
async def provider(**answers: Any) -> AsyncIterator[str]:  # noqa: ANN401 - decoded JSON
    """Serve one answer a provider."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.match_info["name"]])

    app = web.Application()
    app.router.add_post("/{name}/v1/embeddings", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def own(url: str, *names: str) -> dict[str, str]:
    lines = ["providers:"]
    lines += [f'  {name}: {{kind: openai, base_url: "{url}/{name}/v1", api_key: none}}' for name in names]
    lines += ["models:"]
    lines += [f"  {name}: {{provider: {name}, model: v-1, price: {{input: 1, output: 10}}}}" for name in names]
    lines += ["rules:", f"  - {{name: all, when: {{surface: embeddings}}, route: [{', '.join(names)}]}}"]
    return {"rules.yaml": "\n".join(lines) + "\n"}


@pytest.mark.parametrize(
    ("bad", "failure"), [(SHORT, "malformed"), (HOLED, "malformed"), (NOTHING, "empty")], ids=["short", "holed", "none"]
)
async def test_an_answer_without_a_vector_for_each_input_is_a_failure_that_is_paid(
    tmp_path: Path, bad: dict[str, Any], failure: str
) -> None:
    """U-14 U-36: the next provider answers; what nobody counted there is estimated (U-34)."""
    async with (
        provider(bad=bad, good=GOOD) as url,
        daemon(tmp_path, own(url, "bad", "good"), simulate=False) as running,
    ):
        body = {"model": "auto", "input": ["hello", "world"]}
        async with running.http.post(running.url + EMBEDDINGS, json=body) as response:
            assert await response.json() == GOOD
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert [each["failure"] for each in row["attempts"]] == [failure, None]
        assert row["usage_source"] == "estimated"
        assert row["cost_nano_usd"] == (9 + row["facts"]["estimated_tokens"]) * 1000


async def test_the_client_and_a_mock_that_nobody_here_wrote_agree(tmp_path: Path) -> None:
    """U-09 U-42: 50 at a time over two accounts at llmock, of which the first one fails a few."""
    with LLMockServer() as server:
        files = own(server.base_url("openai").removesuffix("/v1"), "one", "two")
        text = files["rules.yaml"].replace("/one/v1", "/v1").replace("/two/v1", "/v1")
        async with daemon(tmp_path, {"rules.yaml": text}, simulate=False) as running, client_of(running) as client:
            server.state.scenarios.add(Fail(500, match=Match(model="v-1"), times=3))
            answers = await asyncio.gather(*(vectors(client, [f"text {n}", "again"]) for n in range(50)))
            rows = await running.rows(50)
    assert [[len(each) for each in answer] for answer in answers] == [[1536, 1536]] * 50
    assert len({tuple(answer[0]) for answer in answers}) == 50
    assert len({tuple(answer[1]) for answer in answers}) == 1
    assert {row["outcome"] for row in rows} == {"answered", "answered_after_fallback"}
