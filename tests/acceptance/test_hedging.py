"""The first model is slow: the next one is asked beside it, and the caller, the row, the metrics and the wire agree."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.acceptance.test_hang_up import seen_upstream
from tests.fakes.answers import read
from tests.fakes.daemon import EMBEDDINGS, PATHS, Daemon, body_of, daemon
from tests.fakes.rule_files import MODELS, PAIRS, PROVIDER, UPSTREAM

SURFACES = pytest.mark.parametrize("surface", ["chat", "responses", "messages", "execute"])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
EVERY_PAIR = pytest.mark.parametrize("pair", PAIRS, ids="-".join)
AFTER = "60ms"
RULES = "\n".join(
    [
        "rules:",
        *(
            f"  - {{name: {first}-{second}, priority: 1, when: {{header.x-pair: {first}-{second}}},"
            f" route: [{first}, {second}], hedge: {{after: {AFTER}}}}}"
            for first, second in PAIRS
        ),
        "  - {name: others, route: [mini]}",
        "  - {name: vectors, when: {surface: embeddings}, route: [embed, embed-two], hedge: {after: 60ms}}",
    ]
)
REGISTRY = MODELS + (
    "  embed: {provider: openai, model: text-embedding-3-small}\n"
    "  embed-two: {provider: second, model: text-embedding-3-small}\n"
)
SECOND = 'providers:\n  second: {kind: openai, api_key: none, base_url: "https://api.openai.com/v1"}\n'
GENEROUS = "defaults: {retry_budget: {share: 100%, at_least: 600/min}}\n"
HELLO: Any = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
async def hedging(tmp_path: Path) -> AsyncIterator[Daemon]:
    files = {"models.yaml": REGISTRY, "second.yaml": SECOND, "rules.yaml": RULES, "defaults.yaml": GENEROUS}
    async with daemon(tmp_path, files) as running:
        yield running


async def both_seen(running: Daemon) -> list[tuple[str, bool]]:
    """Give the models that were asked, each with whether its connection was closed before it was done."""
    seen = await running.upstream()
    return sorted((entry["model"], entry["disconnected"]) for entry in seen["requests"])


@SURFACES
@STREAMED
@EVERY_PAIR
async def test_the_second_model_answers_for_a_slow_one_and_all_accounts_agree(
    hedging: Daemon, *, surface: str, stream: bool, pair: tuple[str, str]
) -> None:
    """U-35 U-105: within a dialect and across; the slow one's connection is closed, its input is paid, and its model
    is as well as before."""
    first, second = pair
    if surface == "execute" and stream:
        pytest.skip("there are no streams on this surface")
    await hedging.fault(UPSTREAM[first], "stall")
    headers = {"x-pair": "-".join(pair)}
    async with hedging.ask(surface, headers=headers, stream=stream) as response:
        body = await response.read()
        assert response.status == 200, body
        named = {name: response.headers[f"x-rulegate-{name}"] for name in ("model", "provider", "attempts")}
    assert named == {"model": second, "provider": PROVIDER[second], "attempts": "2"}
    assert UPSTREAM[second] in body.decode()
    assert await both_seen(hedging) == sorted([(UPSTREAM[first], True), (UPSTREAM[second], False)])
    row = await hedging.row(response.headers["x-rulegate-request-id"])
    slow, answer = row["attempts"]
    assert (slow["model"], slow["failure"], slow["kind"]) == (first, "cancelled", "hedge")
    assert (answer["model"], answer["failure"], answer["hedged"]) == (second, None, True)
    assert slow["usage"]["estimated"]
    assert slow["cost_nano_usd"] > 0
    assert row["cost_nano_usd"] == slow["cost_nano_usd"] + answer["cost_nano_usd"]
    assert row["outcome"] == "answered_after_fallback"
    assert 0 < slow["extra_ms"] <= round(slow["seconds"] * 1000) + 1
    assert row["overhead_s"] < row["duration_s"]
    rule, metrics = "-".join(pair), await hedging.metrics()
    assert round(metrics["rulegate_extra_cost_usd_total", "hedge", rule] * 1e9) == slow["cost_nano_usd"]
    used = sum(value for name, value in slow["usage"].items() if name in ("fresh_input_tokens", "output_tokens"))
    assert metrics["rulegate_extra_tokens_total", "hedge", rule] == used
    assert round(metrics["rulegate_extra_seconds_total", "hedge", rule] * 1000) == slow["extra_ms"]
    assert metrics["rulegate_attempts_total", "cancelled", first] == 1
    assert metrics["rulegate_model_state", first, "ok"] == 1


@EVERY_PAIR
async def test_the_first_model_may_win_after_all(hedging: Daemon, pair: tuple[str, str]) -> None:
    """U-35: it was slow, and the one asked beside it is slower: that one is closed, paid, and delays nothing."""
    first, second = pair
    await hedging.fault(UPSTREAM[first], "slow", per_token_s=0.02)
    await hedging.fault(UPSTREAM[second], "stall")
    async with hedging.ask("chat", headers={"x-pair": "-".join(pair)}) as response:
        said = read("chat", await response.read(), stream=False)
    assert (said.model, response.headers["x-rulegate-attempts"]) == (UPSTREAM[first], "2")
    assert await both_seen(hedging) == sorted([(UPSTREAM[first], False), (UPSTREAM[second], True)])
    row = await hedging.row(response.headers["x-rulegate-request-id"])
    answer, lost = row["attempts"]
    assert (answer["model"], answer["failure"], "kind" in answer) == (first, None, False)
    assert (lost["model"], lost["kind"], lost["hedged"], "extra_ms" in lost) == (second, "hedge", True, False)
    assert row["outcome"] == "answered"


@pytest.mark.parametrize("pair", [("nano", "sonnet"), ("haiku", "mini")], ids="-".join)
async def test_the_official_clients_notice_nothing(hedging: Daemon, pair: tuple[str, str]) -> None:
    """U-26: whole and streamed, a slow model of one dialect and a quick one of the other."""
    first, second = pair
    await hedging.fault(UPSTREAM[first], "stall_after_headers")
    headers, words = {"x-pair": "-".join(pair)}, f"(simulated {UPSTREAM[second]})"
    async with openai.AsyncOpenAI(base_url=f"{hedging.url}/v1", api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(model="auto", messages=HELLO, extra_headers=headers)
        assert (answer.choices[0].message.content or "").startswith(words)
        stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True, extra_headers=headers)
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text.startswith(words)
        assert {chunk.model for chunk in chunks} == {UPSTREAM[second]}
    async with anthropic.AsyncAnthropic(base_url=hedging.url, api_key="none", max_retries=0) as other:
        said = await other.messages.create(model="auto", max_tokens=300, messages=HELLO, extra_headers=headers)
        assert (said.model, said.stop_reason) == (UPSTREAM[second], "end_turn")
        async with other.messages.stream(
            model="auto", max_tokens=300, messages=HELLO, extra_headers=headers
        ) as streamed:
            assert (await streamed.get_final_text()).startswith(words)


async def test_vectors_come_from_the_other_account(hedging: Daemon) -> None:
    """U-42: the same model elsewhere."""
    await hedging.fault("openai/text-embedding-3-small", "stall")
    async with hedging.http.post(hedging.url + EMBEDDINGS, json=body_of("embeddings")) as response:
        assert response.status == 200
        assert response.headers["x-rulegate-model"] == "embed-two"
    row = await hedging.row(response.headers["x-rulegate-request-id"])
    assert [each.get("kind") for each in row["attempts"]] == ["hedge", None]


@SURFACES
@STREAMED
async def test_a_caller_who_leaves_during_the_race_ends_both(hedging: Daemon, *, surface: str, stream: bool) -> None:
    """U-35 U-36: both connections are closed; no third attempt, and one row."""
    for name in ("nano", "mini"):
        await hedging.fault(UPSTREAM[name], "stall")
    asked = hedging.http.post(
        hedging.url + PATHS[surface], json=body_of(surface, stream=stream), headers={"x-pair": "nano-mini"}
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(asked.__aenter__())
        await seen_upstream(hedging, 2)
        task.cancel()
    assert await both_seen(hedging) == [(UPSTREAM["mini"], True), (UPSTREAM["nano"], True)]
    (row,) = await hedging.rows(1)
    assert row["outcome"] == "cancelled"
    assert [(each["model"], each["failure"]) for each in row["attempts"]] == [
        ("nano", "cancelled"),
        ("mini", "cancelled"),
    ]
    assert (await hedging.metrics())["rulegate_in_flight_requests",] == 0


async def test_losing_again_and_again_does_not_send_a_model_to_rest(hedging: Daemon) -> None:
    """U-19: it has not failed; what ends it is another."""
    await hedging.fault(UPSTREAM["nano"], "stall")
    for _ in range(8):
        async with hedging.ask("chat", headers={"x-pair": "nano-mini"}) as response:
            assert response.headers["x-rulegate-attempts"] == "2"
    health = {each["name"]: each["state"] for each in (await hedging.get("/api/models"))["models"]}
    assert health["nano"] == "ok"


async def test_without_room_in_the_budget_the_slow_one_is_waited_for_and_fallbacks_go_on(hedging: Daemon) -> None:
    """U-22: what would be more load for the same answer is refused, counted, and asked for again a moment later."""
    hedging.write("defaults.yaml", "defaults: {retry_budget: {share: 0%, at_least: 1/min}}\n")
    await hedging.generation(1)
    await hedging.fault(UPSTREAM["nano"], "slow", per_token_s=0.01)
    for attempts in ("2", "1"):
        async with hedging.ask("chat", headers={"x-pair": "nano-mini"}) as response:
            assert response.headers["x-rulegate-attempts"] == attempts
    assert (await hedging.metrics())["rulegate_retries_refused_total", "hedge"] == 1
    await hedging.clear()
    await hedging.fault(UPSTREAM["nano"], "server_error")
    for _ in range(3):
        async with hedging.ask("chat", headers={"x-pair": "nano-mini"}) as response:
            assert (response.status, response.headers["x-rulegate-model"]) == (200, "mini")


async def test_after_p95_is_learned_from_traffic(hedging: Daemon) -> None:
    """U-22: nothing is hedged while too little is known; then a model that hangs is overtaken."""
    rules = (
        "rules: [{name: usual, priority: 9, when: {header.x-usual: 'yes'}, route: [nano, mini], hedge: {after: p95}}]\n"
    )
    hedging.write("usual.yaml", rules)
    await hedging.generation(1)
    for _ in range(20):
        async with hedging.ask("chat", headers={"x-usual": "yes"}) as response:
            assert response.headers["x-rulegate-model"] == "nano"
    await hedging.fault(UPSTREAM["nano"], "stall")
    async with hedging.ask("chat", headers={"x-usual": "yes"}) as response:
        assert (response.headers["x-rulegate-model"], response.headers["x-rulegate-attempts"]) == ("mini", "2")
