"""Callers with the official clients, unmodified: who comes in, what they may use, and what the others are told."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from prometheus_client import CollectorRegistry

from gateway.adapters.metrics import Metrics
from gateway.wiring.surfaces import build_web, inference_routes, operations_routes
from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.daemon import PATHS, Daemon, body_of, daemon
from tests.fakes.rule_files import MODELS

RULES = """\
rules:
  - {name: growth, priority: 9, when: {team: growth, tags: batch}, route: [nano, haiku]}
  - {name: by-name, priority: 8, when: {caller: app}, route: [mini]}
  - {name: rest, route: [haiku, sonnet]}
"""
CALLERS = callers(
    bot="team: growth, tags: [batch, eu]",
    app="",
    locked="models: [haiku]",
    out="models: [mini]",
    old="expires: 2020-01-01",
    op="operator: true",
)
FILES = {"models.yaml": MODELS, "rules.yaml": RULES, "callers.yaml": CALLERS}
SAID: Any = [{"role": "user", "content": "Why is the sky blue?"}]
NOBODY = "rg-canary-of-nobody"


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, FILES) as running:
        yield running


@asynccontextmanager
async def clients(running: Daemon, key: str) -> AsyncIterator[tuple[openai.AsyncOpenAI, anthropic.AsyncAnthropic]]:
    async with (
        openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=key, max_retries=0) as first,
        anthropic.AsyncAnthropic(base_url=running.url, api_key=key, max_retries=0) as second,
    ):
        yield first, second


async def answers_of(running: Daemon, key: str, model: str = "auto") -> list[str]:
    """Ask with both clients, and give the models that answered, as the headers say."""
    async with clients(running, key) as (first, second):
        one = await first.chat.completions.with_raw_response.create(model=model, messages=SAID)
        two = await second.messages.with_raw_response.create(model=model, max_tokens=50, messages=SAID)
    return [str(each.headers["x-rulegate-model"]) for each in (one, two)]


async def test_the_key_of_a_caller_opens_both_clients_in_both_forms(keyed: Daemon) -> None:
    """U-109: as a bearer and as x-api-key; the rules see whose it is, and the rows say it."""
    assert await answers_of(keyed, key_of("bot")) == ["nano", "nano"]
    assert await answers_of(keyed, key_of("app")) == ["mini", "mini"]
    async with anthropic.AsyncAnthropic(base_url=keyed.url, auth_token=key_of("bot"), max_retries=0) as client:
        answer = await client.messages.create(model="auto", max_tokens=50, messages=SAID)
        assert answer.model == "gpt-5-nano"
    rows = [row for row in await keyed.rows(5) if row["caller"] == "bot"]
    assert len(rows) == 3
    assert {(row["team"], tuple(row["tags"]), row["rule"]) for row in rows} == {("growth", ("batch", "eu"), "growth")}


@pytest.mark.parametrize("key", [NOBODY, key_of("old"), ""], ids=["unknown", "expired", "none"])
async def test_a_key_that_opens_nothing_raises_authentication_error(
    keyed: Daemon, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """U-61 U-105 U-109 U-114: streamed or not; each is a row without a caller, counted once, that repeats nothing."""
    caplog.set_level("DEBUG")
    before = (await keyed.metrics()).get(("rulegate_requests_total", "refused", "other", "chat"), 0)
    async with clients(keyed, key or "-") as (first, second):
        for stream in (False, True):
            with pytest.raises(openai.AuthenticationError) as one:
                await first.chat.completions.create(model="auto", messages=SAID, stream=stream)
            with pytest.raises(anthropic.AuthenticationError) as two:
                await second.messages.create(model="auto", max_tokens=50, messages=SAID, stream=stream)
            assert (one.value.status_code, one.value.code, one.value.type) == (
                *(401, "invalid_api_key", "invalid_request_error"),
            )
            body: Any = two.value.body
            assert (two.value.status_code, body["error"]["type"]) == (401, "authentication_error")
            assert body["error"]["rulegate"]["blame"] == "gateway"
            for error in (one.value, two.value):
                assert error.response.headers["WWW-Authenticate"] == "Bearer"
                row = await keyed.row(error.response.headers["x-rulegate-request-id"])
                told = (row["outcome"], row["caller"], row["team"], row["requested_model"], row["facts"])
                assert told == ("refused", "", "", "", {})
    metrics = await keyed.metrics()
    assert metrics["rulegate_requests_total", "refused", "other", "chat"] == before + 2
    assert metrics["rulegate_in_flight_requests",] == 0
    assert (await keyed.upstream())["total"] == 0
    told_anywhere = [caplog.text, str(metrics), str(await keyed.rows(4)), str(await keyed.get("/api/status"))]
    assert [text for text in told_anywhere if NOBODY in text or key_of("old") in text] == []


async def test_what_is_sent_without_a_key_is_not_even_read(keyed: Daemon) -> None:
    """U-113: a stranger's large body costs nobody anything, and the connection ends cleanly."""
    for surface, path in PATHS.items():
        async with keyed.http.post(keyed.url + path, data=b"x" * 900_000) as response:
            error = (await response.json())["error"]
        assert (response.status, "key is needed" in error["message"]) == (401, True), surface


def routes() -> Iterator[tuple[str, str]]:
    """Give every route that the application has, by method and path."""
    parts: Any = None
    metrics = Metrics(CollectorRegistry(), "0", simulated=False)
    app = build_web(parts, parts, [*inference_routes(parts), *operations_routes(metrics)])
    for route in app.router.routes():
        if route.resource is not None and route.method not in {"HEAD", "*"}:
            yield route.method, route.resource.canonical


