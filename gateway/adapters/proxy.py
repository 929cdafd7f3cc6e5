"""HTTP proxies: which one leads to an address, and how to get through one.

Source of the tunnel: RFC 9110, section 9.3.6 (CONNECT). What is on this machine is reached without the proxy of the
environment, as none could lead back to it.
"""

import asyncio
import ipaddress
import socket
import urllib.request
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, urlsplit

LONGEST_HEAD_BYTES = 64 * 1024
_END = b"\r\n\r\n"


class ProxyError(Exception):
    """A proxy does not lead anywhere; the words say why, as what it does."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy is; `authorization` is a header field with its line end, empty where it asks for none."""

    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)


@lru_cache(maxsize=64)
def proxy_of(address: str) -> Proxy:
    """Read the address of a proxy; raises ValueError for one that is none, which is not repeated."""
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("no address of an HTTP proxy")
    authorization = b""
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Proxy-Authorization: Basic %s\r\n" % b64encode(user.encode())
    return Proxy(parts.hostname, parts.port or 80, authorization)


def proxy_for(url: str) -> str | None:
    """Give the proxy that the environment names for a URL: HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, but for NO_PROXY."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_here(host) or urllib.request.proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def is_here(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def tunnel(stream: socket.socket, proxy: Proxy, authority: str) -> None:
    """Ask the proxy at the other end of a socket for a tunnel to `host:port`. Raises ProxyError and OSError."""
    loop = asyncio.get_running_loop()
    line = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode("ascii")
    await loop.sock_sendall(stream, line + proxy.authorization + b"\r\n")
    head = await _head(stream)
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ProxyError("answers with something that is not HTTP")
    status = int(words[1])
    if status == 407:
        raise ProxyError("wants a user and a password that it accepts")
    if not 200 <= status < 300:
        raise ProxyError(f"does not lead there: it says {status}")
    if not head.endswith(_END):
        raise ProxyError("sends what nobody asked for")


async def _head(stream: socket.socket) -> bytes:
    """Read to the end of a head, and what comes with it; each byte is looked at once, however few come at a time."""
    loop, head, end = asyncio.get_running_loop(), bytearray(), -1
    while end < 0:
        data = await loop.sock_recv(stream, 4096)
        looked_at = max(0, len(head) - len(_END) + 1)
        head += data
        if not data or len(head) > LONGEST_HEAD_BYTES:
            raise ProxyError("answers with something that is not HTTP" if head else "closes the connection")
        end = head.find(_END, looked_at)
    return bytes(head)
