"""Budgets of a running daemon: raced for, spent, refused, raised, and kept over a restart."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from aiohttp import web

from gateway.engine.budgets import Bound, bound_nano_usd, input_bound
from gateway.engine.pricing import price_at
from tests.fakes.daemon import PATHS, Daemon, body_of, daemon, until
from tests.fakes.rule_files import MODELS, UPSTREAM

RACERS = 1_000
REGISTRY = """\
providers:
  local: {{kind: openai, base_url: "{url}/v1", api_key: none}}
models:
  priced: {{provider: local, model: up-priced, price: {{input: 1, output: 10}}, max_output: 400}}
  free: {{provider: local, model: up-free, price: free}}
"""


class Gate:
    """An upstream that answers only when it is told to, with as much usage as it was allowed."""

    def __init__(self) -> None:
        self.arrived = 0
        self.opened = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.arrived += 1
        await self.opened.wait()
        usage = {"prompt_tokens": 60, "completion_tokens": body.get("max_tokens", 400)}
        choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "length"}
        return web.json_response({"id": "c", "model": body["model"], "choices": [choice], "usage": usage})


@asynccontextmanager
async def gated() -> AsyncIterator[tuple[str, Gate]]:
    gate, app = Gate(), web.Application()
    app.router.add_post("/v1/chat/completions", gate.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=RACERS).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", gate
    finally:
        gate.opened.set()
        await runner.cleanup()


async def race(running: Daemon, gate: Gate, racers: int) -> tuple[int, list[dict[str, Any]], float]:
    """Send all at once; open the gate when each is there or refused. Give answers, refusals and the announced risk."""
    body = body_of("chat") | {"max_tokens": 300}
    refusals: list[dict[str, Any]] = []
    answers = 0

    async def one(http: aiohttp.ClientSession) -> None:
        nonlocal answers
        async with http.post(running.url + PATHS["chat"], json=body) as response:
            if response.status == 402:
                refusals.append((await response.json())["error"])
            else:
                assert response.status == 200, await response.text()
                await response.read()
                answers += 1

    async def all_there() -> bool | None:
        return gate.arrived + len(refusals) == racers or None

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(racers):
            tasks.create_task(one(http))
        await until(all_there, "end to the race")
        (standing,) = (await running.get("/api/budgets"))["budgets"]
        gate.opened.set()
    return answers, refusals, standing["possible_overshoot_usd"]


async def test_a_thousand_race_for_a_hard_budget(tmp_path: Path) -> None:
    """U-69 U-70 U-74: spend stays within the limit, and exactly as many pass as have room for what they may cost."""
    async with gated() as (url, gate):
        rules = REGISTRY.format(url=url) + "budgets: {all: {limit: 1 USD, per: day, hard: true}}\n"
        rules += "rules: [{name: all, route: [{model: priced, timeout: {connect: 30s}}]}]\n"
        async with daemon(tmp_path, {"rules.yaml": rules}, simulate=False) as running:
            answers, refusals, _ = await race(running, gate, RACERS)
            snapshot = running.reloader.active.snapshot
            price = price_at(snapshot.models["priced"].price, running.reloader.active.loaded_at.date())
            sent = len(json.dumps(body_of("chat") | {"max_tokens": 300}).encode())
            most = bound_nano_usd(Bound(input_bound(sent, 0, None), 300), price)
            assert answers == 10**9 // most
            assert len(refusals) == RACERS - answers > 0
            about = refusals[0]["rulegate"]["budget"]
            assert (about["name"], about["limit_usd"], about["spent_usd"]) == ("all", 1.0, 0.0)
            assert about["resets_at"]
            assert "'all'" in refusals[0]["message"]
            await running.rows(RACERS)
            (standing,) = (await running.get("/api/budgets"))["budgets"]
            assert standing["spent_usd"] <= 1
            assert standing["spent_nano_usd"] == answers * (60 * 1_000 + 300 * 10_000)
            assert standing["reserved_usd"] == 0
            metrics = await running.metrics()
            assert metrics["rulegate_budget_spend_usd", "all"] == standing["spent_usd"]
            assert metrics["rulegate_requests_total", "refused", "all", "chat"] == len(refusals)
            assert metrics["rulegate_skips_total", "priced", "over_budget"] == len(refusals)


async def test_a_soft_budget_passes_its_limit_by_no_more_than_it_announced(tmp_path: Path) -> None:
    """U-70: nothing is known of such attempts yet, so that an estimate is held back for each."""
    async with gated() as (url, gate):
        rules = REGISTRY.format(url=url) + "budgets: {all: {limit: 0.20 USD, per: day}}\n"
        rules += "rules: [{name: all, route: [{model: priced, timeout: {connect: 30s}}]}]\n"
        async with daemon(tmp_path, {"rules.yaml": rules}, simulate=False) as running:
            answers, refusals, announced = await race(running, gate, 300)
            assert answers + len(refusals) == 300
            assert min(answers, len(refusals)) > 0
            await running.rows(300)
            (standing,) = (await running.get("/api/budgets"))["budgets"]
            assert standing["spent_usd"] <= 0.20 + announced
            assert standing["reserved_usd"] == 0


LADDER = (
    MODELS
    + """\
