"""The ways to providers, against servers that misbehave on loopback: what one promises, all do."""

import asyncio
import contextlib
import errno
import gzip
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from gateway.adapters.transport import LARGEST_ANSWER_BYTES, HttpTransport
from gateway.domain.rule import Timeouts
from gateway.domain.upstream import Call, UpstreamError
from gateway.domain.words import Failure
from tests.adapters.over import Over
from tests.adapters.upstream import Script, Upstream, answering, chunked, closed_port, full_backlog, serving, whole

SECRET = "sk-canary-7f3a"
BODY = b'{"model":"gpt","messages":[{"role":"user","content":"canary prompt"}]}'
DEADLINE_S = 20


def call(url: str, connect_s: float = 10.0, headers: Mapping[str, str] = MappingProxyType({})) -> Call:
    return Call("acme", url, {"Authorization": f"Bearer {SECRET}", **headers}, BODY, Timeouts(connect_s=connect_s))


async def refused(transport: Over, request: Call) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await transport.send(request)
    assert SECRET not in str(caught.value)
    assert "canary" not in str(caught.value)
    assert str(caught.value) == str(caught.value).strip()
    assert "acme" in str(caught.value)
    return caught.value


async def hang_up(upstream: Upstream, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await upstream.request(reader)


async def reset(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upstream.request(reader)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def cut_the_head(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upstream.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")


@pytest.mark.parametrize(
    ("script", "failure", "words"),
    [
        (hang_up, Failure.CONNECT, "acme closed the connection without a reply"),
        (reset, Failure.CONNECT, "acme closed the connection without a reply"),
        (cut_the_head, Failure.CONNECT, "acme closed the connection without a reply"),
        (answering(b"220 mail.example ESMTP\r\n"), Failure.MALFORMED, "acme answered with something that is not HTTP"),
    ],
)
async def test_a_connection_that_ends_before_the_head_is_told_apart(
    transport: Over, script: Script, failure: Failure, words: str
) -> None:
    async with serving(script) as upstream:
        error = await refused(transport, call(upstream.url))
    assert (error.failure, str(error)) == (failure, words)


async def test_a_port_nobody_listens_on_cannot_be_reached(transport: Over) -> None:
    error = await refused(transport, call(f"http://127.0.0.1:{closed_port()}/"))
    assert (error.failure, str(error)) == (Failure.CONNECT, "acme cannot be reached")


async def test_a_name_that_is_not_known_has_no_address(transport: Over, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = await refused(transport, call("http://name.invalid/"))
    assert (error.failure, str(error)) == (Failure.CONNECT, "the host of acme has no address")


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "a..invalid"])
async def test_a_name_that_cannot_be_one_has_no_address(transport: Over, host: str) -> None:
    """The codec of host names raises an error of its own for labels that are empty or too long."""
    error = await refused(transport, call(f"http://{host}/"))
    assert (error.failure, str(error)) == (Failure.CONNECT, "the host of acme has no address")


async def test_a_header_that_breaks_lines_is_never_sent(transport: Over) -> None:
    async with serving(answering(whole(b"{}"))) as upstream:
        error = await refused(transport, call(upstream.url, headers={"x-api-key": f"{SECRET}\r\nx-evil: 1"}))
        assert upstream.heads == []
    assert (error.failure, str(error)) == (
        Failure.CONNECT,
        "the address or the headers for acme cannot be sent",
    )


async def test_a_connection_that_nobody_takes_ends_at_the_connect_limit(transport: Over) -> None:
    with full_backlog() as port:
        error = await refused(transport, call(f"http://127.0.0.1:{port}/", connect_s=0.05))
    assert (error.failure, str(error)) == (Failure.CONNECT, "connecting to acme took too long")


async def test_the_connect_limit_holds_for_the_name_too(transport: Over, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def silent(*_: object, **__: object) -> object:
        answered.wait(DEADLINE_S)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    try:
        error = await refused(transport, call("http://name.invalid/", connect_s=0.05))
    finally:
        answered.set()
    assert (error.failure, str(error)) == (Failure.CONNECT, "connecting to acme took too long")


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder: Path = tmp_path_factory.mktemp("tls")
    program = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 1 -keyout key.pem -out cert.pem"
    try:
        subprocess.run(program.split(), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: the certificate test needs it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_a_certificate_that_nobody_vouches_for_is_not_taken(transport: Over, self_signed: ssl.SSLContext) -> None:
    async with serving(answering(whole(b"{}")), tls=self_signed) as upstream:
        error = await refused(transport, call(upstream.url.replace("http:", "https:")))
        assert upstream.heads == []
    assert (error.failure, str(error)) == (Failure.CONNECT, "acme has no certificate that this machine trusts")


async def test_a_server_without_encryption_is_not_blamed_on_its_certificate(transport: Over) -> None:
    async def plain(_: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(whole(b"", status=b"400 Bad Request"))
        await writer.drain()

    async with serving(plain) as upstream:
        error = await refused(transport, call(upstream.url.replace("http:", "https:")))
    assert error.failure is Failure.CONNECT
    assert str(error) == "no encrypted connection with acme can be made"


async def test_nothing_is_sent_but_what_was_asked_for(transport: Over) -> None:
    """U-114: no header beside the fixed ones goes out, and the body goes out as it is."""
    async with serving(answering(whole(b"{}"))) as upstream:
        reply = await transport.send(call(upstream.url, headers={"anthropic-version": "2023-06-01"}))
        await reply.read()
        reply.close()
    first, *lines = upstream.heads[0].decode().strip().split("\r\n")
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert sorted(line.lower() for line in lines) == [
        "accept-encoding: identity",
        "anthropic-version: 2023-06-01",
        f"authorization: bearer {SECRET}",
        f"content-length: {len(BODY)}",
        "content-type: application/json",
        f"host: 127.0.0.1:{upstream.port}",
        "user-agent: rulegate",
    ]
    assert upstream.bodies == [BODY]


async def test_the_passwords_of_a_netrc_file_are_not_sent(
    transport: Over, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(answering(whole(b"{}"))) as upstream:
        request = Call("acme", upstream.url, {}, BODY, Timeouts())
        (await transport.send(request)).close()
    assert b"authorization" not in upstream.heads[0].lower()


@pytest.mark.parametrize("reply", [whole(b"hello world"), chunked(b"hello", b" ", b"world")])
async def test_a_whole_answer_is_read_however_it_is_framed(transport: Over, reply: bytes) -> None:
    async with serving(answering(reply)) as upstream:
        got = await transport.send(call(upstream.url))
        assert got.status == 200
        assert await got.read() == b"hello world"
        got.close()


async def test_chunks_come_as_they_are_sent_and_end_empty(transport: Over) -> None:
    more = asyncio.Event()

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(chunked(b"data: 1\n\n", end=False))
        await more.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with serving(script) as upstream:
        reply = await transport.send(call(upstream.url))
        assert await reply.chunk() == b"data: 1\n\n"
        more.set()
        assert await reply.chunk() == b"data: 2\n\n"
        assert await reply.chunk() == b""
        reply.close()


@pytest.mark.parametrize(
    "reply",
    [whole(b"hello world")[:-3], chunked(b"hello", end=False)],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("way", ["read", "chunk"])
async def test_a_body_that_is_cut_short_is_truncated(transport: Over, reply: bytes, way: str) -> None:
    """U-01: an answer that breaks off is a failure of its own, never a short answer."""
    async with serving(answering(reply)) as upstream:
        got = await transport.send(call(upstream.url))
        with pytest.raises(UpstreamError) as caught:
            await (got.read() if way == "read" else drained(got.chunk))
        got.close()
    assert caught.value.failure is Failure.TRUNCATED
    assert "acme broke off in the middle of its answer" in str(caught.value)
    assert "hello" not in str(caught.value)


async def drained(chunk: object) -> None:
    assert callable(chunk)
    while await chunk():
        pass


async def test_a_redirect_is_an_answer_and_is_never_followed(transport: Over) -> None:
    """A redirect could carry the key to another host."""
    async with serving(answering(whole(b"{}"))) as elsewhere:
        location = f"Location: {elsewhere.url}".encode()
        async with serving(answering(whole(b"", location, status=b"302 Found"))) as upstream:
            reply = await transport.send(call(upstream.url))
            assert reply.status == 302
            assert reply.headers["location"] == elsewhere.url
            reply.close()
        assert elsewhere.connections == 0


async def test_a_cookie_is_never_sent_back(transport: Over) -> None:
    ok = whole(b"{}", b"Set-Cookie: session=canary; Path=/")
    async with serving(answering(ok, ok)) as upstream:
        for _ in range(2):
            reply = await transport.send(call(upstream.url))
            await reply.read()
            reply.close()
    assert len(upstream.heads) == 2
    assert b"cookie" not in upstream.heads[1].lower()


@pytest.mark.parametrize("way", ["read", "chunk"])
async def test_a_connection_whose_answer_was_read_is_used_again(transport: Over, way: str) -> None:
    async with serving(answering(*[whole(b"{}")] * 3)) as upstream:
        for _ in range(3):
            reply = await transport.send(call(upstream.url))
            await (reply.read() if way == "read" else drained(reply.chunk))
            reply.close()
    assert (len(upstream.heads), upstream.connections) == (3, 1)


async def test_closing_an_answer_before_its_end_hangs_up_on_the_provider(transport: Over) -> None:
    """U-35: a provider that goes on producing goes on billing."""

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(chunked(b"data: 1\n\n", end=False))
        await writer.drain()
        if await reader.read() == b"":
            upstream.hung_up.set()

    async with serving(script) as upstream:
        reply = await transport.send(call(upstream.url))
        assert await reply.chunk()
        reply.close()
        await asyncio.wait_for(upstream.hung_up.wait(), DEADLINE_S)


async def test_a_call_that_is_cancelled_hangs_up_on_the_provider(transport: Over) -> None:
    """U-35: also before the head of the answer has come."""
    came = asyncio.Event()

    async def script(upstream: Upstream, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        came.set()
        if await reader.read() == b"":
            upstream.hung_up.set()

    async with serving(script) as upstream, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(transport.send(call(upstream.url)))
        await came.wait()
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(upstream.hung_up.wait(), DEADLINE_S)


async def test_nothing_is_decompressed(transport: Over) -> None:
    packed = gzip.compress(b"hello")
    async with serving(answering(whole(packed, b"Content-Encoding: gzip"))) as upstream:
        reply = await transport.send(call(upstream.url))
        assert await reply.read() == packed
        reply.close()


@pytest.mark.parametrize("frame", [whole, chunked], ids=["length", "chunked"])
async def test_an_answer_past_the_bound_is_refused_and_one_at_the_bound_is_not(transport: Over, frame: object) -> None:
    """U-113: however it is framed, and before more than the bound is kept."""
    assert callable(frame)
    transport = Over(transport.library, largest_answer_bytes=1000)
    async with serving(answering(frame(b"x" * 1000))) as upstream:
        reply = await transport.send(call(upstream.url))
        assert await reply.read() == b"x" * 1000
        reply.close()
    async with serving(answering(frame(b"x" * 1001))) as upstream:
        reply = await transport.send(call(upstream.url))
        with pytest.raises(UpstreamError, match="acme sent an answer of more than 1000 bytes") as caught:
            await reply.read()
        reply.close()
    await transport.close()
    assert caught.value.failure is Failure.MALFORMED


async def test_an_endless_answer_is_given_up_at_the_bound(transport: Over) -> None:
    """U-113: an upstream that never ends its chunks is hung up on."""

    async def endless(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(chunked(end=False))
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    transport = Over(transport.library, largest_answer_bytes=100_000)
    async with serving(endless) as upstream:
        reply = await transport.send(call(upstream.url))
        with pytest.raises(UpstreamError) as caught:
            await reply.read()
        reply.close()
        await asyncio.wait_for(upstream.hung_up.wait(), DEADLINE_S)
    await transport.close()
    assert caught.value.failure is Failure.MALFORMED


def test_the_bound_is_far_above_any_answer_of_a_model() -> None:
    assert LARGEST_ANSWER_BYTES >= 32 * 1024 * 1024


async def test_a_kept_connection_that_the_peer_has_closed_is_made_anew(transport: Over) -> None:
    """U-09: a server's idle limit is no failure of a model; a new connection that is closed is one."""
    heads: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await reader.readuntil(b"\r\n\r\n")  # the second request is read, and never answered
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        for _ in range(3):
            reply = await transport.send(call(f"http://127.0.0.1:{port}/v1"))
            assert await reply.read() == b"ok"
            reply.close()
        assert len(heads) == 3
    finally:
        await transport.close()
        server.close()


async def test_connections_of_addresses_that_nobody_asks_any_more_are_closed() -> None:
    """U-95: after their time, without another call."""
    transport = HttpTransport(keep_alive_s=0.05)
    closed = asyncio.Event()

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(whole(b"{}"))
        await reader.read()
        closed.set()

    async with serving(script) as upstream:
        reply = await transport.send(call(upstream.url))
        await reply.read()
        reply.close()
        assert transport.idle == 1
        await asyncio.wait_for(closed.wait(), DEADLINE_S)
        assert transport.idle == 0
    await transport.close()


async def test_where_the_machine_has_nothing_left_idle_connections_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that nobody uses is worth less than one that somebody waits for."""
    transport = HttpTransport()
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def full(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the loop's own signature
        if transport.idle:
            raise OSError(errno.EMFILE, "too many open files")
        return await connect(*arguments, **named)

    async with serving(answering(whole(b"{}"))) as one, serving(answering(whole(b"{}"))) as other:
        reply = await transport.send(call(one.url))
        await reply.read()
        reply.close()
        monkeypatch.setattr(loop, "create_connection", full)
        reply = await transport.send(call(other.url))
        assert await reply.read() == b"{}"
        reply.close()
    await transport.close()


async def test_a_machine_with_nothing_left_is_no_fault_of_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """U-18: the failure says that it is ours, so that no model is left alone for it."""
    transport = HttpTransport()

    async def full(*_: object, **__: object) -> object:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", full)
    async with serving(answering()) as upstream:
        with pytest.raises(UpstreamError, match="this machine has nothing left") as caught:
            await transport.send(call(upstream.url))
    assert (caught.value.failure, caught.value.ours) == (Failure.CONNECT, True)
    await transport.close()
