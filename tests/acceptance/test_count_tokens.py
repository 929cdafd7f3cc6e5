"""Counts of tokens with Anthropic's official client, unmodified: by Anthropic where it would answer, else estimated."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anthropic
import openai
import pytest

from gateway.wiring.surfaces import PATHS, inference_routes
from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.daemon import COUNT_TOKENS, Daemon, body_of, daemon, until
from tests.fakes.echo_provider import echoing

MODELS = """\
providers:
  openai: {kind: openai, api_key: none}
  anthropic: {kind: anthropic, api_key: none}
  second: {kind: anthropic, api_key: none}
models:
  mini: {provider: openai, model: gpt-5-mini}
  embed: {provider: openai, model: text-embedding-3-small}
  haiku: {provider: anthropic, model: claude-haiku-4-5}
  haiku-two: {provider: second, model: claude-haiku-4-5}
"""
RULES = """\
rules:
  - name: long
    priority: 9
    when: {estimated_tokens: {gt: 500}}
    route: [mini, haiku]
  - name: claude
    params: {set: {temperature: 0.5, system: Be brief.}, cap: {max_tokens: 100}, drop: [metadata]}
    route: [haiku, mini, haiku-two]
"""
CALLERS = callers(app="", tight="limits: {requests: 2/min}", poor="limits: {tokens: 10/min}", locked="models: [mini]")
FILES = {"models.yaml": MODELS, "rules.yaml": RULES}
SAID: Any = [{"role": "user", "content": "Why is the sky blue?"}]
LONG: Any = [{"role": "user", "content": "Why is the sky blue? " * 200}]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, FILES) as started:
        yield started


@asynccontextmanager
async def client_of(running: Daemon, key: str = "none") -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=running.url, api_key=key, max_retries=0) as client:
        yield client


async def test_anthropic_counts_for_a_model_of_its_own(running: Daemon) -> None:
    """By the rules or by name; of a rule's edits those of the input are carried out: others are refused there."""
    async with client_of(running) as client:
        raw = await client.messages.with_raw_response.count_tokens(model="auto", messages=SAID)
        by_name = await client.messages.with_raw_response.count_tokens(model="haiku-two", messages=SAID, system="x")
        beta = await client.beta.messages.count_tokens(model="haiku", messages=SAID)
    assert (await raw.parse()).input_tokens > 0
    assert beta.input_tokens > 0
    told = {name: raw.headers[f"x-rulegate-{name}"] for name in ("rule", "model", "provider", "attempts")}
    assert told == {"rule": "claude", "model": "haiku", "provider": "anthropic", "attempts": "1"}
    assert "x-rulegate-estimated" not in raw.headers
    assert "x-rulegate-cost-usd" not in raw.headers
    assert by_name.headers["x-rulegate-rule"] == "requested-model"
    sent = (await running.upstream())["requests"]
    assert [(entry["provider"], entry["dialect"]) for entry in sent] == [
        *(("anthropic", "count_tokens"), ("second", "count_tokens"), ("anthropic", "count_tokens")),
    ]
    assert sent[0]["body"] == {"model": "claude-haiku-4-5", "messages": SAID, "system": "Be brief."}
    assert sent[2]["headers"]["anthropic-beta"] == "token-counting-2024-11-01"


async def test_a_body_is_passed_on_byte_for_byte_but_for_the_model(running: Daemon) -> None:
    """U-42 U-50: unknown fields survive."""
    body = b'{ "messages" : [ {"content":"h\\u00e9","role":"user"} ],"model": "haiku" , "x_own":[1.0] }'
    headers = {"anthropic-version": "2023-06-01"}
    async with running.http.post(running.url + COUNT_TOKENS, data=body, headers=headers) as response:
        assert set(await response.json()) == {"input_tokens"}
    (sent,) = (await running.upstream())["requests"]
    assert sent["body_sha256"] == hashlib.sha256(body.replace(b'"haiku"', b'"claude-haiku-4-5"')).hexdigest()


async def test_for_other_models_the_count_is_estimated_and_says_so(running: Daemon) -> None:
    """By the first model of the chain, whoever stands behind it; no provider is asked."""
    async with client_of(running) as client:
        raw = await client.messages.with_raw_response.count_tokens(model="auto", messages=LONG)
        also = await client.messages.with_raw_response.count_tokens(model="mini", messages=LONG)
    body = {"model": "auto", "messages": LONG}
    async with running.http.post(f"{running.url}/v1/route?surface=messages", json=body) as response:
        estimate = (await response.json())["estimated_tokens"]
    assert (await raw.parse()).input_tokens == (await also.parse()).input_tokens == estimate > 500
    assert (raw.headers["x-rulegate-estimated"], raw.headers["x-rulegate-model"]) == ("true", "mini")
    assert raw.headers["x-rulegate-attempts"] == "0"
    assert (await running.upstream())["total"] == 0


