"""Who can connect at all: other machines only where callers have keys, and never another site's page in a browser."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.daemon import PATHS, Daemon, body_of, daemon, until
from tests.fakes.process import Serving, fails, serving
from tests.fakes.rule_files import to_model

EVERYWHERE = ("--simulate", "--listen", "0.0.0.0:0")
SAID: Any = [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "rules.yaml").write_text(to_model("nano"))
    return tmp_path / "rules.d"


def here(running: Serving) -> str:
    """Give the loopback address of a daemon that listens everywhere."""
    return running.url.replace("0.0.0.0", "127.0.0.1")


async def status_of(http: aiohttp.ClientSession, running: Serving) -> Any:  # noqa: ANN401 - decoded JSON
    async with http.get(f"{here(running)}/api/status") as response:
        return await response.json()


@pytest.mark.usefixtures("rules")
async def test_without_callers_no_other_machine_may_connect(tmp_path: Path) -> None:
    """U-109 U-126: the refusal names the three ways on; each of them is one."""
    code, said = await fails(*EVERYWHERE, directory=tmp_path)
    assert (code, "Traceback" in said) == (1, False)
    assert "0.0.0.0 can be reached from other machines, and no callers are configured" in said
    assert "rulegate keys add NAME" in said
    assert "127.0.0.1" in said
    anonymous = serving(*EVERYWHERE, "--allow-anonymous", directory=tmp_path)
    async with anonymous as running, aiohttp.ClientSession() as http:
        async with http.post(f"{here(running)}/v1/execute", json=body_of("execute")) as response:
            assert response.status == 200
        assert await running.end(signal.SIGTERM) == 0
    # Files that ran before get no pardon for that: a start that is not safe does not start.
    code, _ = await fails(*EVERYWHERE, "--use-last-good", directory=tmp_path)
    assert code == 1


async def test_with_callers_other_machines_may_connect_and_the_last_one_cannot_be_removed(
    tmp_path: Path, rules: Path
) -> None:
    """U-86 U-109: a reload that would leave the door open is rejected, and says why; the callers that were go on."""
    (rules / "callers.yaml").write_text(callers(bot=""))
    async with serving(*EVERYWHERE, directory=tmp_path) as running, aiohttp.ClientSession() as http:
        url = f"{here(running)}/v1/execute"
        for headers, status in (({}, 401), (bearer("bot"), 200)):
            async with http.post(url, json=body_of("execute"), headers=headers) as response:
                assert response.status == status
        (rules / "callers.yaml").unlink()

        async def rejected() -> Any:  # noqa: ANN401 - decoded JSON
            return (await status_of(http, running))["rejected"]

        (problem,) = (await until(rejected, "rejection"))["problems"]
        assert problem["message"] == "0.0.0.0 can be reached from other machines, and no callers are configured"
        assert "--allow-anonymous" in problem["hint"]
        for headers, status in (({}, 401), (bearer("bot"), 200)):
            async with http.post(url, json=body_of("execute"), headers=headers) as response:
                assert response.status == status
        (rules / "callers.yaml").write_text(callers(other=""))

        async def taken_up() -> bool | None:
            return (await status_of(http, running))["generation"] == 2 or None

        await until(taken_up, "generation 2")
        async with http.post(url, json=body_of("execute"), headers=bearer("other")) as response:
            assert response.status == 200


async def test_where_anybody_may_connect_the_last_caller_can_be_removed(tmp_path: Path, rules: Path) -> None:
    """U-109: on loopback, as with --allow-anonymous, the door may be opened again while the daemon runs."""
    (rules / "callers.yaml").write_text(callers(bot=""))
    async with serving("--simulate", directory=tmp_path) as running, aiohttp.ClientSession() as http:
        url = f"{running.url}/v1/execute"
        async with http.post(url, json=body_of("execute")) as response:
            assert response.status == 401
        (rules / "callers.yaml").unlink()
        os.kill(running.process.pid, signal.SIGHUP)

        async def taken_up() -> bool | None:
            return (await status_of(http, running))["generation"] == 2 or None

        await until(taken_up, "generation 2")
        async with http.post(url, json=body_of("execute"), headers=bearer("anybody")) as response:
            assert response.status == 200


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"rules.yaml": to_model("nano")}) as running:
        yield running


FOREIGN = {
    "another site": {"Origin": "https://evil.example"},
    "a page from a file": {"Origin": "null"},
    "a name that was made to lead here": {"Origin": "http://evil.example", "Host": "evil.example"},
    "that name without an origin": {"Host": "evil.example:8080"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_page_of_another_site_gets_nothing_from_loopback(local: Daemon, headers: dict[str, str]) -> None:
    """U-105 U-110: no answer of a model, no list, no operation; it is a 403 in the dialect, and a row."""
    for surface, path in PATHS.items():
        async with local.http.post(local.url + path, json=body_of(surface), headers=headers) as response:
            error = (await response.json())["error"]
        assert (response.status, error["type"], error["rulegate"]["blame"]) == (403, "permission_error", "gateway")
        assert "evil" not in str(error)
        assert (await local.row(response.headers["x-rulegate-request-id"]))["outcome"] == "refused"
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/route"), ("POST", "/api/reload"), ("GET", "/api/log")):
        async with local.http.request(method, local.url + path, json=body_of("chat"), headers=headers) as response:
            assert response.status == 403
    assert (await local.upstream())["total"] == 0
    assert (await local.metrics())["rulegate_requests_total", "refused", "other", "chat"] == 1


async def test_whoever_asks_for_itself_is_no_page_of_another_site(local: Daemon) -> None:
    """U-110: curl and the SDKs send no origin, and a page of the gateway's own names the gateway."""
    own = local.url.removeprefix("http://")
    for headers in ({}, {"Origin": local.url}, {"Host": own.replace("127.0.0.1", "localhost")}):
        async with local.ask("chat", headers=headers) as response:
            assert response.status == 200
    async with openai.AsyncOpenAI(base_url=f"{local.url}/v1", api_key="any", max_retries=0) as client:
        assert (await client.chat.completions.create(model="auto", messages=SAID)).model == "gpt-5-nano"


async def test_with_a_key_the_page_does_not_matter(tmp_path: Path) -> None:
    """U-110: a key is what no other site has; operations on loopback, which need none, stay closed to pages."""
    files = {"rules.yaml": to_model("nano"), "callers.yaml": callers(bot="", op="operator: true")}
    origin = {"Origin": "https://app.example", "Host": "gateway.example"}
    async with daemon(tmp_path, files) as running:
        async with running.ask("chat", headers={**origin, "x-api-key": key_of("bot")}) as response:
            assert response.status == 200
        for headers, status in ((origin, 403), ({**origin, **bearer("bot")}, 403), ({**origin, **bearer("op")}, 200)):
            async with running.http.get(f"{running.url}/api/status", headers=headers) as response:
                assert response.status == status


async def test_too_many_headers_and_lines_too_long_are_a_clean_4xx(local: Daemon) -> None:
    """U-113: whatever is sent to the door, the daemon goes on."""
    port = int(local.url.rsplit(":", 1)[1])
    for head in (b"x-big: " + b"a" * 100_000, b"GET", b"\x00\xff", b"Authorization: Bearer \xff\xfe"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/execute HTTP/1.1\r\nHost: 127.0.0.1\r\n" + head + b"\r\nContent-Length: 2\r\n\r\n{}")
        line = await reader.readline()
        assert line.split()[1].startswith(b"4"), line
        writer.close()
    async with local.ask("chat") as response:
        assert response.status == 200
