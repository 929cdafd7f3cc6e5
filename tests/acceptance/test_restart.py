"""What a daemon in a process of its own takes up again, when it is stopped or killed in the middle of something."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.simulator.faults import Fault, Faults, Script
from gateway.simulator.server import build_app as build_simulator
from gateway.simulator.server import start as start_simulator
from tests.adapters.journals import rows_of
from tests.fakes.daemon import PATHS, body_of, until
from tests.fakes.process import Serving, serving

RULES = """\
providers:
  one: {{kind: openai, base_url: "{url}/one/v1", api_key: none}}
models:
  limited: {{provider: one, model: limited-1, price: {{input: 3, output: 7}}}}
  sound: {{provider: one, model: sound-1, price: {{input: 1, output: 11}}}}
budgets:
  minute: {{limit: 5 USD, per: minute, hard: true}}
  hour: {{limit: 5 USD, per: hour, hard: true}}
  day: {{limit: 5 USD, per: day, hard: true}}
rules:
  - {{name: all, route: [limited, sound]}}
"""
ENDS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])


@asynccontextmanager
async def upstream(directory: Path) -> AsyncIterator[str]:
    """Run a provider, one of whose models asks to be left alone for ten minutes, and write rules for it."""
    faults = Faults({"limited-1": Script(Fault.RATE_LIMITED, retry_after_s=600)})
    runner, port = await start_simulator(build_simulator(faults, speed=0.0))
    try:
        (directory / "rules.d").mkdir()
        (directory / "rules.d" / "rules.yaml").write_text(RULES.format(url=f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def ask(http: aiohttp.ClientSession, daemon: Serving) -> str:
    """Ask once; give the number of attempts that the answer took."""
    async with http.post(daemon.url + PATHS["chat"], json=body_of("chat")) as response:
        assert response.status == 200, await response.text()
        await response.read()
        return response.headers["x-rulegate-attempts"]


async def get(http: aiohttp.ClientSession, daemon: Serving, path: str) -> Any:  # noqa: ANN401 - decoded JSON
    async with http.get(daemon.url + path) as response:
        return await response.json()


def cooling(models: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in models["models"] if each["name"] == "limited")


async def written(data: Path, count: int) -> None:
    async def look() -> bool | None:
        return len(rows_of(data)) >= count or None

    await until(look, f"set of {count} rows")


@ENDS
async def test_a_model_that_cools_is_left_alone_by_the_next_process_too(tmp_path: Path, number: int) -> None:
    """U-79: until the moment that its provider named, and not asked once before."""
    async with upstream(tmp_path) as url, aiohttp.ClientSession() as http:
        async with serving(directory=tmp_path) as daemon:
            assert await ask(http, daemon) == "2"
            before = cooling(await get(http, daemon, "/api/models"))
            await written(tmp_path / "data", 1)  # the same thread has written the rest by then
            await ask(http, daemon)
            await written(tmp_path / "data", 2)
            await daemon.end(number)
        async with serving(directory=tmp_path) as daemon:
            after = cooling(await get(http, daemon, "/api/models"))
            assert await ask(http, daemon) == "1"
            assert (after["state"], after["reason"]) == ("cooling", "rate_limited")
            moments = [datetime.fromisoformat(each["until"]) for each in (before, after)]
            assert abs((moments[1] - moments[0]).total_seconds()) < 1
            assert "left alone for another" in daemon.words
        async with http.get(f"{url}/requests?settle=1") as response:
            assert (await response.json())["models"]["limited-1"] == 1


@ENDS
async def test_the_windows_of_budgets_go_on_where_they_were(tmp_path: Path, number: int) -> None:
    """U-75 U-79: of a minute, an hour and a day: what came in the present window is spent, no refill."""
    async with upstream(tmp_path), aiohttp.ClientSession() as http:
        for _ in range(3):  # a minute may end between two looks, but not each time
            async with serving(directory=tmp_path) as daemon:
                so_far = len(rows_of(tmp_path / "data"))
                await asyncio.gather(*(ask(http, daemon) for _ in range(5)))
                await written(tmp_path / "data", so_far + 5)
                await daemon.end(number)
            async with serving(directory=tmp_path) as daemon:
                budgets = (await get(http, daemon, "/api/budgets"))["budgets"]
            spent = {each["name"]: each["spent_nano_usd"] for each in budgets}
            assert spent == {each["name"]: expected(tmp_path / "data", each["window"]) for each in budgets}
            assert spent["day"] >= spent["hour"] >= spent["minute"]
            if spent["minute"]:
                return
        raise AssertionError("each minute ended before the daemon was there again")


def expected(data: Path, window: dict[str, str]) -> int:
    """Give what the rows of a window cost."""
    start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
    rows = [row for row in rows_of(data) if start <= datetime.fromisoformat(str(row["at"])) < end]
    return sum(int(str(row["cost_nano_usd"])) for row in rows)
