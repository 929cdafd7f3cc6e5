"""An HTTP proxy as companies have them: tunnels by CONNECT, whole addresses for plain HTTP, perhaps a user."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field


@dataclass
class ForwardProxy:
    """Where it is, whom it leads where (`host:port` to a port of loopback), and what it was asked for."""

    leads: Mapping[str, int]
    user: str = ""
    refuses: bytes = b""
    port: int = 0
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        """The first lines of all requests."""
        return [head.split(b"\r\n", 1)[0].decode() for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, _ = head.split(b" ", 2)
        wanted = b"basic " + b64encode(self.user.encode()).lower()
        if self.user and wanted not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if self.refuses:
            writer.write(self.refuses)
            return
        authority = target.decode().removeprefix("http://").partition("/")[0]
        there, out = await asyncio.open_connection("127.0.0.1", self.leads[authority])
        try:
            if method == b"CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                out.write(head)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pump(reader, out))
                tasks.create_task(pump(there, writer))
        finally:
            out.close()


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()


@contextlib.asynccontextmanager
async def forwarding(leads: Mapping[str, int], user: str = "", refuses: bytes = b"") -> AsyncIterator[ForwardProxy]:
    """Run a proxy; `user` is the `name:password` that it asks for, `refuses` what it says to everything."""
    proxy = ForwardProxy(leads, user, refuses)
    running: set[asyncio.Task[None] | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        try:
            await proxy.serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in running:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in running if task), return_exceptions=True)
        await server.wait_closed()
