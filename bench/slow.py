"""The driver and the upstream in Python, for machines without a C compiler: same arguments and output as `src/`.

They take more CPU than what they measure, so that requests per second and latencies say little; CPU per request of
the gateway and of the floor is read from their own processes and stands.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import quantiles
from typing import cast

import uvloop


class Upstream(asyncio.Protocol):
    """Answers every request on one connection with a canned response."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self._answers = answers
        self._have = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole."""
        self._have += data
        head, blank, body = self._have.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        self._have = b""
        surface = "messages" if b"/messages " in head.partition(b"\r\n")[0] else "chat"
        streams = b'"stream":true' in body or b'"stream": true' in body
        self._transport.write(self._answers[f"{surface}.stream" if streams else surface])


def _length(head: bytes) -> int:
    _, said, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if said else 0


async def upstream(answers: dict[str, bytes]) -> None:
    """Serve until killed; print the port."""
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(answers), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Driver:
    """A closed loop over one connection at a time, many of them side by side."""

    def __init__(self, port: int, request: bytes, warmup_s: float, seconds: float) -> None:
        self._port = port
        self._request = request
        self._measure_from = time.perf_counter() + warmup_s
        self._end = self._measure_from + seconds
        self._seconds = seconds
        self._first: list[float] = []
        self._whole: list[float] = []
        self._all = self._bad = self._asked = 0

    async def connection(self) -> None:
        """Ask again and again until the time is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (sent := time.perf_counter()) < self._end:
            self._asked += 1
            writer.write(self._request.replace(b"########", b"%08d" % self._asked))
            status, first = await _answer(reader)
            whole = time.perf_counter()
            self._all += 1
            self._bad += status != b"200"
            if sent >= self._measure_from:
                self._first.append((first - sent) * 1e6)
                self._whole.append((whole - sent) * 1e6)
        writer.close()

    def result(self) -> dict[str, float]:
        """Give what the C driver prints."""
        return {
            "all": self._all,
            "bad": self._bad,
            "requests_per_s": len(self._whole) / self._seconds,
            "first_p50_us": _percentile(self._first, 50),
            "first_p99_us": _percentile(self._first, 99),
            "whole_p50_us": _percentile(self._whole, 50),
            "whole_p99_us": _percentile(self._whole, 99),
        }


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, float]:
    """Read one answer; give its status and when the first byte of its body had come."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" not in head.lower():
        body = await reader.readexactly(_length(head))
        return head[9:12], time.perf_counter() if body else 0.0
    first = 0.0
    while size := int(await reader.readuntil(b"\r\n"), 16):
        first = first or time.perf_counter()
        await reader.readexactly(size + 2)
    await reader.readuntil(b"\r\n")
    return head[9:12], first


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


async def drive(arguments: list[str], body: bytes) -> None:
    """Do what `src/drive.c` does."""
    port, path, _, connections, warmup_s, seconds = arguments
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: OpenAI/Python 3.0\r\nAccept: application/json"
        "\r\nAccept-Encoding: identity\r\nAuthorization: Bearer sk-of-a-caller\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    driver = Driver(int(port), head.encode() + body, float(warmup_s), float(seconds))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(int(connections)):
            tasks.create_task(driver.connection())
    print(json.dumps(driver.result()))


if __name__ == "__main__":
    if sys.argv[1] == "upstream":
        uvloop.run(upstream({path.name: path.read_bytes() for path in Path(sys.argv[2]).iterdir()}))
    else:
        uvloop.run(drive(sys.argv[2:], Path(sys.argv[4]).read_bytes()))
