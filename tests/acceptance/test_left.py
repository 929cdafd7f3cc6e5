"""Callers who leave while a rule says that their answers are read to the end all the same."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.adapters.log_sqlite import LogReader
from tests.acceptance.test_keepalive import MODELS, PROVIDER, SIGN, SURFACES, served
from tests.fakes.daemon import PATHS, Daemon, body_of, daemon, until
from tests.fakes.dictated import END, FIRST, REST, Dictated, dictated
from tests.fakes.process import serving
from tests.fakes.scripted_provider import ANSWERS

BOTH = pytest.mark.parametrize("model", PROVIDER)
DRAINS = "on_disconnect: drain"


async def read_for_nobody(running: Daemon, count: int) -> None:
    """Wait until so many answers are read whose callers have left."""

    async def look() -> bool | None:
        return (await running.metrics())["rulegate_left_requests",] == count or None

    await until(look, f"{count} answers read for nobody")


async def leave(running: Daemon, provider: Dictated, surface: str, *, stream: bool) -> None:
    """Ask, and leave once the provider has the request; of a stream, once it has begun."""
    asked = len(provider.came) + 1
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(running.ask(surface, stream=stream).__aenter__())
        await provider.asked(asked)
        if stream:
            response = await asking
            await response.content.readany()
            response.close()
        else:
            asking.cancel()


def facts(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("outcome", "usage_source", "fresh_input_tokens", "output_tokens"))


@SURFACES
@BOTH
async def test_a_stream_is_read_to_its_end_and_its_cost_is_what_the_provider_reports(
    tmp_path: Path, surface: str, model: str
) -> None:
    """U-37 U-36: exact to the token; the request is cancelled all the same."""
    said = PROVIDER[model]
    async with served(tmp_path, model, DRAINS) as (running, provider):
        provider.say(said, FIRST[said])
        await leave(running, provider, surface, stream=True)
        await read_for_nobody(running, 1)
        provider.say(said, REST[said], END)
        (row,) = await running.rows(1)
        assert facts(row) == ("cancelled", "reported", 10, 3)
        assert (row["model"], row["cost_nano_usd"]) == (model, 13_000)
        assert [each["failure"] for each in row["attempts"]] == ["cancelled"]
        await read_for_nobody(running, 0)
        assert (await running.metrics())["rulegate_in_flight_requests",] == 0
        assert (await running.metrics())["rulegate_model_state", model, "ok"] == 1


@SURFACES
@BOTH
async def test_a_whole_answer_is_waited_for_too(tmp_path: Path, surface: str, model: str) -> None:
    """U-37: what the provider works at is paid, and known."""
    said = PROVIDER[model]
    async with served(tmp_path, model, DRAINS) as (running, provider):
        await leave(running, provider, surface, stream=False)
        await read_for_nobody(running, 1)
        provider.say(said, ANSWERS[said])
        (row,) = await running.rows(1)
        assert facts(row) == ("cancelled", "reported", 10, 3)
        assert [each["failure"] for each in row["attempts"]] == ["cancelled"]
        assert provider.gone == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("surface", ["chat", "messages"])
async def test_no_further_step_is_asked_for_a_caller_who_left(tmp_path: Path, surface: str, *, stream: bool) -> None:
    """U-38: the attempt under way comes to its end, which may be a failure, and that is all."""
    async with served(tmp_path, "chatty, other", DRAINS) as (running, provider):
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(running.ask(surface, stream=stream).__aenter__())
            await provider.asked(1)
            asking.cancel()
        await read_for_nobody(running, 1)
        provider.say("openai", 500)
        (row,) = await running.rows(1)
        assert (row["outcome"], row["cost_nano_usd"]) == ("cancelled", 0)
        assert [(each["failure"], each["status"]) for each in row["attempts"]] == [("cancelled", 500)]
        assert provider.came == ["openai"]


async def test_a_stream_that_breaks_while_nobody_is_there_is_estimated(tmp_path: Path) -> None:
    """U-36: as far as it came; the request is cancelled and not interrupted."""
    async with served(tmp_path, "chatty", DRAINS) as (running, provider):
        provider.say("openai", FIRST["openai"])
        await leave(running, provider, "chat", stream=True)
        await read_for_nobody(running, 1)
        provider.say("openai", END)
        (row,) = await running.rows(1)
        assert (row["outcome"], row["usage_source"], row["output_tokens"]) == ("cancelled", "estimated", 1)


async def test_a_place_among_the_callers_requests_is_held_until_the_end(tmp_path: Path) -> None:
    """U-121: whoever leaves cannot have more at work for it than its limit says, and then may ask again."""
    async with dictated() as provider:
        key = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        callers = f'callers: {{bot: {{key_sha256: "{key}", limits: {{concurrent: 1}}}}}}\n'
        rules = f"{provider.providers}{MODELS}{callers}rules: [{{name: all, route: [chatty], {DRAINS}}}]\n"
        async with daemon(tmp_path, {"a.yaml": rules}, simulate=False) as running:
            mine = {"Authorization": "Bearer test"}
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(running.ask("chat", headers=mine).__aenter__())
                await provider.asked(1)
                asking.cancel()
            await read_for_nobody(running, 1)
            async with running.ask("chat", headers=mine) as refused:
                assert refused.status == 429
            provider.say("openai", ANSWERS["openai"], ANSWERS["openai"])
            await read_for_nobody(running, 0)
            async with running.ask("chat", headers=mine) as answered:
                assert answered.status == 200


async def test_a_gateway_that_stops_waits_for_no_answer_that_nobody_waits_for(tmp_path: Path) -> None:
    """U-124 U-37: it ends at once, however long a drain may take; the row is written with an estimate."""
    async with dictated() as provider:
        (tmp_path / "rules.d").mkdir()
        rules = f"{provider.providers}{MODELS}rules: [{{name: all, route: [chatty], {DRAINS}}}]\n"
        (tmp_path / "rules.d" / "a.yaml").write_text(f"{rules}defaults: {{drain_timeout: 1h}}\n")
        async with serving(directory=tmp_path) as daemon, aiohttp.ClientSession() as http:
            running = Daemon(daemon.url, "", tmp_path / "rules.d", tmp_path / "data", None, http)  # type: ignore[arg-type] # it is in another process
            provider.say("openai", FIRST["openai"])
            await leave(running, provider, "chat", stream=True)
            await read_for_nobody(running, 1)
            assert await daemon.end(signal.SIGTERM) == 0
            await provider.left(1)
        (row,) = LogReader(tmp_path / "data" / "log").rows(10)
        assert facts(row)[:2] == ("cancelled", "estimated")


@SURFACES
async def test_a_stream_that_only_gives_signs_of_life_ends_with_an_error_at_the_drain_timeout(
    tmp_path: Path, surface: str
) -> None:
    """U-124 U-39: begun early or in the middle of its answer, it is a request in flight like any other."""
    for said, outcome in (((), "failed"), ((FIRST["openai"],), "interrupted")):
        folder = tmp_path / outcome
        (folder / "rules.d").mkdir(parents=True)
        async with dictated() as provider:
            says = "keepalive: 20ms, commit_after: 20ms"
            rules = f"{provider.providers}{MODELS}rules: [{{name: all, route: [chatty], {says}}}]\n"
            (folder / "rules.d" / "a.yaml").write_text(f"{rules}defaults: {{drain_timeout: 100ms}}\n")
            provider.say("openai", *said)
            async with serving(directory=folder) as daemon, aiohttp.ClientSession() as http:
                async with http.post(daemon.url + PATHS[surface], json=body_of(surface, stream=True)) as response:
                    data = await response.content.readany()
                    daemon.process.send_signal(signal.SIGTERM)
                    data += await response.read()
                assert await daemon.process.wait() == 0
        assert SIGN[surface] in data
        last = json.loads(data.split(b"data: ")[-1])
        assert "the gateway is stopping" in last["error"]["message"]
        assert last["error"]["rulegate"]["blame"] == "gateway"
        (row,) = LogReader(folder / "data" / "log").rows(10)
        assert row["outcome"] == outcome
