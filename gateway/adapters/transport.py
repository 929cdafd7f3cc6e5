"""The way to providers over HTTP: a pool of our own HTTP/1.1 connections, with none of a browser's comforts.

No cookies are kept, nothing is decompressed, no redirect is followed (it could carry a key to another host), and no
header is sent that was not asked for. A call is sent once, and whether to try again is for the chain to say; but for a
kept connection that the peer closes without a byte of a reply, which is made anew. Proxies, certificates and headers of
a provider's own are those of the call's Way.
"""

import asyncio
import errno
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit
from weakref import WeakSet

from aiohappyeyeballs import start_connection

from gateway.adapters.clock import SystemClock
from gateway.adapters.departures import Departures
from gateway.adapters.http1 import ClosedError, Connection, ProtocolError, field_of, fields_of
from gateway.adapters.names import Names
from gateway.adapters.proxy import Proxy, ProxyError, proxy_of, tunnel
from gateway.adapters.tls import Contexts, TrustError
from gateway.domain.upstream import Call, Trust, UpstreamError, Way
from gateway.domain.words import Failure

KEEP_ALIVE_S = 30.0
"""How long an idle connection is kept: shorter than the idle limits of the providers' own servers."""
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
HAPPY_EYEBALLS_S = 0.25
NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What the system says where it is ours, and not the peer's, that there is no connection."""
END_WITHIN_S = 0.25
"""How long the end of a body may take after the last word of a stream."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads in some way: the host to connect to, and the head of a request as far as it is always the same.

    `key` is the same for places whose connections are. `named` are the headers, in lower case, that the head has and
    that a call could have too.
    """

    host: str
    port: int
    tls: bool
    head: bytes
    key: tuple[object, ...]
    trust: Trust
    proxy: Proxy | None = None
    named: frozenset[str] = frozenset()

    @property
    def authority(self) -> str:
        """Give host and port, as a proxy is told them."""
        return f"{_named(self.host)}:{self.port}"


