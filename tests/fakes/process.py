"""The daemon as its users start it: a process of its own."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = ("-m", "gateway")
LONGEST_S = 30.0
LONGEST_LINE_BYTES = 2**26
_KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Give our environment without keys and settings of the gateway's."""
    ours = {name: value for name, value in os.environ.items() if name not in _KEYS and not name.startswith("RULEGATE_")}
    return {**ours, "PYTHONPATH": str(ROOT), **extra}


async def start(
    *arguments: str, directory: Path, env: Mapping[str, str], program: Sequence[str] = GATEWAY
) -> asyncio.subprocess.Process:
    """Start `rulegate serve` in a directory, on a port that the system chooses unless the arguments name one."""
    where = () if "--listen" in arguments else ("--listen", "127.0.0.1:0")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *program, "serve", *where, *arguments),
        cwd=directory,
        env=environment(env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LONGEST_LINE_BYTES,
    )


async def fails(*arguments: str, directory: Path, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Give the exit code and the words of a daemon that does not start."""
    process = await start(*arguments, directory=directory, env=env or {})
    try:
        async with asyncio.timeout(LONGEST_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode()


@dataclass
class Serving:
    """A daemon that answers in a process of its own; `said` grows as it speaks."""

    process: asyncio.subprocess.Process
    url: str = ""
    said: list[str] = field(default_factory=list)
    killed: bool = False

    @property
    def words(self) -> str:
        """Give all it has said."""
        return "".join(self.said)

    async def read(self) -> None:
        """Read what it says, to its end."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode())

    async def ready(self) -> None:
        """Wait until it says where it listens."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode())
            if found := re.search(r"listens on (http://[^\s,\"]+)", self.said[-1]):
                self.url = found[1]
                return
        raise AssertionError(f"it did not start: {self.words}")

    async def end(self, number: int) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(LONGEST_S):
            return await self.process.wait()

    def kill(self) -> None:
        """End it at once, if it still runs; a second signal could take its exit code from whoever waits for it."""
        if self.process.returncode is None and not self.killed:
            self.process.kill()
            self.killed = True


@asynccontextmanager
async def serving(
    *arguments: str, directory: Path, env: Mapping[str, str] | None = None, program: Sequence[str] = GATEWAY
) -> AsyncIterator[Serving]:
    """Run a daemon; it is killed at the end if it still runs."""
    running = Serving(await start(*arguments, directory=directory, env=env or {}, program=program))
    try:
        async with asyncio.timeout(LONGEST_S):
            await running.ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(running.read())
            try:
                yield running
            finally:
                running.kill()
    finally:
        running.kill()
        await running.process.wait()
