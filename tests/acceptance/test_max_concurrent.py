"""How many may be at a model at once: the rest go to the next step, wait in turn, or are told when to come again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes.daemon import Daemon, daemon, until
from tests.fakes.paced_provider import Paced, paced

SAID: Any = [{"role": "user", "content": "Why is the sky blue?"}]
RULES = """
providers:
  p: {{kind: openai, base_url: "{url}", api_key: none, {provider}}}
models:
  few: {{provider: p, model: few, price: free, {model}}}
  other: {{provider: p, model: other, price: free}}
rules:
  - name: all
    route: [{route}]
"""


@asynccontextmanager
async def limited(
    directory: Path, model: str = "max_concurrent: 1", provider: str = "", route: str = "few", defaults: str = ""
) -> AsyncIterator[tuple[Daemon, Paced]]:
    """Run a gateway before the paced provider."""
    async with paced() as upstream:
        rules = RULES.format(url=upstream.url, model=model, provider=provider, route=route) + defaults
        async with daemon(directory, {"a.yaml": rules}, simulate=False) as running:
            yield running, upstream


class Callers:
    """Requests by OpenAI's client, each with its number as its text, all under way at once."""

    def __init__(self, running: Daemon, tasks: asyncio.TaskGroup, client: openai.AsyncOpenAI) -> None:
        self._running = running
        self._tasks = tasks
        self._client = client
        self._asked = 0
        self.every: list[asyncio.Task[Any]] = []

    def ask(self, *, stream: bool = False) -> "asyncio.Task[Any]":
        number = str(self._asked)
        call = self._client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": number}], stream=stream
        )
        self._asked += 1
        return self._tasks.create_task(call)

    def send(self) -> None:
        """Ask, and leave the answer to whoever waits for `every` one."""
        self.every.append(self.ask())

    async def crowd(self, there: int, waiting: int, name: str = "few", at: str = "model") -> None:
        """Return once so many are there, and so many wait."""

        async def look() -> bool | None:
            metrics = await self._running.metrics()
            seen = [metrics[f"rulegate_concurrent_requests{suffix}", at, name] for suffix in ("", "_waiting")]
            return seen == [there, waiting] or None

        await until(look, f"{there} requests there, and {waiting} that wait")


@asynccontextmanager
async def callers(running: Daemon) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        client = openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)
        await stack.enter_async_context(client)
        yield Callers(running, await stack.enter_async_context(asyncio.TaskGroup()), client)


async def test_beyond_the_limit_of_a_step_requests_go_to_the_next_one_at_once(tmp_path: Path) -> None:
    """U-09 U-113: as `full`, which the row and the metric say; the model itself has room, and is asked by its name."""
    step = "{model: few, max_concurrent: 1}, other"
    async with limited(tmp_path, model="", route=step) as (running, upstream), callers(running) as some:
        some.send()
        await some.crowd(1, 0, "rules/all/1", "step")
        second = some.ask()
        await until(lambda: asked(upstream, 2), "second request at the provider")
        upstream.let(2)
        answer = await second
        assert answer.model == "other"
        row = next(row for row in await running.rows(2) if row["model"] == "other")
        assert row["outcome"] == "answered_after_fallback"
        assert row["attempts"][0] == {"model": "few", "skip": "full"}
        assert (await running.metrics())["rulegate_skips_total", "few", "full"] == 1
        await some.crowd(0, 0, "rules/all/1", "step")


async def asked(upstream: Paced, requests: int) -> bool | None:
    return len(upstream.asked) >= requests or None