@lru_cache(maxsize=1024)
def place_of(url: str, way: Way) -> Place:
    """Take a URL apart; raises ValueError for one without a host, and for headers that are none."""
    parts = urlsplit(url)
    host = parts.hostname
    if host is None:
        raise ValueError(f"no host in {url}")
    tls = parts.scheme == "https"
    default = 443 if tls else 80
    port = parts.port or default
    authority = _named(host) if port == default else f"{_named(host)}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    proxy = proxy_of(way.proxy) if way.proxy else None
    key: tuple[object, ...] = (host, port, way.trust, way.proxy) if tls else (host, port)
    if proxy is not None and not tls:
        path = f"http://{authority}{path}"
        key = (way.proxy,)
    own = dict(way.headers)
    named = frozenset(name.lower() for name in own)
    if "user-agent" not in named:
        own["User-Agent"] = "rulegate"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\nAccept-Encoding: identity\r\n"
    )
    authorization = proxy.authorization if proxy and not tls else b""
    return Place(
        host, port, tls, head.encode("ascii") + authorization + fields_written(own), key, way.trust, proxy, named
    )


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class HttpTransport:
    """Sends calls; made inside a running loop, closed once."""

    def __init__(
        self,
        largest_answer_bytes: int = LARGEST_ANSWER_BYTES,
        contexts: Contexts | None = None,
        clock: SystemClock | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
        departures: Departures | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._largest_answer_bytes = largest_answer_bytes
        self._keep_alive_s = keep_alive_s
        self._idle: dict[tuple[object, ...], deque[tuple[Connection, float]]] = {}
        self._sweeps = False
        self._names = Names()
        self._all: WeakSet[Connection] = WeakSet()
        self._loop = asyncio.get_running_loop()
        self._departures = departures
        self._contexts = contexts or Contexts()
        self._closed = False

    async def send(self, call: Call) -> "HttpReply":
        """Send a call; give the reply once its head has come. Raises UpstreamError."""
        try:
            place = place_of(call.url, call.way)
            request = _request(place, call)
            idle = self._take(place)
            if idle is not None:
                try:
                    return await self._over(idle, request, place, call.provider)
                except ClosedError as error:
                    if error.began:
                        raise
                    # the peer had closed it while it was idle, and what came in between was for nobody
            return await self._over(await self._reached(place, call), request, place, call.provider)
        except (ClosedError, ProtocolError, ProxyError, TrustError, OSError, ValueError) as error:
            raise _failed(error, call.provider) from error

    async def _over(self, connection: Connection, request: bytes, place: Place, provider: str) -> "HttpReply":
        answered = False
        try:
            connection.send(request)
            await connection.reply()
            answered = True
        finally:
            if not answered:
                connection.abort()
        return HttpReply(connection, place, self, provider)

    async def close(self) -> None:
        """Close all connections, and let the loop finish with them."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)

    def keep_or_close(self, place: Place, connection: Connection) -> None:
        """Take back a connection if its reply has ended by now, else close it."""
        if connection.reusable:
            self.keep(place, connection)
        else:
            connection.abort()

    def keep(self, place: Place, connection: Connection) -> None:
        """Take back a connection whose reply was read to its end."""
        if self._closed:
            connection.abort()
            return
        idle = self._idle.get(place.key)
        if idle is None:
            idle = self._idle[place.key] = deque()
        idle.append((connection, self._loop.time()))
        if not self._sweeps:
            self._sweep_later()

    @property
    def largest_answer_bytes(self) -> int:
        """The most that a whole answer may have."""
        return self._largest_answer_bytes

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return sum(map(len, self._idle.values()))

    def _take(self, place: Place) -> Connection | None:
        """Give the connection that was used last, and let go of those that were idle for too long."""
        idle = self._idle.get(place.key)
        if not idle:
            return None
        oldest = self._loop.time() - self._keep_alive_s
        while idle and (idle[0][1] < oldest or not idle[0][0].open):
            idle.popleft()[0].abort()
        while idle:
            connection, _ = idle.pop()
            if connection.open:
                return connection
        return None

    def _sweep_later(self) -> None:
        """See to it that connections of addresses that nobody asks for any more do not stay open."""
        self._sweeps = True
        self._loop.call_later(self._keep_alive_s, self._sweep)

    def _sweep(self) -> None:
        self._let_go(self._loop.time() - self._keep_alive_s)
        self._sweeps = False
        if self._idle and not self._closed:
            self._sweep_later()

    def _let_go(self, since_s: float) -> None:
        """Close what has been idle since a moment of the loop's time."""
        for key, idle in list(self._idle.items()):
            while idle and (idle[0][1] <= since_s or not idle[0][0].open):
                idle.popleft()[0].abort()
            if not idle:
                del self._idle[key]

    async def _reached(self, place: Place, call: Call) -> Connection:
        """Connect; where this machine has nothing left for it, once more after letting go of all that is idle."""
        try:
            return await self._connect(place, call.timeouts.connect_s)
        except OSError as error:
            if error.errno not in NOTHING_LEFT or not self._idle:
                raise
        self._let_go(self._loop.time())
        await asyncio.sleep(0)  # the loop closes their sockets
        return await self._connect(place, call.timeouts.connect_s)

    async def _connect(self, place: Place, limit_s: float) -> Connection:
        """Connect within the limit: the name, each of its addresses, the tunnel and the TLS handshake together."""
        deadline = self._clock.deadline()
        with closing(deadline), deadline.until(self._clock.monotonic() + limit_s):
            stream = await (self._reach(place.host, place.port) if place.proxy is None else self._through(place))
            connection = None
            try:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._departures),
                    sock=stream,
                    ssl=self._contexts.of(place.trust) if place.tls else None,
                    server_hostname=place.host if place.tls else None,
                )
            finally:
                if connection is None:
                    stream.close()
        self._all.add(connection)
        return connection

    async def _through(self, place: Place) -> socket.socket:
        """Connect to the proxy of a place; for TLS, a tunnel through it to there."""
        if place.proxy is None:
            raise ValueError("no proxy")
        try:
            stream = await self._reach(place.proxy.host, place.proxy.port)
        except (OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise ProxyError("cannot be reached") from error
        if place.tls:
            through = False
            try:
                await tunnel(stream, place.proxy, place.authority)
                through = True
            except ConnectionError as error:
                raise ProxyError("closes the connection") from error
            finally:
                if not through:
                    stream.close()
        return stream

    async def _reach(self, host: str, port: int) -> socket.socket:
        found = await self._names.find(host, port)
        return await start_connection(found, happy_eyeballs_delay=HAPPY_EYEBALLS_S)


class HttpReply:
    """A reply whose head has come."""

    __slots__ = ("_connection", "_head", "_lower", "_place", "_provider", "_transport", "status")

    def __init__(self, connection: Connection, place: Place, transport: HttpTransport, provider: str) -> None:
        self._connection: Connection | None = connection
        self._place = place
        self._transport = transport
        self._provider = provider
        self._head, self._lower = connection.head, connection.lower
        self.status = connection.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields by lower-case name."""
        return fields_of(self._head)

    def header(self, name: str) -> str:
        """Give a header field by lower-case name, empty for none."""
        return field_of(self._head, self._lower, name)

    async def read(self) -> bytes:
        """Give the whole body. Raises UpstreamError, for a body that is too large too."""
        most = self._transport.largest_answer_bytes
        body: bytes | bytearray = await self.chunk()
        if not self._over:
            body = bytearray(body)
            while len(body) <= most and (piece := await self.chunk()):
                body += piece  # in pieces of a few bytes each, a list of them would take ten times as much
        if len(body) > most:
            raise UpstreamError(Failure.MALFORMED, f"{self._provider} sent an answer of more than {most} bytes")
        return bytes(body)

    @property
    def _over(self) -> bool:
        return self._connection is None or self._connection.over

    async def chunk(self) -> bytes:
        """Give the bytes that came next, empty at the end. Raises UpstreamError."""
        if self._connection is None:
            return b""
        try:
            return await self._connection.chunk()
        except ClosedError as error:
            raise UpstreamError(Failure.TRUNCATED, f"{self._provider} broke off in the middle of its answer") from error
        except ProtocolError as error:
            raise UpstreamError(Failure.MALFORMED, f"{self._provider} sent {error}") from error

    def close(self, *, finished: bool = False) -> None:
        """Give the connection back where the body was read to its end, else close it.

        After the last word of a stream (`finished`) the end of its body may still be on its way, in a packet of its
        own: the connection waits for it a moment, so that it need not be made anew.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.reusable:
            self._transport.keep(self._place, connection)
        elif finished and connection.open:
            asyncio.get_running_loop().call_later(END_WITHIN_S, self._transport.keep_or_close, self._place, connection)
        else:
            connection.abort()


def _request(place: Place, call: Call) -> bytes:
    """Write a whole request; raises ValueError for a header that would be two, or that has no bytes."""
    headers = call.headers
    if place.named:
        headers = {name: value for name, value in headers.items() if name.lower() not in place.named}
    return b"%s%sContent-Length: %d\r\n\r\n%s" % (place.head, fields_written(headers), len(call.body), call.body)


def fields_written(headers: Mapping[str, str]) -> bytes:
    """Write header fields; raises ValueError for one that would be two, or that has no bytes."""
    return _fields_written(tuple(headers.items()))


@lru_cache(maxsize=1024)
def _fields_written(headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    fields = "".join(lines)
    if fields.count("\n") != len(lines) or fields.count("\r") != len(lines) or "\0" in fields:
        raise ValueError("a header with a line end in it")
    if not fields.isascii():
        raise ValueError("a header that is not ASCII")
    return fields.encode("ascii")


def unsendable(provider: str) -> UpstreamError:
    """Say that a call cannot be written as HTTP."""
    return UpstreamError(Failure.CONNECT, f"the address or the headers for {provider} cannot be sent")


def _failed(error: Exception, provider: str) -> UpstreamError:
    """Tell a connection that never was from one that broke before the head of the reply.

    The words of the error itself are left out: they may quote the address and the headers.
    """
    match error:
        case ProtocolError():
            return UpstreamError(Failure.MALFORMED, f"{provider} answered with something that is not HTTP")
        case ClosedError():
            return UpstreamError(Failure.CONNECT, f"{provider} closed the connection without a reply")
        case ProxyError():
            return UpstreamError(Failure.CONNECT, f"the proxy before {provider} {error}")
        case TrustError():
            return UpstreamError(Failure.CONNECT, f"the certificates for {provider} cannot be used")
        case TimeoutError():
            return UpstreamError(Failure.CONNECT, f"connecting to {provider} took too long")
        case OSError(errno=number) if number in NOTHING_LEFT:
            words = f"this machine has nothing left to connect to {provider} with: files, ports or memory"
            return UpstreamError(Failure.CONNECT, words, ours=True)
        case ssl.SSLCertVerificationError():
            return UpstreamError(Failure.CONNECT, f"{provider} has no certificate that this machine trusts")
        case ssl.SSLError():
            return UpstreamError(Failure.CONNECT, f"no encrypted connection with {provider} can be made")
        case socket.gaierror() | UnicodeError():
            return UpstreamError(Failure.CONNECT, f"the host of {provider} has no address")
        case ValueError():
            return unsendable(provider)
        case _:
            return UpstreamError(Failure.CONNECT, f"{provider} cannot be reached")
