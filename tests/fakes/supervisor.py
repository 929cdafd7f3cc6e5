"""The socket on which systemd listens: a real one, at a path or an abstract name."""

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Supervisor:
    """What a daemon finds in its environment, and the messages that it sends."""

    name: str
    socket: socket.socket

    @property
    def variables(self) -> Mapping[str, str]:
        return {"NOTIFY_SOCKET": self.name}

    def heard(self) -> dict[str, str]:
        """Give the message that has come; raises BlockingIOError without one."""
        return dict(line.partition("=")[::2] for line in self.socket.recv(65_536).decode().splitlines())

    async def next(self) -> dict[str, str]:
        """Wait for a message."""
        async with asyncio.timeout(20):
            data = await asyncio.get_running_loop().sock_recv(self.socket, 65_536)
        return dict(line.partition("=")[::2] for line in data.decode().splitlines())

    async def until(self, word: str) -> dict[str, str]:
        """Wait for a message with a word."""
        while word not in (message := await self.next()):
            pass
        return message


@contextmanager
def supervisor(directory: Path, *, abstract: bool = False) -> Iterator[Supervisor]:
    """Listen as systemd does."""
    name = f"@rulegate-test-{os.getpid()}-{id(directory)}" if abstract else str(directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name[1:]}" if abstract else name)
        listening.setblocking(False)
        yield Supervisor(name, listening)