async def test_where_nothing_else_is_left_requests_wait_in_turn(tmp_path: Path) -> None:
    """U-113: never more at the model than may be; first come, first served; and each is answered."""
    async with limited(tmp_path, model="max_concurrent: 2") as (running, upstream), callers(running) as some:
        for number in range(9):
            some.send()
            await some.crowd(min(number + 1, 2), max(number - 1, 0))
        shown = {each["name"]: each["concurrent"] for each in (await running.get("/api/models"))["models"]}
        assert shown["few"] == [{"at": "model", "requests": 2, "waiting": 7, "limit": 2}]
        assert shown["other"] == []
        upstream.let(9)
        answers = await asyncio.gather(*some.every)
        assert {answer.choices[0].message.content for answer in answers} == {"An answer."}
        assert upstream.most["few"] == 2
        assert upstream.asked[2:] == [str(number) for number in range(2, 9)]
        await some.crowd(0, 0)
        rows = await running.rows(9)
        assert {row["outcome"] for row in rows} == {"answered"}
        assert all(row["overhead_s"] < row["duration_s"] for row in rows), "waiting is not the gateway's own time"


async def test_whoever_finds_the_line_full_is_told_when_to_come_again(tmp_path: Path) -> None:
    """U-61 U-113: 503 to OpenAI's client and 529 to Anthropic's, both with seconds, and a row that says refused."""
    async with (
        limited(tmp_path, model="max_concurrent: 1, queue: {size: 0}") as (running, upstream),
        callers(running) as some,
        openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as first,
        anthropic.AsyncAnthropic(base_url=running.url, api_key="none", max_retries=0) as second,
    ):
        some.send()
        await some.crowd(1, 0)
        with pytest.raises(openai.InternalServerError) as by_openai:
            await first.chat.completions.create(model="auto", messages=SAID)
        with pytest.raises(anthropic.APIStatusError) as by_anthropic:
            await second.messages.create(model="auto", max_tokens=50, messages=SAID)
        body: Any = by_anthropic.value.body
        assert (by_openai.value.status_code, by_anthropic.value.status_code) == (503, 529)
        assert body["error"]["type"] == "overloaded_error"
        for error in (by_openai.value, by_anthropic.value):
            headers = error.response.headers
            assert int(headers["Retry-After"]) >= 1
            row = await running.row(headers["x-rulegate-request-id"])
            assert (row["outcome"], row["attempts"]) == ("refused", [{"model": "few", "skip": "full"}])
        metrics = await running.metrics()
        assert metrics["rulegate_shed_requests_total", "queue"] == 2
        assert len(upstream.asked) == 1
        upstream.let(1)


async def test_whoever_would_wait_beyond_its_deadline_is_turned_away(tmp_path: Path) -> None:
    """U-22 U-113: after no longer than that."""
    deadline = "defaults: {deadline: 300ms}"
    async with limited(tmp_path, defaults=deadline) as (running, _), callers(running) as some:
        stream = await some.ask(stream=True)
        with pytest.raises(openai.InternalServerError) as error:
            await some._client.chat.completions.create(model="auto", messages=SAID)
        assert error.value.status_code == 503
        assert "there was no room within 0." in error.value.message
        await some.crowd(1, 0)
        await stream.close()
        await some.crowd(0, 0)


async def test_a_stream_is_at_its_step_until_it_ends(tmp_path: Path) -> None:
    """U-113: not only until it begins; and a caller who leaves makes room as well (U-35)."""
    async with limited(tmp_path) as (running, upstream), callers(running) as some:
        first, second, third = await some.ask(stream=True), some.ask(stream=True), some.ask()
        await some.crowd(1, 2)
        upstream.let(1)
        assert [chunk.choices[0].finish_reason async for chunk in first][-1] == "stop"
        left = await second
        await some.crowd(1, 1)
        await left.close()
        await until(lambda: asked(upstream, 3), "third request at the provider")
        upstream.let(2)
        assert (await third).model == "few"
        await some.crowd(0, 0)
        assert upstream.most["few"] == 1


