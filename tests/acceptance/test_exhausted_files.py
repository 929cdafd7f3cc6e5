"""The daemon runs out of files that it may open: it lives, says so, and goes on by itself when there are some again."""

import asyncio
import resource
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.fakes.daemon import PATHS, body_of, until
from tests.fakes.process import serving
from tests.fakes.rule_files import to_model

FILES = 64
"""What the daemon may have open: its own, and some connections."""


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_without_a_file_left_the_daemon_lives_and_recovers(tmp_path: Path) -> None:
    """U-95 U-18: connections wait or are refused, no request is lost without a word, no model is left alone for it,
    and once connections are closed requests are answered again."""
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "rules.yaml").write_text(to_model("nano"))
    async with serving("--simulate", directory=tmp_path) as daemon:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        host, port = daemon.url.removeprefix("http://").split(":")

        async def ask(http: aiohttp.ClientSession) -> int:
            async with http.post(daemon.url + PATHS["chat"], json=body_of("chat")) as response:
                await response.read()
                return response.status

        async def answered() -> bool | None:
            try:
                async with aiohttp.ClientSession() as fresh:
                    return await ask(fresh) == 200 or None
            except aiohttp.ClientError:
                return None

        async def ran_out() -> bool | None:
            return open_files(daemon.process.pid) >= FILES - 1 or None

        async with AsyncExitStack() as stack:
            kept = [await stack.enter_async_context(aiohttp.ClientSession()) for _ in range(3)]
            assert [await ask(each) for each in kept] == [200] * 3
            for _ in range(2 * FILES):
                _, writer = await asyncio.open_connection(host, int(port))
                stack.callback(writer.close)
            await until(ran_out, "want of files")
            statuses = await asyncio.gather(*map(ask, kept))
            assert set(statuses) <= {200, 502}
            assert 502 in statuses, "two of three need a new connection to the provider"
            assert daemon.process.returncode is None
        await until(answered, "answer")
        async with aiohttp.ClientSession() as http, http.get(f"{daemon.url}/api/models") as response:
            models = (await response.json())["models"]
        assert {each["state"] for each in models} == {"ok"}
        assert await daemon.end(signal.SIGTERM) == 0
