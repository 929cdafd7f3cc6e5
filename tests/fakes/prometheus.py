"""A real Prometheus that scrapes a running daemon: Debian's package, on a port that the system chose."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.daemon import LONGEST_S, until

CONFIG = """\
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: rulegate
    static_configs: [{{targets: ["{target}"]}}]
"""


@dataclass(frozen=True)
class Prometheus:
    """Its address, and a client for its HTTP API."""

    url: str
    http: aiohttp.ClientSession

    async def vector(self, expression: str, at_s: float | None = None) -> dict[tuple[str, ...], float]:
        """Evaluate an expression now or at a time: label values by the order of their names, but job and instance."""
        asked = {"query": expression} | ({} if at_s is None else {"time": str(at_s)})
        async with self.http.get(f"{self.url}/api/v1/query", params=asked) as response:
            said = await response.json()
        assert said["status"] == "success", said
        return {_values(each["metric"]): float(each["value"][1]) for each in said["data"]["result"]}

    async def until_equal(self, expression: str, wanted: float) -> float:
        """Wait until an expression has one value, and that one; give the time at which it has.

        A scrape that takes too long on a busy machine hides all series until the next one, but never at that time.
        """

        async def look() -> float | None:
            at_s = (await self.vector("vector(time())"))[()]
            return at_s if list((await self.vector(expression, at_s)).values()) == [wanted] else None

        return await until(look, f"{expression} == {wanted}")

    async def types(self) -> Mapping[str, str]:
        """Give the type of every family that the target has exported."""
        async with self.http.get(f"{self.url}/api/v1/targets/metadata") as response:
            said: list[Mapping[str, Any]] = (await response.json())["data"]
        return {each["metric"]: each["type"] for each in said}


def _values(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(value for name, value in sorted(labels.items()) if name not in ("__name__", "job", "instance"))


@asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[Prometheus]:
    """Run Prometheus against a target, HOST:PORT; the test is skipped, and says so, where it is not installed."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("NOT PROVED: prometheus is not installed (Debian: prometheus); nothing here stands in for it")
    (directory / "prometheus.yaml").write_text(CONFIG.format(target=target))
    process = await asyncio.create_subprocess_exec(
        binary,
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'prometheus'}",
        "--web.listen-address=127.0.0.1:0",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as http:
            async with asyncio.timeout(LONGEST_S):
                address = await _address(process)
            reading = tasks.create_task(_read_on(process))
            yield Prometheus(f"http://{address}", http)
            reading.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Read what it says until it names the address that it was given."""
    said = ""
    assert process.stderr is not None
    async for line in process.stderr:
        said += line.decode()
        if found := re.search(r'msg="Listening on" address=(127\.0\.0\.1:\d+)', said):
            return found[1]
    raise AssertionError(f"prometheus did not start: {said}")


async def _read_on(process: asyncio.subprocess.Process) -> None:
    """Read what nobody needs, so that it never waits for a reader."""
    assert process.stderr is not None
    async for _ in process.stderr:
        pass
