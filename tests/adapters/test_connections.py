"""Proxies, private authorities, client certificates and headers of a provider's own, on all ways to a provider."""

import asyncio
import ssl
from pathlib import Path

import pytest
from msgspec import structs

from gateway.adapters.tls import stamped
from gateway.domain.rule import Timeouts
from gateway.domain.upstream import Call, Trust, UpstreamError, Way
from gateway.domain.words import Failure
from tests.adapters.over import Over
from tests.adapters.upstream import Upstream, answering, chunked, closed_port, serving, whole
from tests.fakes.certificates import Certified, Client, asking, certified, client_of
from tests.fakes.forward_proxy import forwarding

HOST = "llm.example.test"
"""A name that nobody but a proxy knows."""
SECRET = "sk-canary-7f3a"
USER = "me@corp:p%ss"
BODY = b'{"model":"m","messages":[]}'


def call(url: str, way: Way) -> Call:
    return Call("acme", url, {"Authorization": f"Bearer {SECRET}"}, BODY, Timeouts(), way)


async def answer(transport: Over, request: Call) -> bytes:
    reply = await transport.send(request)
    try:
        return await reply.read()
    finally:
        reply.close()


async def refusal(transport: Over, request: Call) -> str:
    with pytest.raises(UpstreamError) as caught:
        await transport.send(request)
    assert caught.value.failure is Failure.CONNECT
    assert not any(secret in str(caught.value) for secret in (SECRET, "p%ss", "corp"))
    return str(caught.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("tls")
    return made


@pytest.fixture(scope="module")
def tls(folder: Path) -> Certified:
    return certified(folder, HOST)


@pytest.fixture(scope="module")
def client(folder: Path, tls: Certified) -> Client:
    assert tls.authority.exists()
    return client_of(folder, "the-gateway")


@pytest.fixture
def trusting(tls: Certified) -> Trust:
    return stamped(Trust(str(tls.authority)))


async def test_a_proxy_is_told_the_whole_address_of_what_is_not_encrypted(transport: Over) -> None:
    """U-116: and its connection is kept, whatever hosts it leads to."""
    async with (
        serving(answering(whole(b"one"), whole(b"two"))) as upstream,
        forwarding({HOST: upstream.port}, user="me@corp:p%ss") as proxy,
    ):
        way = Way(proxy.url.replace("//", "//me%40corp:p%25ss@"))
        for said in (b"one", b"two"):
            assert await answer(transport, call(f"http://{HOST}/v1/x?a=1", way)) == said
    assert proxy.lines == [f"POST http://{HOST}/v1/x?a=1 HTTP/1.1"]
    assert [head.split(b"\r\n")[0] for head in upstream.heads] == [
        b"POST http://llm.example.test/v1/x?a=1 HTTP/1.1"
    ] * 2
    assert upstream.bodies == [BODY, BODY]


async def test_what_is_encrypted_goes_through_a_tunnel(transport: Over, tls: Certified, trusting: Trust) -> None:
    """U-116: the proxy sees neither key nor body, the provider nothing of the proxy; the tunnel is used again."""
    async with (
        serving(answering(whole(b"one"), chunked(b"t", b"wo")), tls.server) as upstream,
        forwarding({f"{HOST}:443": upstream.port}, user="me@corp:p%ss") as proxy,
    ):
        way = Way(proxy.url.replace("//", "//me%40corp:p%25ss@"), trusting)
        for said in (b"one", b"two"):
            assert await answer(transport, call(f"https://{HOST}/v1/x", way)) == said
    assert proxy.lines == [f"CONNECT {HOST}:443 HTTP/1.1"]
    assert SECRET.encode() not in proxy.heads[0]
    assert all(b"proxy-authorization" not in head.lower() for head in upstream.heads)
    assert (len(upstream.heads), upstream.connections) == (2, 1)


@pytest.mark.parametrize(
    ("refuses", "words"),
    [
        (b"HTTP/1.1 407 Who are you\r\n\r\n", "the proxy before acme wants a user and a password that it accepts"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy before acme does not lead there: it says 403"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the proxy before acme answers with something that is not HTTP"),
        (b"HTTP/1.1 2", "the proxy before acme answers with something that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "the proxy before acme sends what nobody asked for"),
        (b"\r\n\r\n", "the proxy before acme answers with something that is not HTTP"),
        (b"x" * 70_000, "the proxy before acme answers with something that is not HTTP"),
    ],
)
async def test_a_proxy_that_does_not_lead_there_is_named(transport: Over, refuses: bytes, words: str) -> None:
    async with forwarding({}, refuses=refuses) as proxy:
        assert await refusal(transport, call(f"https://{HOST}/v1", Way(proxy.url))) == words


async def test_a_proxy_that_is_not_there_or_hangs_up_is_told_from_the_provider(transport: Over) -> None:
    gone = Way(f"http://127.0.0.1:{closed_port()}")
    for url in (f"https://{HOST}/v1", f"http://{HOST}/v1"):
        assert await refusal(transport, call(url, gone)) == "the proxy before acme cannot be reached"

    async def hang_up(_: Upstream, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with serving(hang_up) as proxy:
        way = Way(f"http://127.0.0.1:{proxy.port}")
        assert (
            await refusal(transport, call(f"https://{HOST}/v1", way)) == "the proxy before acme closes the connection"
        )


async def test_a_proxy_that_says_nothing_is_given_up_in_time(transport: Over) -> None:
    """The limit on connecting is one for the proxy, the tunnel and the handshake together."""

    async def silent(upstream: Upstream, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        upstream.hung_up.set()

    async with serving(silent) as proxy:
        request = call(f"https://{HOST}/v1", Way(f"http://127.0.0.1:{proxy.port}"))
        words = await refusal(transport, structs.replace(request, timeouts=Timeouts(connect_s=0.1)))
        assert words == "connecting to acme took too long"
        await asyncio.wait_for(proxy.hung_up.wait(), 20)


async def test_a_private_authority_is_trusted_instead_of_those_of_the_system(
    transport: Over, tls: Certified, trusting: Trust, folder: Path
) -> None:
    """U-116: and only by the provider that names it, whose connections no other provider uses."""
    async with serving(answering(*[whole(b"ok")] * 2), tls.server) as upstream:
        url = upstream.url.replace("http:", "https:")
        assert await answer(transport, call(url, Way(trust=trusting))) == b"ok"
        words = "acme has no certificate that this machine trusts"
        assert await refusal(transport, call(url, Way())) == words
        (folder / "other").mkdir(exist_ok=True)
        other = certified(folder / "other", HOST)
        assert await refusal(transport, call(url, Way(trust=stamped(Trust(str(other.authority)))))) == words
    assert len(upstream.heads) == 1


async def test_an_authority_of_the_environment_is_trusted_with_those_of_the_system(
    transport: Over, tls: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-116: SSL_CERT_FILE, as everywhere."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    await transport.close()
    transport = Over(transport.library)
    async with serving(answering(whole(b"ok")), tls.server) as upstream:
        assert await answer(transport, call(upstream.url.replace("http:", "https:"), Way())) == b"ok"
    await transport.close()


async def test_a_certificate_shows_who_the_gateway_is(
    transport: Over, tls: Certified, client: Client, trusting: Trust, folder: Path
) -> None:
    """U-116."""
    seen: list[object] = []

    async def known(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        seen.append(writer.get_extra_info("peercert")["subject"])
        writer.write(whole(b"ok"))

    async with serving(known, asking(folder)) as upstream:
        url = upstream.url.replace("http:", "https:")
        mine = stamped(Trust(str(tls.authority), str(client.cert), str(client.key)))
        assert await answer(transport, call(url, Way(trust=mine))) == b"ok"
        await refusal(transport, call(url, Way(trust=trusting)))
    assert seen == [((("commonName", "the-gateway"),),)]


async def test_files_that_changed_are_another_trust(transport: Over, tls: Certified, tmp_path: Path) -> None:
    """A renewed authority is taken up with the next generation; connections made under the old one are not used."""
    file = tmp_path / "ca.pem"
    (tmp_path / "old").mkdir()
    file.write_bytes(certified(tmp_path / "old", HOST).authority.read_bytes())
    before = stamped(Trust(str(file)))
    async with serving(answering(whole(b"ok")), tls.server) as upstream:
        url = upstream.url.replace("http:", "https:")
        await refusal(transport, call(url, Way(trust=before)))
        file.write_bytes(tls.authority.read_bytes())
        assert stamped(Trust(str(file))) != before
        assert await answer(transport, call(url, Way(trust=stamped(Trust(str(file)))))) == b"ok"


async def test_a_file_that_has_gone_since_is_a_failure_that_says_so(transport: Over, tmp_path: Path) -> None:
    way = Way(trust=Trust(str(tmp_path / "gone.pem")))
    words = await refusal(transport, call("https://127.0.0.1:1/", way))
    assert words in {"the certificates for acme cannot be used", "acme cannot be reached"}


async def test_headers_of_a_provider_go_before_those_of_a_call(transport: Over) -> None:
    async with serving(answering(whole(b""), whole(b""))) as upstream:
        way = Way(headers=(("User-Agent", "corp/1"), ("anthropic-beta", "mine"), ("x-team", "ops")))
        request = structs.replace(call(upstream.url, way), headers={"Anthropic-Beta": "theirs", "x-other": "1"})
        for _ in range(2):
            await answer(transport, request)
    lines = [line.lower() for line in upstream.heads[1].decode().split("\r\n")]
    for line in ("user-agent: corp/1", "anthropic-beta: mine", "x-team: ops", "x-other: 1"):
        assert lines.count(line) == 1
    assert not any("theirs" in line or "rulegate" in line for line in lines)


@pytest.mark.parametrize("value", ["two\r\nX-Smuggled: 1", "nul\0", "gr\u00fc\u00df"])
async def test_a_header_of_a_provider_that_breaks_lines_is_never_sent(transport: Over, value: str) -> None:
    async with serving(answering(whole(b""))) as upstream:
        words = await refusal(transport, call(upstream.url, Way(headers=(("x-a", value),))))
    assert words == "the address or the headers for acme cannot be sent"
    assert upstream.heads == []


def test_the_repr_of_a_way_holds_no_secret() -> None:
    """U-114."""
    way = Way(f"http://me:{SECRET}@proxy", headers=(("x-key", SECRET),))
    assert SECRET not in repr(way)


def test_the_fake_server_wants_a_certificate(folder: Path, tls: Certified) -> None:
    assert tls.server.verify_mode is ssl.CERT_NONE
    assert asking(folder).verify_mode is ssl.CERT_REQUIRED
