"""What the way to receivers promises: one request a time, no step aside, and no more of an answer than is looked at."""

import asyncio
import gzip
import logging
import shutil
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.adapters.webhook import MOST_READ_BYTES, Printer, Webhooks
from gateway.domain.alert import ReceiverKind
from gateway.domain.delivery import NoAnswer, Post, Response, Sending
from gateway.receivers.formats import post_for
from tests.adapters.upstream import Upstream, answering, chunked, closed_port, serving, whole
from tests.fakes.alerts import FIRING, NOW
from tests.fakes.certificates import Certified, certified
from tests.fakes.receivers import place

OPS = place().receiver
ROOT = Path(__file__).resolve().parents[2]
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CANARY = "canary-of-the-address"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def webhooks() -> AsyncIterator[Webhooks]:
    made = Webhooks("1.2.3")
    yield made
    await made.close()


def post(url: str, body: bytes = b'{"type":"x"}', **headers: str) -> Post:
    return Post(url, {"content-type": "application/json", **headers}, body)


async def sent(through: Webhooks, upstream: Upstream, path: str = f"/{CANARY}?sig=a%2Fb%2b") -> Response | NoAnswer:
    return await through.send(OPS, FIRING, post(f"http://127.0.0.1:{upstream.port}{path}"))


async def test_what_is_sent_is_the_request_as_it_was_made(webhooks: Webhooks) -> None:
    """The signature is over these bytes, and the address is not written in another way."""
    async with serving(answering(whole(b"ok", b"X-Wait: 5"))) as upstream:
        made = post_for(FIRING, Sending(OPS, replace(place().address, url=f"{upstream.url}?sig=a%2Fb%2b"), NOW))
        answer = await webhooks.send(OPS, FIRING, made)
    assert answer == Response(200, {"x-wait": "5", "content-length": "2"}, b"ok")
    (head,), (body,) = upstream.heads, upstream.bodies
    assert body == made.body
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/chat/completions?sig=a%2Fb%2b HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    assert headers == {
        "host": f"127.0.0.1:{upstream.port}",
        "user-agent": "rulegate/1.2.3",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-length": str(len(made.body)),
        "connection": "close",
        **made.headers,
    }


async def test_a_user_in_the_address_is_basic_authentication(webhooks: Webhooks) -> None:
    """As an Alertmanager behind a proxy wants it."""
    async with serving(answering(whole(b""))) as upstream:
        await webhooks.send(OPS, FIRING, post(f"http://user:p%40ss@127.0.0.1:{upstream.port}/"))
    assert b"authorization: basic dxnlcjpwqhnz" in upstream.heads[0].lower()


async def test_a_redirect_is_not_followed(webhooks: Webhooks) -> None:
    """U-82: the message is for the address that the operator wrote."""
    async with serving(answering(whole(b""))) as elsewhere:
        moved = whole(b"", b"Location: http://127.0.0.1:%d/" % elsewhere.port, status=b"307 Temporary Redirect")
        async with serving(answering(moved)) as upstream:
            answer = await sent(webhooks, upstream)
    assert isinstance(answer, Response)
    assert answer.status == 307
    assert elsewhere.connections == 0