async def test_it_is_no_answered_request_and_costs_nothing(running: Daemon) -> None:
    """U-105: no row and no request of the rules' metrics; a counter of its own, each once."""
    async with client_of(running) as client:
        await client.messages.count_tokens(model="auto", messages=SAID)
        await client.messages.count_tokens(model="auto", messages=LONG)
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.count_tokens(model="nope", messages=SAID)
        await running.fault("claude-haiku-4-5", "overloaded")
        with pytest.raises(anthropic.APIStatusError):
            await client.messages.count_tokens(model="haiku", messages=SAID)
        await running.clear()
        await client.messages.create(model="haiku", messages=SAID, max_tokens=9)
    (row,) = await running.rows(1)
    assert row["rule"] == "requested-model"
    metrics = await running.metrics()
    requests = {key: value for key, value in metrics.items() if key[0] == "rulegate_requests_total" and value}
    assert requests == {("rulegate_requests_total", "answered", "requested-model", "messages"): 1}
    counts = {key[1:]: value for key, value in metrics.items() if key[0] == "rulegate_token_counts_total" and value}
    assert counts == {
        ("haiku", "counted"): 1,
        ("mini", "estimated"): 1,
        ("other", "refused"): 1,
        ("haiku", "failed"): 1,
    }
    assert metrics["rulegate_in_flight_requests",] == 0


async def test_another_of_anthropics_models_counts_when_one_fails(running: Daemon) -> None:
    """U-09: the chain is gone along, less the models whose providers count nothing."""
    await running.fault("anthropic/claude-haiku-4-5", "server_error")
    async with client_of(running) as client:
        raw = await client.messages.with_raw_response.count_tokens(model="auto", messages=SAID)
    told = {name: raw.headers[f"x-rulegate-{name}"] for name in ("model", "attempts")}
    assert told == {"model": "haiku-two", "attempts": "2"}


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("overloaded", 529, "overloaded_error"),
        ("rate_limited", 429, "rate_limit_error"),
        ("auth", 502, "api_error"),
        ("refuse", 502, "api_error"),
        ("usage_missing", 502, "api_error"),
        ("bad_request", 400, "invalid_request_error"),
    ],
)
async def test_where_none_can_count_the_error_is_the_chains_and_no_estimate(
    running: Daemon, fault: str, status: int, kind: str
) -> None:
    """U-61 U-62: in Anthropic's dialect; and a count that fails says nothing of how the model answers (U-17)."""
    await running.fault("claude-haiku-4-5", fault)
    async with client_of(running) as client:
        for _ in range(3):  # a model whose answers fail as often rests
            with pytest.raises(anthropic.APIStatusError):
                await client.messages.count_tokens(model="auto", messages=SAID)
        with pytest.raises(anthropic.APIStatusError) as error:
            await client.messages.count_tokens(model="auto", messages=SAID)
        body: Any = error.value.body
        assert (error.value.status_code, body["type"], body["error"]["type"]) == (status, "error", kind)
        tried = [each["model"] for each in body["error"]["rulegate"]["attempts"]]
        assert tried == (["haiku"] if fault == "bad_request" else ["haiku", "haiku-two"])
        await running.clear()
        states = {each["name"]: each["state"] for each in (await running.get("/api/models"))["models"]}
        assert states["haiku"] == "ok"
        answer = await client.messages.with_raw_response.create(model="auto", messages=SAID, max_tokens=9)
    assert answer.headers["x-rulegate-model"] == "haiku"


async def test_a_model_that_answers_no_message_counts_none(running: Daemon) -> None:
    """U-15: as on the surface itself."""
    async with client_of(running) as client:
        with pytest.raises(anthropic.BadRequestError, match="'embed' makes embeddings alone"):
            await client.messages.count_tokens(model="embed", messages=SAID)
        with pytest.raises(anthropic.BadRequestError, match="a request needs 'messages'"):
            await client.messages.count_tokens(model="haiku", messages=None)  # type: ignore[arg-type] # what is wrong
    assert (await running.upstream())["total"] == 0


async def test_an_exhausted_budget_does_not_block_it(tmp_path: Path) -> None:
    """U-71: nothing that is free is refused for money."""
    budget = "budgets:\n  all: {limit: 0.000000001 USD, per: day, hard: true}\n"
    async with daemon(tmp_path, FILES | {"budgets.yaml": budget}) as running, client_of(running) as client:
        with pytest.raises(anthropic.APIStatusError) as error:
            await client.messages.create(model="auto", messages=SAID, max_tokens=9)
        assert error.value.status_code == 402
        assert (await client.messages.count_tokens(model="auto", messages=SAID)).input_tokens > 0