budgets:
  all: {limit: 100 USD, per: month, at: {50%: {prefer: cost}, 60%: {cap: {max_tokens: 20}}, 100%: block}}
rules:
  - {name: cheaply, priority: 9, when: {prefer: cost}, route: [nano]}
  - {name: nearly, priority: 5, when: {budget: {name: all, used: {gte: 10%}}}, route: [mini]}
  - {name: rest, route: [haiku]}
"""
)


async def limit(running: Daemon, usd: float) -> None:
    """Give the budget another limit, as an operator would."""
    async with running.http.post(
        f"{running.url}/api/budgets/all/override", json={"limit_usd": round(usd, 9), "until": "2999-01-01T00:00:00Z"}
    ) as response:
        assert response.status == 200, await response.text()


async def rule_of(running: Daemon, surface: str = "chat", **body: Any) -> tuple[int, str]:  # noqa: ANN401 - JSON
    async with running.http.post(running.url + PATHS[surface], json=body_of(surface) | body) as response:
        await response.read()
        return response.status, response.headers.get("x-rulegate-rule", "")


async def test_a_ladder_is_climbed_as_the_limit_comes_near(tmp_path: Path) -> None:
    """U-76 U-77: the condition, the preference, the cap and the block, in their order; an override moves them all."""
    async with daemon(tmp_path, {"rules.yaml": LADDER}) as running:
        assert await rule_of(running) == (200, "rest")

        async def spent() -> float | None:
            found: float = (await running.get("/api/budgets"))["budgets"][0]["spent_usd"]
            return found or None

        cost = await until(spent, "spend")
        await limit(running, cost / 0.2)
        assert await rule_of(running) == (200, "nearly")
        await limit(running, await until(spent, "spend") / 0.55)
        assert await rule_of(running, max_tokens=200) == (200, "cheaply")
        await limit(running, await until(spent, "spend") / 0.8)
        assert await rule_of(running, max_tokens=200) == (200, "cheaply")
        assert (await running.upstream())["requests"][-1]["body"]["max_completion_tokens"] == 20
        (standing,) = (await running.get("/api/budgets"))["budgets"]
        assert [each["action"] for each in standing["holding"]] == [{"prefer": "cost"}, {"cap": {"max_tokens": 20}}]
        await limit(running, await until(spent, "spend"))
        status, _ = await rule_of(running)
        assert status == 402
        async with running.http.post(f"{running.url}/api/budgets/all/override", json={"limit_usd": None}) as response:
            assert (await response.json())["limit_usd"] == 100
        assert await rule_of(running) == (200, "rest")


HARD = (
    MODELS
    + """\
  free: {provider: openai, model: gpt-4o-mini, price: free}
budgets:
  of-sonnet: {scope: {model: sonnet}, limit: 0.000001 USD, per: day, hard: true}
rules:
  - {name: spare, priority: 9, when: {header.x-spare: 'yes'}, route: [sonnet, free]}
  - {name: all, route: [sonnet]}
