"""Thousands of callers that do not move on hold up nobody, and are gone in the end.

The gateway is a process of its own. The limits on slow callers are long while they hang, so that none of them ends by
chance, and a reload makes them short.
"""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import anthropic
import openai
import pytest
from aiohttp import web

from tests.fakes.daemon import samples, until
from tests.fakes.process import Serving, serving
from tests.fakes.scripted_provider import OPENAI_ANSWER

pytestmark = pytest.mark.timeout(150)
EACH, READERS = 1_500, 30
"""Connections with slow heads, and as many with slow bodies; and those whose answers nobody reads."""
DESCRIPTORS = 2 * EACH + 4 * READERS + 500
PIECE = {"id": "c", "model": "up", "choices": [{"index": 0, "delta": {"content": "word " * 3_000}}]}
EVENT = b"data: %s\n\n" % json.dumps(PIECE).encode()
ENDLESS = "tell me all you know"
RULES = """
providers: {{p: {{kind: openai, base_url: "{url}", api_key: none}}}}
models: {{m: {{provider: p, model: up, price: free}}}}
rules: [{{name: all, route: [m]}}]
defaults: {{caller_timeout: {{read_header: {limit}, read_body: {limit}, write: {limit}}}}}
"""


@dataclass
class Upstream:
    """Answers at once, or with a stream that does not end; `left` counts those whose reader has gone."""

    url: str = ""
    left: int = 0

    async def answer(self, http: web.Request) -> web.StreamResponse:
        body = await http.json()
        if body["messages"][-1]["content"] != ENDLESS:
            return web.json_response(OPENAI_ANSWER)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(http)
            while True:
                await response.write(EVENT)
        except (asyncio.CancelledError, ConnectionError):
            self.left += 1
            raise


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    provider = Upstream()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield provider
    finally:
        await runner.cleanup()


@contextmanager
def many_descriptors() -> Iterator[None]:
    """Have as many as the test needs, in this process and in what it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"SLOW CALLERS NOT TESTED: they take {DESCRIPTORS} descriptors, and {hard} may be had")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def head(path: str, length: int) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (path.encode(), length)


def whole(body: object) -> bytes:
    data = json.dumps(body).encode()
    return head("/v1/chat/completions", len(data)) + data


def slow_ones(stack: AsyncExitStack, number: int) -> list[socket.socket]:
    """Give sockets with little room for an answer."""
    found = []
    for _ in range(number):
        each = stack.enter_context(socket.socket())
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        found.append(each)
    return found


async def connected(sockets: Sequence[socket.socket], said: bytes, address: tuple[str, int]) -> None:
    loop = asyncio.get_running_loop()
    for each in sockets:
        await loop.sock_connect(each, address)
        await loop.sock_sendall(each, said)


async def end_of(each: socket.socket) -> bytes:
    """Read to the end of a connection, whichever way it comes; give what was said."""
    said = b""
    try:
        while data := await asyncio.get_running_loop().sock_recv(each, 65_536):
            said += data
    except ConnectionError:
        pass  # what was not read is what it was cut for
    return said


def sockets_of(process: Serving) -> int:
    """Count the sockets of a process."""
    descriptors = Path(f"/proc/{process.process.pid}/fd").iterdir()
    return sum(each.is_socket() for each in descriptors)


async def normal_requests(url: str, number: int) -> None:
    """Ask by both clients, streamed and not; each is answered."""
    said: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Why is the sky blue?"}]
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as chat,
        anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as messages,
    ):
        for _ in range(number):
            first, second = await asyncio.gather(
                chat.chat.completions.create(model="auto", messages=said),
                messages.messages.create(
                    model="auto", max_tokens=50, messages=[{"role": "user", "content": "Why is the sky blue?"}]
                ),
            )
            assert first.choices[0].message.content == "An answer."
            assert second.content[0].type == "text"


async def test_thousands_of_slow_connections_hold_up_nobody_and_are_closed_in_the_end(tmp_path: Path) -> None:
    """U-113 U-35 U-36: slow heads are closed, slow bodies told by 408, slow readers cut and their streams paid.

    Meanwhile every normal request is answered, and in the end the gateway has the sockets that it had before.
    """
    rules = tmp_path / "rules.d"
    rules.mkdir()
    async with AsyncExitStack() as stack:
        stack.enter_context(many_descriptors())
        provider = await stack.enter_async_context(upstream())
        (rules / "a.yaml").write_text(RULES.format(url=provider.url, limit="1h"))
        gateway = await stack.enter_async_context(serving(directory=tmp_path))
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)))

        async def gauge(*name: str) -> float:
            async with http.get(f"{gateway.url}/metrics") as response:
                return samples(await response.text())[name]

        await normal_requests(gateway.url, 3)
        before = sockets_of(gateway)
        at = urlsplit(gateway.url)
        stream = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": ENDLESS}]}
        kinds = {
            "read_header": (head("/v1/chat/completions", 10)[:30], EACH),
            "read_body": (head("/v1/messages", 1_000) + b"{", EACH),
            "write": (whole(stream), READERS),
        }
        slow: dict[str, list[socket.socket]] = {}
        for kind, (said, number) in kinds.items():
            slow[kind] = slow_ones(stack, number)
            await connected(slow[kind], said, (at.hostname or "", at.port or 0))
        every = 2 * EACH + READERS
        await until(lambda: true_once(lambda: gauge("rulegate_connections"), lambda there: there >= every), "crowd")
        await normal_requests(gateway.url, 20)
        assert await gauge("rulegate_connections") >= every
        assert await gauge("rulegate_in_flight_requests") == EACH + READERS

        (rules / "a.yaml").write_text(RULES.format(url=provider.url, limit="1s"))
        said_at_the_end = {
            kind: await asyncio.gather(*map(end_of, slow[kind])) for kind in ("read_header", "read_body")
        }
        assert set(said_at_the_end["read_header"]) == {b""}
        assert all(said.startswith(b"HTTP/1.1 408 ") for said in said_at_the_end["read_body"])
        assert all(b'"type":"timeout_error"' in said for said in said_at_the_end["read_body"])
        await until(lambda: true_once(lambda: gauge("rulegate_in_flight_requests"), lambda left: left == 0), "end")
        for kind, (_, number) in kinds.items():
            assert await gauge("rulegate_connections_cut_total", kind) == number
        await until(lambda: all_left(provider), "end of each stream at the provider")
        assert await gauge("rulegate_requests_total", "cancelled", "all", "chat") == READERS
        assert await gauge("rulegate_tokens_total", "m", "output") > 0
        await normal_requests(gateway.url, 3)
        await until(lambda: fewer(gateway, before), f"return to {before} sockets")


async def true_once(look: Callable[[], Awaitable[float]], holds: Callable[[float], bool]) -> bool | None:
    return holds(await look()) or None


async def all_left(provider: Upstream) -> bool | None:
    return provider.left == READERS or None


async def fewer(gateway: Serving, before: int) -> bool | None:
    return sockets_of(gateway) <= before + 2 or None