async def test_of_a_huge_answer_a_little_is_read(webhooks: Webhooks) -> None:
    """U-82: however much comes, and however it is packed."""

    async def flood(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()

    async with serving(flood) as upstream:
        answer = await sent(webhooks, upstream)
        await upstream.hung_up.wait()
    assert isinstance(answer, Response)
    assert (answer.status, len(answer.body)) == (200, MOST_READ_BYTES)
    packed = gzip.compress(b"x" * 10_000_000)
    async with serving(answering(whole(packed, b"Content-Encoding: gzip"))) as upstream:
        answer = await sent(webhooks, upstream)
    assert isinstance(answer, Response)
    assert answer.body == packed[:MOST_READ_BYTES]


async def test_a_status_counts_although_its_body_does_not_come() -> None:
    """The receiver has said what there is to say."""

    async def drip(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
        await writer.drain()
        await reader.read()

    hasty = Webhooks("1", timeout_s=0.2)
    async with serving(drip) as upstream:
        assert await sent(hasty, upstream) == Response(200, {"content-length": "9"}, b"ok")
    async with serving(answering(chunked(b"half", end=False))) as upstream:
        answer = await sent(hasty, upstream)
    await hasty.close()
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (200, b"half")


async def silent(upstream: Upstream, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await upstream.request(reader)
    await reader.read()


NOT_HTTP = {
    "another protocol": (b"220 mail.example ESMTP\r\n", "it answered with something that is not HTTP"),
    "nothing": (b"", "it closed the connection without an answer"),
    "half a head": (b"HTTP/1.1 200 O", "it closed the connection without an answer"),
    "a head that never ends": (
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        "it answered with something that is not HTTP",
    ),
}


@pytest.mark.parametrize(("reply", "words"), NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_no_answer_is_said_in_a_few_words(webhooks: Webhooks, reply: bytes, words: str) -> None:
    async with serving(answering(reply)) as upstream:
        assert await sent(webhooks, upstream) == NoAnswer(words)


async def test_who_does_not_answer_is_not_waited_for() -> None:
    """U-82."""
    hasty = Webhooks("1", timeout_s=0.2)
    async with serving(silent) as upstream:
        assert await sent(hasty, upstream) == NoAnswer("no answer within 0.2 s")
    await hasty.close()


UNREACHABLE = {
    "nobody listens": (f"http://127.0.0.1:{closed_port()}/{CANARY}", "it cannot be reached: connection refused"),
    "no such host": (f"http://{CANARY}.invalid/", "its host has no address"),
    "no host at all": (f"http:///{CANARY}", "nothing can be sent to its url"),
    "a name that is none": (f"http://{'x' * 70}.{CANARY}/", "its host has no address"),
}


@pytest.mark.parametrize(("url", "words"), UNREACHABLE.values(), ids=UNREACHABLE)
async def test_what_cannot_be_reached_is_said_without_the_address(webhooks: Webhooks, url: str, words: str) -> None:
    """U-114: the address is a secret."""
    assert await webhooks.send(OPS, FIRING, post(url)) == NoAnswer(words)


async def test_a_name_server_that_hangs_takes_one_thread_a_name_and_none_of_the_loops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """U-103: however many messages wait for it, the way to providers goes on."""
    asked, let_go = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def hang(*_: object, **__: object) -> list[object]:
        threads.append(threading.current_thread())
        asked.set()
        let_go.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    sender = Webhooks("9.9", 20)
    try:
        async with asyncio.TaskGroup() as tasks:
            sends = [tasks.create_task(sender.send(OPS, FIRING, post("http://slow.example/"))) for _ in range(50)]
            await asyncio.to_thread(asked.wait, 20)  # the loop's own threads are free
            for each in sends:
                each.cancel()
        assert len(threads) == 1
        assert threads[0].daemon
    finally:
        let_go.set()
        await sender.close()


# -- TLS and proxies

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: no certificates")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificates"), "hooks.test")


@needs_openssl
async def test_a_certificate_that_nobody_vouches_for_is_not_taken(webhooks: Webhooks, private: Certified) -> None:
    async with serving(answering(whole(b"")), tls=private.server) as upstream:
        answer = await webhooks.send(OPS, FIRING, post(f"https://127.0.0.1:{upstream.port}/{CANARY}"))
    assert answer == NoAnswer("it has no certificate that this machine trusts")
    assert upstream.heads == []


async def test_a_server_without_encryption_is_said_so(webhooks: Webhooks) -> None:
    async def plain(_: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(whole(b"", status=b"400 Bad Request"))
        await writer.drain()

    async with serving(plain) as upstream:
        answer = await webhooks.send(OPS, FIRING, post(f"https://127.0.0.1:{upstream.port}/{CANARY}"))
    assert answer == NoAnswer("no encrypted connection with it can be made")


@needs_openssl
async def test_an_authority_of_the_environment_is_trusted(private: Certified, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-116: SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(private.authority))
    trusting = Webhooks("1")
    async with serving(answering(whole(b"")), tls=private.server) as upstream:
        answer = await trusting.send(OPS, FIRING, post(f"https://127.0.0.1:{upstream.port}/"))
    await trusting.close()
    assert isinstance(answer, Response)
    assert answer.status == 200


class Proxy:
    """A CONNECT proxy that leads every host to one server, and notes what it was asked."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.heads: list[str] = []

    async def script(self, _: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", self.to_port)
        if head.startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            inner.write(head.encode())

        async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
            target.close()

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pass_on(reader, inner))
                tasks.create_task(pass_on(inner_reader, writer))
        finally:
            inner.close()


@needs_openssl
async def test_a_proxy_of_the_environment_leads_there(private: Certified, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-116: HTTPS_PROXY with a private authority; NO_PROXY goes past it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(private.authority))
    trusting = Webhooks("1")
    async with serving(answering(whole(b"ok")), tls=private.server) as upstream:
        proxy = Proxy(upstream.port)
        async with serving(proxy.script) as between:
            monkeypatch.setenv("HTTPS_PROXY", f"http://someone:word@127.0.0.1:{between.port}")
            answer = await trusting.send(OPS, FIRING, post(f"https://hooks.test/{CANARY}"))
            monkeypatch.setenv("NO_PROXY", "hooks.test")
            past = await trusting.send(OPS, FIRING, post(f"https://hooks.test/{CANARY}"))
    await trusting.close()
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (200, b"ok")
    (head,) = proxy.heads
    assert head.startswith("CONNECT hooks.test:443 HTTP/1.1\r\n")
    assert "proxy-authorization: basic c29tzw9uztp3b3jk" in head.lower()
    assert CANARY not in head
    assert past == NoAnswer("its host has no address")


async def test_a_proxy_that_does_not_lead_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(_: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(whole(b"", status=b"403 Forbidden"))
        await writer.drain()

    made = Webhooks("1")
    async with serving(script) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        first = await made.send(OPS, FIRING, post("https://hooks.test/"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    second = await made.send(OPS, FIRING, post("https://hooks.test/"))
    await made.close()
    assert first == second == NoAnswer("the proxy of the environment does not lead there")


# -- the rehearsal


async def test_a_rehearsal_says_what_would_be_sent_once_a_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    printer, chat = Printer(), place(kind=ReceiverKind.SLACK).receiver
    for _ in range(3):
        assert await printer.send(chat, FIRING, post("", b'{"text":"said"}')) == Response(200)
    assert [record.getMessage() for record in caplog.records] == [
        'receiver \'ops\' (slack) would be sent: {"text":"said"}',
    ]
    await printer.send(OPS, replace(FIRING, reminder=1), post("", b"again"))
    assert len(caplog.records) == 2
