"""Which proxy leads to an address, and what a tunnel through one takes."""

import asyncio
import itertools
import select
import socket
from base64 import b64encode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.proxy import LONGEST_HEAD_BYTES, Proxy, ProxyError, is_here, proxy_for, proxy_of, tunnel

WAYS = [
    ("https://hooks.example/x", "http://secure:3128"),
    ("http://hooks.example/x", "http://plain:3128"),
    ("https://inner.example/x", None),
    ("https://deep.inner.example/x", None),
    ("http://127.0.0.1:9093/", None),
    ("http://localhost:9093/", None),
    ("http://[::1]:9093/", None),
    ("http://10.0.0.7:9093/", "http://plain:3128"),
    ("http://hooks.example:99/x", None),
]


@pytest.mark.parametrize(("url", "proxy"), WAYS)
def test_which_proxy_is_used_is_the_environments_word(
    url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-116: and this machine is reached without one."""
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:3128")
    monkeypatch.setenv("http_proxy", "plain:3128")
    monkeypatch.setenv("NO_PROXY", ".inner.example,inner.example,hooks.example:99")
    assert proxy_for(url) == proxy


def test_all_proxy_is_for_what_no_other_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https://hooks.example/") is None
    monkeypatch.setenv("ALL_PROXY", "http://all:3128")
    assert proxy_for("https://hooks.example/") == "http://all:3128"
    assert is_here("127.8.9.1")
    assert not is_here("hooks.example")


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("http://proxy.example.com:3128", Proxy("proxy.example.com", 3128)),
        ("http://proxy.example.com", Proxy("proxy.example.com", 80)),
        ("http://[::1]:3128/", Proxy("::1", 3128)),
        (
            "http://me%40corp:p%25ss@proxy:1",
            Proxy("proxy", 1, b"Proxy-Authorization: Basic " + b64encode(b"me@corp:p%ss") + b"\r\n"),
        ),
        ("http://me@proxy:1", Proxy("proxy", 1, b"Proxy-Authorization: Basic " + b64encode(b"me:") + b"\r\n")),
    ],
)
def test_an_address_of_a_proxy_is_read_with_its_user(address: str, proxy: Proxy) -> None:
    assert proxy_of(address) == proxy
    assert "Basic" not in repr(proxy_of(address))


@pytest.mark.parametrize(
    "address", ["", "proxy:3128", "https://proxy:1", "socks5://me:pw@proxy:1", "http://", "http://a:b"]
)
def test_what_is_no_address_of_an_http_proxy_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*pw)") as caught:
        proxy_of(address)
    assert "pw" not in str(caught.value)


async def opened(said: bytes) -> bytes:
    """Ask for a tunnel of a proxy that says this and hangs up; give what it was asked."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        try:
            await tunnel(ours, Proxy("proxy", 1, b"Proxy-Authorization: Basic x\r\n"), "host:443")
        finally:
            asked = theirs.recv(65536)
        return asked


async def test_a_tunnel_is_asked_for_with_the_user_and_nothing_else() -> None:
    asked = await opened(b"HTTP/1.1 200 OK\r\nVia: proxy\r\n\r\n")
    assert asked == b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\nProxy-Authorization: Basic x\r\n\r\n"


ANSWER = b"HTTP/1.1 200 OK\r\nVia: proxy\r\n\r\n"
HEADS = st.builds(
    lambda version, status, rest, more: version + b" " + status + rest + more,
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"ICY"]),
    st.sampled_from([b"200", b"204", b"299", b"199", b"300", b"407", b"2x0", b""]),
    st.sampled_from([b"\r\n\r\n", b" OK\r\n\r\n", b" OK\r\nVia: x\r\n\r\n", b" OK\r\n", b""]),
    st.sampled_from([b"", b"", b"\x15\x03"]),
)


@given(HEADS | st.binary(max_size=200))
def test_whatever_a_proxy_says_is_a_tunnel_or_an_error_of_the_proxy(said: bytes) -> None:
    """U-113: nothing but a whole head with a 2xx, and nothing past it, is a tunnel."""
    head, end, rest = said.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ", 2)
    well = end and not rest and words[0] in {b"HTTP/1.1", b"HTTP/1.0"} and words[1] in {b"200", b"204", b"299"}
    try:
        asyncio.run(opened(said))
    except ProxyError:
        assert not well
    else:
        assert well


async def dripped(parts: Sequence[bytes]) -> None:
    """Ask for a tunnel of a proxy that says this in parts, each after the one before was read, and then hangs up."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()

    async def say() -> None:
        for part in parts:
            await loop.sock_sendall(theirs, part)
            while select.select([ours], [], [], 0)[0]:  # noqa: ASYNC110 - what is waited for is a socket
                await asyncio.sleep(0)
        theirs.shutdown(socket.SHUT_WR)

    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        async with asyncio.TaskGroup() as tasks:
            saying = tasks.create_task(say())
            try:
                await tunnel(ours, Proxy("proxy", 1), "host:443")
            finally:
                saying.cancel()


@given(st.lists(st.integers(1, len(ANSWER) - 1), unique=True, max_size=8))
def test_a_head_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(ANSWER)]
    asyncio.run(dripped([ANSWER[start:end] for start, end in itertools.pairwise(at)]))


@pytest.mark.parametrize("size", [1, 4096])
async def test_a_head_without_an_end_is_read_no_further_than_any_head_goes(size: int) -> None:
    """U-113: and a byte at a time costs no more than many."""
    head = b"HTTP/1.1 200 OK\r\nx: " + b"y" * LONGEST_HEAD_BYTES
    parts = [head[at : at + size] for at in range(0, len(head), size)]
    with pytest.RaisesGroup(pytest.RaisesExc(ProxyError, match="not HTTP")):
        await dripped(parts)