OPEN = {"/livez", "/readyz", "/metrics"}
"""The only paths that never need a key."""


@pytest.mark.parametrize(("method", "path"), list(routes()), ids=" ".join)
async def test_no_route_is_left_open(keyed: Daemon, method: str, path: str) -> None:
    """U-71 U-109 U-111: every route there is refuses without a key, from this machine too, but for the probes and the
    operations on loopback; a new one is in this test by being there."""
    async with keyed.http.request(method, keyed.url + path, json=body_of("chat")) as response:
        await response.read()
    if path in OPEN or path.startswith("/api/"):
        assert response.status in (
            (404,) if "{" in path else (200, 400)
        )  # there is nothing of that name, or in the body
    else:
        assert response.status == 401
    assert (await keyed.upstream())["total"] == 0


async def test_a_caller_is_answered_by_its_own_models_alone(keyed: Daemon) -> None:
    """By the rules, whose other steps are left out, and by name; what is closed raises PermissionDeniedError."""
    assert await answers_of(keyed, key_of("locked")) == ["haiku", "haiku"]
    assert await answers_of(keyed, key_of("locked"), "claude-haiku-4-5") == ["haiku", "haiku"]
    async with clients(keyed, key_of("locked")) as (first, second):
        for model in ("mini", "gpt-5-mini"):
            for stream in (False, True):
                with pytest.raises(openai.PermissionDeniedError) as one:
                    await first.chat.completions.create(model=model, messages=SAID, stream=stream)
                with pytest.raises(anthropic.PermissionDeniedError) as two:
                    await second.messages.create(model=model, max_tokens=50, messages=SAID, stream=stream)
                assert (one.value.status_code, one.value.type, one.value.param) == (403, "permission_error", "model")
                body: Any = two.value.body
                assert body["error"]["type"] == "permission_error"
                for told in (one.value.message, body["error"]["message"]):
                    assert "caller 'locked' may not use model 'mini'; it may use haiku" in told
        with pytest.raises(openai.NotFoundError, match="there is auto, haiku"):
            await first.chat.completions.create(model="gpt-99", messages=SAID)
    seen = (await keyed.upstream())["requests"]
    assert {entry["model"] for entry in seen} == {"claude-haiku-4-5"}


async def test_a_rule_that_leaves_a_caller_nothing_is_a_403_in_every_account(keyed: Daemon) -> None:
    """U-28: traffic, /v1/route and the row say the same: which rule it was, and what the caller may use."""
    for surface in PATHS:
        async with keyed.ask(surface, headers=bearer("out")) as response:
            error = (await response.json())["error"]
        words = "caller 'out' may not use any model of rule 'rest'; it may use mini"
        assert (response.status, error["message"], error["type"]) == (403, words, "permission_error")
        row = await keyed.row(response.headers["x-rulegate-request-id"])
        assert (row["outcome"], row["caller"], row["rule"], row["model"], row["chain"]) == (
            *("refused", "out", "rest", "", []),
        )
        async with keyed.http.post(f"{keyed.url}/v1/route", json=body_of(surface), headers=bearer("out")) as response:
            routed = await response.json()
        assert (response.status, routed["refused"], routed["rule"]) == (200, True, "rest")
        assert routed["lock"] == {"caller": "out", "models": ["mini"]}
    assert (await keyed.upstream())["total"] == 0


async def test_a_caller_is_told_of_its_own_models_alone(keyed: Daemon) -> None:
    """In the shape of either client; a stranger is told of none."""
    for name, there in {"locked": ["auto", "haiku"], "bot": ["auto", "nano", "mini", "haiku", "sonnet"]}.items():
        async with clients(keyed, key_of(name)) as (first, second):
            assert [model.id async for model in first.models.list()] == there
            assert [model.id async for model in second.models.list()] == there
    async with clients(keyed, NOBODY) as (first, second):
        with pytest.raises(openai.AuthenticationError):
            await first.models.list()
        with pytest.raises(anthropic.AuthenticationError):
            await second.models.list()


async def test_a_key_is_taken_as_soon_as_it_is_saved_and_not_after_it_is_removed(keyed: Daemon) -> None:
    """U-85: keys are changed without a restart; who is under way is not disturbed."""
    keyed.write("callers.yaml", callers(fresh=""))
    await keyed.generation(1)
    assert await answers_of(keyed, key_of("fresh")) == ["haiku", "haiku"]
    with pytest.raises(openai.AuthenticationError):
        await answers_of(keyed, key_of("bot"))


async def test_a_key_that_ends_is_warned_of_before_and_after(keyed: Daemon) -> None:
    """In the status, whenever it is asked for; the rules run all the same."""
    warnings = (await keyed.get("/api/status"))["warnings"]
    (warning,) = [each for each in warnings if each["file"] == "callers.yaml"]
    assert warning["line"] == 6
    assert warning["message"] == "the key of caller 'old' expired at 2020-01-02T00:00:00Z"


async def test_the_configuration_shows_callers_and_no_key(keyed: Daemon) -> None:
    """U-114: what a caller may do is shown, and nothing that would open the door."""
    shown = await keyed.get("/api/config")
    assert shown["callers"]["bot"] == {
        "team": "growth",
        "tags": ["batch", "eu"],
        "models": None,
        "expires": None,
        "operator": False,
        "limits": {"requests": None, "tokens": None, "concurrent": None},
    }
    assert shown["callers"]["old"]["expires"] == "2020-01-02T00:00:00+00:00"
    assert [name for name in shown["callers"] if key_of(name) in str(shown)] == []
