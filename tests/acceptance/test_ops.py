"""Operations on an address of their own."""

import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from gateway.app import running
from gateway.config.settings import Address, Settings
from tests.fakes.daemon import PATHS, body_of
from tests.fakes.process import fails, serving

LOOPBACK = Address("127.0.0.1", 0)
OPERATIONS = ("/livez", "/readyz", "/metrics", "/api/status", "/api/config", "/api/models", "/api/log")


@pytest.mark.parametrize("ops", [None, LOOPBACK], ids=["one address", "two addresses"])
async def test_operations_are_at_one_place_and_callers_at_the_other(tmp_path: Path, ops: Address | None) -> None:
    """U-106: what is not at an address is a 404 that lists what is; without --ops both are the same."""
    settings = Settings(None, tmp_path, LOOPBACK, simulate=True, simulate_speed=0.0, ops=ops)
    async with running(settings) as daemon, aiohttp.ClientSession() as http:
        assert (daemon.address == daemon.ops) is (ops is None)

        async def status(method: str, url: str) -> int:
            body = body_of("execute") if method == "POST" else None
            async with http.request(method, url, json=body) as response:
                return response.status

        for path in OPERATIONS:
            assert await status("GET", daemon.ops + path) == 200, path
            assert await status("GET", daemon.address + path) == (200 if ops is None else 404), path
        for method, path in (("POST", PATHS["execute"]), ("POST", "/v1/route"), ("GET", "/v1/models")):
            assert await status(method, daemon.address + path) == 200, path
            assert await status(method, daemon.ops + path) == (200 if ops is None else 404), path
        assert await status("POST", f"{daemon.ops}/api/reload") == 200
        if ops is not None:
            async with http.get(f"{daemon.address}/metrics") as main, http.get(f"{daemon.ops}/v1/models") as other:
                told = [(await each.json())["error"]["message"] for each in (main, other)]
            assert "POST /v1/chat/completions" in told[0]
            assert "/api/" not in told[0].partition("there is POST")[2]
            assert "GET /readyz" in told[1]
            assert "/v1/execute" not in told[1]


async def test_a_scraper_elsewhere_needs_no_leave_and_callers_elsewhere_do(tmp_path: Path) -> None:
    """U-106 U-109: the pages without a key may be bound beyond this machine; the surfaces may not."""
    async with serving("--simulate", "--ops", "0.0.0.0:0", directory=tmp_path) as daemon:
        assert await daemon.end(signal.SIGTERM) == 0
        assert "  ops     http://0.0.0.0:" in daemon.words
    code, said = await fails("--simulate", "--listen", "0.0.0.0:0", "--ops", "127.0.0.1:0", directory=tmp_path)
    assert (code, "--allow-anonymous" in said) == (1, True)


async def test_an_address_for_operations_that_is_taken_is_named_by_its_option(tmp_path: Path) -> None:
    """U-126."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = await fails("--simulate", "--ops", f"127.0.0.1:{port}", directory=tmp_path)
    assert (code, "Traceback" in said) == (1, False)
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in said
    assert f"--ops 127.0.0.1:{port + 1}" in said
