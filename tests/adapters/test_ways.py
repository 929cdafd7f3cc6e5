"""What a call becomes on the wire, and what of a reply comes back: the same on all ways to a provider."""

import asyncio
import contextlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.rule import Timeouts
from gateway.domain.upstream import Call, Library
from gateway.domain.words import Dialect
from tests.adapters.over import Over
from tests.adapters.upstream import Upstream, answering, chunked, serving, whole

SECRET = "sk-canary-7f3a"
ODD = b'{ "model":"m" ,"x":1e3, "y": 1.0,"z":"\\u00e9\\ud800","big":123456789012345678901234567890,\n"x":2}\n'
LEAKING = {
    "ANTHROPIC_API_KEY": "leak-1",
    "ANTHROPIC_AUTH_TOKEN": "leak-2",
    "ANTHROPIC_BASE_URL": "http://leak.invalid",
    "ANTHROPIC_CUSTOM_HEADERS": "x-leak: 1\nAuthorization: Bearer leak",
    "ANTHROPIC_LOG": "debug",
    "ANTHROPIC_PROFILE": "leak",
    "OPENAI_API_KEY": "leak-3",
    "OPENAI_ADMIN_KEY": "leak-4",
    "OPENAI_BASE_URL": "http://leak.invalid",
    "OPENAI_CUSTOM_HEADERS": "x-leak: 1\nAuthorization: Bearer leak",
    "OPENAI_LOG": "debug",
    "OPENAI_ORG_ID": "leak-5",
    "OPENAI_PROJECT_ID": "leak-6",
    "HTTP_PROXY": "http://leak.invalid:1",
    "ALL_PROXY": "http://leak.invalid:1",
}


def call(url: str, body: bytes = ODD) -> Call:
    return Call("acme", url, {"Authorization": f"Bearer {SECRET}"}, body, Timeouts())


@pytest.mark.parametrize(
    "body", [ODD, b"", b"not json \xff\x00", b"x" * 8_000_000], ids=["odd", "none", "bytes", "8MB"]
)
async def test_a_body_goes_out_and_comes_back_byte_for_byte(transport: Over, body: bytes) -> None:
    """U-42: no way of sending reads it."""
    async with serving(answering(whole(body))) as upstream:
        reply = await transport.send(call(upstream.url, body))
        assert await reply.read() == body
        reply.close()
    assert upstream.bodies == [body]


@pytest.mark.parametrize("status", [200, 201, 204, 302, 307, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429])
async def test_a_status_is_an_answer_to_one_request(transport: Over, status: int) -> None:
    """U-21: one call is one HTTP request on the wire, whatever it is answered and whatever the answer asks for."""
    await answered_once(transport, status)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 599])
async def test_an_error_of_a_server_is_an_answer_to_one_request(transport: Over, status: int) -> None:
    """U-21."""
    await answered_once(transport, status)


async def answered_once(transport: Over, status: int) -> None:
    asks = (
        b"Retry-After: 0",
        b"retry-after-ms: 1",
        b"x-should-retry: true",
        b"Location: /elsewhere",
        b"x-request-id: 7",
    )
    body = b"" if status == 204 else b'{"error": {"type": "oops"}}'
    reply = whole(body, *asks, status=b"%d Whatever" % status)
    async with serving(answering(reply, whole(b"a second request"))) as upstream:
        got = await transport.send(call(upstream.url))
        assert (got.status, await got.read()) == (status, body)
        assert got.headers["retry-after"] == "0"
        assert got.headers["x-request-id"] == "7"
        got.close()
    assert len(upstream.heads) == 1


async def test_the_environment_adds_nothing(transport: Over, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-59: keys, addresses, organisations, headers and proxies that the libraries look for there."""
    for name, value in LEAKING.items():
        monkeypatch.setenv(name, value)
    await transport.close()
    transport = Over(transport.library)
    async with serving(answering(whole(b"{}"))) as upstream:
        reply = await transport.send(call(upstream.url))
        await reply.read()
        reply.close()
    await transport.close()
    assert "leak" not in upstream.heads[0].decode().lower()
    assert upstream.heads[0].decode().count(SECRET) == 1


async def test_without_a_credential_none_is_sent(transport: Over) -> None:
    async with serving(answering(whole(b"{}"))) as upstream:
        reply = await transport.send(structs.replace(call(upstream.url), headers={}))
        await reply.read()
        reply.close()
    head = upstream.heads[0].lower()
    assert not any(name in head for name in (b"authorization", b"x-api-key", b"api-key", b"none"))


async def test_the_library_writes_nothing_to_the_log(transport: Over, caplog: pytest.LogCaptureFixture) -> None:
    """U-114: at the most talkative level, neither what was asked nor with which key."""
    caplog.set_level("DEBUG")
    async with serving(answering(whole(b"{}"))) as upstream:
        reply = await transport.send(call(upstream.url, b'{"model": "canary-prompt"}'))
        await reply.read()
        reply.close()
    said = "\n".join(str(vars(record)) for record in caplog.records)
    assert "canary" not in said


async def test_many_calls_at_once_keep_their_own_replies(transport: Over) -> None:
    """Each reply goes to its own call, and each call takes one connection."""
    all_there = asyncio.Barrier(20)

    async def echo(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await upstream.request(reader)
        await all_there.wait()
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"x-number:"))
        writer.write(whole(key.split()[1]))
        await writer.drain()
        await reader.read()

    async def ask(url: str, number: int) -> bytes:
        reply = await transport.send(structs.replace(call(url), headers={"x-number": str(number)}))
        try:
            return await reply.read()
        finally:
            reply.close()

    async with serving(echo) as upstream:
        said = await asyncio.gather(*(ask(upstream.url, number) for number in range(20)))
    assert said == [str(number).encode() for number in range(20)]


async def test_a_call_that_is_cancelled_is_no_reply_of_the_next(transport: Over) -> None:
    came = asyncio.Event()

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        if upstream.connections == 1:
            came.set()
            await reader.read()
            return
        writer.write(whole(b"second"))
        await writer.drain()
        await reader.read()

    async with serving(script) as upstream, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(transport.send(call(upstream.url)))
        await came.wait()
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        reply = await transport.send(call(upstream.url))
        assert await reply.read() == b"second"
        reply.close()


LIBRARIES = (Library(Dialect.OPENAI), Library(Dialect.ANTHROPIC))
STREAM = (
    b"event: message_start\r\ndata: {}\r\n\r\n: ping\n\n"
    + "data: gr\u00fc\u00df \U0001f600\n\n".encode()
    + b"data: [DONE]\n\n"
)


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12), chunks=st.booleans())
def test_a_stream_is_the_same_bytes_however_it_is_cut(cuts: list[int], chunks: bool) -> None:  # noqa: FBT001
    """U-40: neither chunk borders nor packets, not even within a character, change what comes out."""
    at = sorted({0, *cuts, len(STREAM)})
    pieces = [STREAM[a:b] for a, b in pairwise(at)]

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        sent = chunked(*pieces) if chunks else whole(STREAM)
        for start in range(0, len(sent), 7):
            writer.write(sent[start : start + 7])
            await writer.drain()

    async def main() -> None:
        async with serving(script) as upstream:
            for kind in (None, *LIBRARIES):
                transport = Over(kind)
                reply = await transport.send(call(upstream.url))
                out = b""
                while data := await reply.chunk():
                    out += data
                reply.close()
                await transport.close()
                assert out == STREAM

    asyncio.run(main())
