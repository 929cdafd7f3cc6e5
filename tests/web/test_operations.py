"""What probes are told, from the start to the stop, and operators who ask for the log."""

import shutil
from pathlib import Path

import aiohttp
import pytest

from gateway.app import running
from gateway.config.settings import Address, Settings
from gateway.runtime.drain import Drain, Phase
from tests.fakes.daemon import body_of, until


async def test_readiness_follows_the_life_of_the_daemon_and_asks_no_provider(tmp_path: Path) -> None:
    """U-123 U-124: 503 while it starts and while it drains, and the words say which; liveness says ok throughout."""
    drain = Drain()
    settings = Settings(None, tmp_path, Address("127.0.0.1", 0), simulate=True, simulate_speed=0.0)
    async with running(settings, drain) as daemon, aiohttp.ClientSession() as http:

        async def page(path: str) -> tuple[int, str]:
            async with http.get(daemon.address + path) as response:
                return response.status, await response.text()

        assert await page("/readyz") == (200, "ready\n")
        drain.phase = Phase.STARTING
        assert (await page("/readyz"), await page("/livez")) == ((503, "starting\n"), (200, "ok\n"))
        drain.stop()
        assert (await page("/readyz"), await page("/livez")) == ((503, "draining\n"), (200, "ok\n"))
        async with http.get(f"{daemon.simulator}/requests") as response:
            assert (await response.json())["total"] == 0


async def test_readiness_says_that_rows_are_not_written(tmp_path: Path) -> None:
    """U-123: requests are answered all the same, so that the daemon stays ready."""
    settings = Settings(None, tmp_path, Address("127.0.0.1", 0), simulate=True, simulate_speed=0.0)
    log = tmp_path / "simulated" / "log"
    async with running(settings) as daemon, aiohttp.ClientSession() as http:
        shutil.rmtree(log, ignore_errors=True)
        log.write_text("in the way of the directory")

        async def told() -> tuple[int, str] | None:
            async with http.post(f"{daemon.address}/v1/execute", json=body_of("execute")) as answer:
                assert answer.status == 200
            async with http.get(f"{daemon.address}/readyz") as response:
                text = await response.text()
                return (response.status, text) if "degraded" in text else None

        assert await until(told, "word of the log") == (200, "ready, degraded: the log or the ledger is not written\n")


async def test_what_asks_no_model_is_turned_away_too_in_the_shape_of_the_client(tmp_path: Path) -> None:
    """U-124: whoever lists models or asks for a route goes elsewhere with the next request as well."""
    drain = Drain()
    settings = Settings(None, tmp_path, Address("127.0.0.1", 0), simulate=True, simulate_speed=0.0)
    async with running(settings, drain) as daemon, aiohttp.ClientSession() as http:
        url = daemon.address
        async with http.get(f"{url}/v1/models") as response:
            assert response.status == 200
        drain.stop()
        async with http.post(f"{url}/v1/route", json=body_of("execute")) as one:
            error = (await one.json())["error"]
        async with http.get(f"{url}/v1/models", headers={"anthropic-version": "2023-06-01"}) as other:
            body = await other.json()
        async with http.post(f"{url}/v1/messages/count_tokens", json=body_of("chat")) as count:
            assert (await count.json())["type"] == "error"
        for each in (one, other, count):
            assert (each.status, each.headers["Connection"], each.headers["Retry-After"]) == (503, "close", "2")
        assert (error["type"], body["type"]) == ("server_error", "error")


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("limit=none", "limit is a number from 1 to 1000"),
        ("limit=1001", "limit is a number from 1 to 1000"),
        ("rule=code&limit=5", "there is no parameter 'rule'; there is limit, before"),
    ],
)
async def test_a_question_about_the_log_that_cannot_be_answered_is_told(
    tmp_path: Path, question: str, told: str
) -> None:
    """A filter that there is not must not look as if it had been used."""
    settings = Settings(None, tmp_path, Address("127.0.0.1", 0), simulate=True, simulate_speed=0.0)
    async with (
        running(settings) as daemon,
        aiohttp.ClientSession() as http,
        http.get(f"{daemon.address}/api/log?{question}") as response,
    ):
        assert (response.status, (await response.json())["error"]["message"]) == (400, told)