async def test_it_wants_a_key_and_counts_for_the_limits_on_requests(tmp_path: Path) -> None:
    """U-109 U-122: not for those on tokens; a lock holds here too."""
    async with daemon(tmp_path, FILES | {"callers.yaml": CALLERS}) as running:
        async with client_of(running) as client:
            with pytest.raises(anthropic.AuthenticationError):
                await client.messages.count_tokens(model="auto", messages=SAID)
        async with client_of(running, key_of("tight")) as client:
            await client.messages.count_tokens(model="auto", messages=SAID)
            raw = await client.messages.with_raw_response.count_tokens(model="auto", messages=SAID)
            assert raw.headers["anthropic-ratelimit-requests-remaining"] == "0"
            with pytest.raises(anthropic.RateLimitError) as error:
                await client.messages.count_tokens(model="auto", messages=SAID)
            assert int(error.value.response.headers["retry-after"]) > 0
        async with client_of(running, key_of("poor")) as client:
            assert (await client.messages.count_tokens(model="auto", messages=LONG)).input_tokens > 10
        async with client_of(running, key_of("locked")) as client:
            with pytest.raises(anthropic.PermissionDeniedError, match="it may use mini"):
                await client.messages.count_tokens(model="haiku", messages=SAID)
            raw = await client.messages.with_raw_response.count_tokens(model="auto", messages=SAID)
            assert raw.headers["x-rulegate-estimated"] == "true"  # haiku is closed to it, mini would answer


async def test_no_secret_of_ours_is_in_what_a_provider_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-59 U-114: a provider that quotes the whole request back; the caller's key never reaches it."""
    monkeypatch.setenv("COUNT_CANARY", "sk-canary-of-ours")
    async with echoing({"anthropic": 500}) as echo:
        text = (
            f'providers: {{anthropic: {{kind: anthropic, base_url: "{echo.url}/anthropic", '
            "api_key: {env: COUNT_CANARY}}}\n"
            "models: {haiku: {provider: anthropic, model: claude-haiku-4-5, price: free}}\n"
            "rules: [{name: all, route: [haiku]}]\n"
        )
        files = {"rules.yaml": text, "callers.yaml": callers(app="")}
        async with daemon(tmp_path, files, simulate=False) as running, client_of(running, key_of("app")) as client:
            with pytest.raises(anthropic.InternalServerError) as error:
                await client.messages.count_tokens(model="auto", messages=SAID)
    assert "refused: /anthropic/v1/messages/count_tokens" in str(error.value.body)
    assert "sk-canary-of-ours" not in str(error.value.body)
    (sent,) = echo.sent
    assert "sk-canary-of-ours" in sent.whole
    assert key_of("app") not in sent.whole


FREE = {"/v1/messages/count_tokens", "/v1/route"}
"""Routes that callers post to and that no provider charges for."""


async def test_every_route_that_asks_a_provider_for_an_answer_is_metered(running: Daemon) -> None:
    """U-71: a route that is posted to is free and writes no row, or its request has a row with what it cost."""
    posted = {route.path for route in inference_routes(cast("Any", None)) if route.method == "POST"}
    assert posted == FREE | set(PATHS.values())
    bodies = {path: body_of(surface) for surface, path in PATHS.items() if surface != "embeddings"}
    bodies |= {"/v1/embeddings": {"model": "embed", "input": "hello"}}
    for path in sorted(posted):
        await running.clear()
        body = bodies.get(path) or body_of("messages") | {"max_tokens": 9}
        async with running.http.post(running.url + path, json=body) as response:
            await response.read()
        charged = [each for each in (await running.upstream())["requests"] if each["dialect"] != "count_tokens"]
        assert bool(charged) is (path not in FREE), path
        if charged:
            row = await running.row(response.headers["x-rulegate-request-id"])
            assert (row["outcome"], row["cost_nano_usd"] > 0) == ("answered", True), path
    assert len(await running.rows(len(posted - FREE))) == len(posted - FREE)


async def test_who_hangs_up_is_counted_as_such(running: Daemon) -> None:
    """U-35 U-105: the provider's connection is closed with the caller's."""
    await running.fault("claude-haiku-4-5", "stall")
    async with client_of(running) as client:
        task = asyncio.create_task(client.messages.count_tokens(model="haiku", messages=SAID))  # noqa: TID251 - it is cut off

        async def under_way() -> bool | None:
            seen = await running.upstream(0)
            return seen["total"] == 1 or None

        await until(under_way, "count under way")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def noted() -> bool | None:
        samples = await running.metrics()
        return samples["rulegate_token_counts_total", "other", "cancelled"] == 1 or None

    await until(noted, "count that was cancelled")
    (sent,) = (await running.upstream())["requests"]
    assert sent["disconnected"]


async def test_openais_client_is_told_that_there_is_no_such_thing_for_it(running: Daemon) -> None:
    """The paths that there are name it, for whoever looks for it elsewhere."""
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="POST /v1/messages/count_tokens"):
            await client.post("/count_tokens", body={}, cast_to=object)


async def test_a_caller_of_the_bearer_form_counts_too(tmp_path: Path) -> None:
    """U-109: as on every surface."""
    async with daemon(tmp_path, FILES | {"callers.yaml": CALLERS}) as running:
        body = {"model": "auto", "messages": SAID}
        async with running.http.post(running.url + COUNT_TOKENS, json=body, headers=bearer("app")) as response:
            assert (response.status, set(await response.json())) == (200, {"input_tokens"})
