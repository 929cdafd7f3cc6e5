"""A real Alertmanager that alerts are handed over to: Debian's package, on a port that the system chose."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.daemon import LONGEST_S, until

CONFIG = """\
route: {{receiver: hook, group_by: [budget], group_wait: 200ms, group_interval: 200ms, repeat_interval: 1h}}
receivers:
  - name: hook
    webhook_configs: [{{url: "{hook}", send_resolved: true}}]
"""
BINARIES = ("prometheus-alertmanager", "alertmanager")


@dataclass(frozen=True)
class Alertmanager:
    """Its address, and a client for its API."""

    url: str
    http: aiohttp.ClientSession

    async def until_alerts(self, wanted: Callable[[list[dict[str, Any]]], bool], what: str) -> list[dict[str, Any]]:
        """Give the alerts that are active, once they are as wanted."""

        async def look() -> list[dict[str, Any]] | None:
            async with self.http.get(f"{self.url}/api/v2/alerts") as response:
                found: list[dict[str, Any]] = await response.json()
            return found if wanted(found) else None

        return await until(look, what)


@asynccontextmanager
async def alertmanager(directory: Path, hook: str) -> AsyncIterator[Alertmanager]:
    """Run Alertmanager, which notifies a webhook; the test is skipped, and says so, where it is not installed."""
    binary = next((path for name in BINARIES if (path := shutil.which(name))), None)
    if binary is None:
        pytest.skip("NOT PROVED: no Alertmanager is installed (Debian: prometheus-alertmanager)")
    (directory / "alertmanager.yaml").write_text(CONFIG.format(hook=hook))
    process = await asyncio.create_subprocess_exec(
        binary,
        f"--config.file={directory / 'alertmanager.yaml'}",
        f"--storage.path={directory / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as http:
            async with asyncio.timeout(LONGEST_S):
                address = await _address(process)
            reading = tasks.create_task(_read_on(process))
            yield Alertmanager(f"http://{address}", http)
            reading.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    said = ""
    assert process.stderr is not None
    async for line in process.stderr:
        said += line.decode()
        if found := re.search(r'msg="Listening on" address=(127\.0\.0\.1:\d+)', said):
            return found[1]
    raise AssertionError(f"Alertmanager did not start: {said}")


async def _read_on(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    async for _ in process.stderr:
        pass