async def test_whoever_leaves_the_line_makes_room_in_it(tmp_path: Path) -> None:
    """U-35 U-36: its row says cancelled, no model was asked for it, and nothing is held for it."""
    async with limited(tmp_path) as (running, upstream), callers(running) as some:
        some.send()
        await some.crowd(1, 0)
        gone, last = some.ask(), some.ask()
        await some.crowd(1, 2)
        gone.cancel()
        await some.crowd(1, 1)
        upstream.let(2)
        await last
        await some.crowd(0, 0)
        assert upstream.asked == ["0", "2"]
        (row,) = [row for row in await running.rows(3) if row["outcome"] == "cancelled"]
        assert row["attempts"] == [{"model": "few", "skip": "full"}]


async def test_a_limit_that_a_reload_raises_lets_in_who_waits(tmp_path: Path) -> None:
    """U-87: also those that came under the old rules; what is there is kept, and counts."""
    async with limited(tmp_path) as (running, upstream), callers(running) as some:
        for _ in range(4):
            some.send()
        await some.crowd(1, 3)
        rules = (running.rules / "a.yaml").read_text()
        running.write("a.yaml", rules.replace("max_concurrent: 1", "max_concurrent: 3"))
        await some.crowd(3, 1)
        running.write("a.yaml", rules.replace("max_concurrent: 1", "strength: speed"))
        await until(lambda: asked(upstream, 4), "request of each")
        running.write("a.yaml", rules)
        await running.generation(3)
        await some.crowd(4, 0)
        upstream.let(4)
        await asyncio.gather(*some.every)
        await some.crowd(0, 0)


async def test_a_provider_bounds_all_of_its_models_together(tmp_path: Path) -> None:
    async with (
        limited(tmp_path, model="", provider="max_concurrent: 3", route="few, other") as (running, upstream),
        callers(running) as some,
    ):
        for _ in range(5):
            some.send()
        await some.crowd(3, 2, "p", "provider")
        upstream.let(5)
        await asyncio.gather(*some.every)
        assert upstream.most["few"] + upstream.most["other"] <= 3
        await some.crowd(0, 0, "p", "provider")


SHEDS: dict[str, tuple[str, Callable[[str], str]]] = {
    "in_flight": ("defaults: {max_in_flight: 1}", lambda text: text),
    "bodies": ("defaults: {max_bodies: 200KB, max_body: 200KB}", lambda _: "word " * 39_000),
}


@pytest.mark.parametrize("bound", SHEDS)
async def test_what_would_be_too_much_is_turned_away_and_operations_are_answered(tmp_path: Path, bound: str) -> None:
    """U-113: 503 with seconds; the request that is under way ends as ever, and then there is room again."""
    defaults, text = SHEDS[bound]
    async with limited(tmp_path, model="", defaults=defaults) as (running, upstream):
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(status_of(running, text("hello there")))
            await until(lambda: asked(upstream, 1), "request at the provider")
            for surface, status in (("chat", 503), ("messages", 529)):
                async with running.ask(surface, prompt=text("hello")) as response:
                    assert (response.status, response.headers["Retry-After"]) == (status, "1")
                row = await running.row(response.headers["x-rulegate-request-id"])
                assert (row["outcome"], row["attempts"]) == ("refused", [])
            async with running.http.get(f"{running.url}/readyz") as response:
                assert (response.status, (await response.text())[:44]) == (
                    200,
                    "ready, degraded: requests were turned away: ",
                )
            async with running.http.get(f"{running.url}/livez") as response:
                assert response.status == 200
            metrics = await running.metrics()
            assert metrics["rulegate_shed_requests_total", bound] == 2
            assert metrics["rulegate_request_body_bytes",] > 0
            upstream.let(2)
        assert first.result() == 200
        assert await status_of(running, text("hello")) == 200
        metrics = await running.metrics()
        assert metrics["rulegate_in_flight_requests",] == metrics["rulegate_request_body_bytes",] == 0


async def status_of(running: Daemon, prompt: str) -> int:
    async with running.ask("chat", prompt=prompt) as response:
        await response.read()
        return response.status