"""
)


@pytest.mark.parametrize("surface", ["chat", "messages"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_step_without_room_is_passed_over_and_a_free_one_goes_on(
    tmp_path: Path, surface: str, *, stream: bool
) -> None:
    """U-68 U-73: no attempt is made at what does not fit; 402 where nothing else is left."""
    async with daemon(tmp_path, {"rules.yaml": HARD}) as running:
        async with running.ask(surface, headers={"x-spare": "yes"}, stream=stream) as response:
            assert (response.status, response.headers["x-rulegate-model"]) == (200, "free")
            await response.read()
            row = await running.row(response.headers["x-rulegate-request-id"])
        assert [each.get("skip") for each in row["attempts"]] == ["over_budget", None]
        async with running.ask(surface, stream=stream) as response:
            assert response.status == 402
            error = (await response.json())["error"]
            row = await running.row(response.headers["x-rulegate-request-id"])
        assert error["rulegate"]["budget"]["resets_at"] is None, "it would never fit"
        assert (row["outcome"], row["cost_nano_usd"]) == ("refused", 0)
        assert UPSTREAM["sonnet"] not in (await running.upstream())["models"]


async def test_the_official_clients_do_not_try_a_402_again(tmp_path: Path) -> None:
    """U-74: and raise what says so."""
    async with daemon(tmp_path, {"rules.yaml": HARD}) as running:
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=2) as client:
            with pytest.raises(openai.APIStatusError, match="of-sonnet") as of_openai:
                await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hello"}])
        async with anthropic.AsyncAnthropic(base_url=running.url, api_key="none", max_retries=2) as client:
            with pytest.raises(anthropic.APIStatusError, match="of-sonnet") as of_anthropic:
                await client.messages.create(
                    model="auto", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
                )
        assert (of_openai.value.status_code, of_anthropic.value.status_code) == (402, 402)
        assert len(await running.rows(2)) == 2


async def test_a_restart_refills_nothing_and_keeps_what_operators_set(tmp_path: Path) -> None:
    """U-75 U-79: what is spent comes from the ledger."""
    rules = MODELS + "budgets: {all: {limit: 100 USD, per: month}}\nrules: [{name: all, route: [mini]}]\n"
    async with daemon(tmp_path, {"rules.yaml": rules}) as running:
        for _ in range(5):
            await rule_of(running)
        await limit(running, 70)
        rows = await running.rows(5)
        (before,) = (await running.get("/api/budgets"))["budgets"]
    async with daemon(tmp_path, {}) as running:
        (after,) = (await running.get("/api/budgets"))["budgets"]
    assert after["spent_nano_usd"] == before["spent_nano_usd"] == sum(row["cost_nano_usd"] for row in rows) > 0
    assert (after["limit_usd"], after["override"]["limit_usd"]) == (70, 70)


async def test_a_budget_that_is_added_counts_what_was_spent_before_it(tmp_path: Path) -> None:
    """U-77: of its own scope and window alone, to the nano-dollar, while requests go on."""
    rules = MODELS + "rules: [{name: a, when: {header.x-a: 'yes'}, route: [mini]}, {name: b, route: [haiku]}]\n"
    async with daemon(tmp_path, {"rules.yaml": rules}) as running:
        done = asyncio.Event()
        sent = 0

        async def go_on() -> None:
            nonlocal sent
            while not done.is_set():
                async with running.ask("chat", headers={"x-a": "yes"} if sent % 2 else {}) as response:
                    await response.read()
                sent += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(go_on())
            for place in range(3):
                running.write(
                    f"budget-{place}.yaml", f"budgets: {{b{place}: {{scope: {{rule: a}}, limit: 9 USD, per: day}}}}\n"
                )
                await running.generation(place + 1)
            done.set()
        rows = await running.rows(sent)
        of_a = sum(row["cost_nano_usd"] for row in rows if row["rule"] == "a")
        assert of_a > 0
        standings = (await running.get("/api/budgets"))["budgets"]
        assert [each["spent_nano_usd"] for each in standings] == [of_a] * 3


async def test_a_caller_who_leaves_pays_and_holds_nothing_back(tmp_path: Path) -> None:
    """U-36 U-69: what was relayed is charged; the rest of what was held is let go of."""
    rules = MODELS + "budgets: {all: {limit: 100 USD, per: month, hard: true}}\nrules: [{name: all, route: [haiku]}]\n"
    async with daemon(tmp_path, {"rules.yaml": rules}) as running:
        await running.fault(UPSTREAM["haiku"], "slow", per_token_s=30)
        response = await running.ask("chat", stream=True).__aenter__()
        await response.content.readany()
        (standing,) = (await running.get("/api/budgets"))["budgets"]
        assert standing["reserved_usd"] > 0
        response.close()
        await running.upstream()
        (row,) = await running.rows(1)
        (standing,) = (await running.get("/api/budgets"))["budgets"]
        assert standing["spent_nano_usd"] == row["cost_nano_usd"] > 0
        assert standing["reserved_usd"] == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (b'{"limit_usd": "many", "until": "2999-01-01T00:00:00Z"}', 400),
        (b'{"limit_usd": 5, "until": "2020-01-01T00:00:00Z"}', 400),
        (b'{"limit_usd": 5, "until": "2999-01-01"}', 400),
        (b'{"limit_usd": -5, "until": "2999-01-01T00:00:00Z"}', 400),
        (b'{"limit_usd": 5, "until": "2999-01-01T00:00:00Z"}', 200),
    ],
)
async def test_an_override_is_read_with_care(tmp_path: Path, body: bytes, status: int) -> None:
    rules = MODELS + "budgets: {all: {limit: 100 USD, per: month}}\nrules: [{name: all, route: [mini]}]\n"
    async with daemon(tmp_path, {"rules.yaml": rules}) as running:
        async with running.http.post(f"{running.url}/api/budgets/all/override", data=body) as response:
            assert response.status == status, await response.text()
        async with running.http.post(f"{running.url}/api/budgets/none/override", data=body) as response:
            assert response.status == 404
            assert "there is all" in (await response.json())["error"]["message"]
