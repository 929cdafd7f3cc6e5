"""What all client libraries have in common, with libraries that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from gateway.adapters.aside import Aside
from gateway.adapters.sdk import ACCOUNTS_KEPT, SdkTransport
from gateway.adapters.transport import HttpTransport
from gateway.domain.rule import Timeouts
from gateway.domain.upstream import Call, Credentials, Library, Reply, UpstreamError
from gateway.domain.words import Dialect, Failure
from tests.adapters.upstream import Upstream, answering, chunked, serving, whole

Post = Callable[[httpx2.AsyncClient, Call], Awaitable[None]]


class Account:
    """A library that does what a test says."""

    faults = (ValueError,)

    def __init__(self, wire: httpx2.AsyncClient, does: Post) -> None:
        self._wire, self._does = wire, does

    async def post(self, call: Call) -> None:
        await self._does(self._wire, call)

    def reply(self, reply: Reply) -> Reply:
        return reply


@asynccontextmanager
async def doing(does: Post) -> AsyncIterator[SdkTransport]:
    http = HttpTransport()

    def opens(_: Library) -> Callable[..., Account]:
        def opened(_: Library, wire: httpx2.AsyncClient, __: Aside) -> Account:
            return Account(wire, does)

        return opened

    transport = SdkTransport(http, opens)
    try:
        yield transport
    finally:
        await transport.close()
        await http.close()


def call(url: str) -> Call:
    return Call("acme", url, {}, b"{}", Timeouts())


async def test_a_library_that_fails_over_a_reply_leaves_no_connection_behind() -> None:
    """U-35: what nobody will read is hung up on."""

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(chunked(b"data: 1\n\n", end=False))
        await writer.drain()
        if await reader.read() == b"":
            upstream.hung_up.set()

    async def fails(wire: httpx2.AsyncClient, asked: Call) -> None:
        await wire.post(asked.url, content=asked.body)
        raise ValueError("canary")

    async with serving(script) as upstream, doing(fails) as transport:
        with pytest.raises(UpstreamError) as caught:
            await transport.send(call(upstream.url), Library(Dialect.OPENAI))
        assert str(caught.value) == "the client library of acme cannot send this request"
        await asyncio.wait_for(upstream.hung_up.wait(), 20)


async def test_a_library_that_sends_nothing_is_a_failure() -> None:
    async def nothing(_: httpx2.AsyncClient, __: Call) -> None:
        return

    async with doing(nothing) as transport:
        with pytest.raises(UpstreamError) as caught:
            await transport.send(call("http://127.0.0.1:1/"), Library(Dialect.OPENAI))
    assert caught.value.failure is Failure.BAD_REQUEST


async def test_a_library_learns_nothing_of_a_reply() -> None:
    """U-21: an error, a redirect or a cookie is nothing it could act on."""
    seen: list[httpx2.Response] = []

    async def looks(wire: httpx2.AsyncClient, asked: Call) -> None:
        seen.append(await wire.post(asked.url, content=asked.body))

    reply = whole(b"no", b"Set-Cookie: a=b", b"Location: /x", status=b"307 Elsewhere")
    async with serving(answering(reply)) as upstream, doing(looks) as transport:
        got = await transport.send(call(upstream.url), Library(Dialect.OPENAI))
        assert (got.status, await got.read()) == (307, b"no")
        got.close()
    assert [(each.status_code, each.content, list(each.headers)) for each in seen] == [(200, b"", [])]


async def test_accounts_that_are_not_used_any_more_are_forgotten() -> None:
    """A key that changes makes another account; those of a year of changes are not kept."""

    async def once(wire: httpx2.AsyncClient, asked: Call) -> None:
        await wire.post(asked.url, content=asked.body)

    async with serving(answering(*[whole(b"")] * 200)) as upstream, doing(once) as transport:
        for number in range(ACCOUNTS_KEPT + 5):
            library = Library(Dialect.OPENAI, credentials=Credentials(str(number)))
            (await transport.send(call(upstream.url), library)).close()
        assert len(transport._accounts) == ACCOUNTS_KEPT
