"""The way to receivers of alerts, beside the providers' and sharing nothing with it: not a connection, not a thread.

A request is sent once, over a connection of its own. No redirect is followed, no cookie kept, nothing decompressed, and
of an answer no more is read than anybody looks at. Proxies and trusted certificates are those of the environment. What
is said about a failure never holds the address: it is a secret.
"""

import errno
import logging
import os
import socket
import ssl
from collections import OrderedDict
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.adapters.names import Names
from gateway.adapters.proxy import proxy_for
from gateway.domain.alert import Alert, Receiver
from gateway.domain.delivery import NoAnswer, Post, Response

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 15.0
"""How long an attempt may take in all."""
MOST_READ_BYTES: Final = 64 * 1024
"""As much of an answer's body is read; it is there for hints when to come again."""
REMEMBERED: Final = 1_000
"""Messages that a rehearsal remembers to have printed."""


class Webhooks:
    """Sends messages; made inside a running loop, closed once. `version` is the gateway's, for the User-Agent."""

    def __init__(self, version: str, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, force_close=True, use_dns_cache=False, resolver=Resolver(), ssl=ssl.create_default_context()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            auto_decompress=False,
            headers={"User-Agent": f"rulegate/{version}", "Accept-Encoding": "identity", "Accept": "*/*"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, receiver: Receiver, alert: Alert, post: Post) -> Response | NoAnswer:
        """Send a request once; give what came back. A body that does not come to its end does not undo its status."""
        try:
            url = URL(post.url, encoded=True)
            async with self._session.post(
                url, data=post.body, headers=post.headers, allow_redirects=False, proxy=proxy_for(post.url)
            ) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, headers, await _beginning(answer.content))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return NoAnswer(self._words(error))

    def _words(self, error: Exception) -> str:
        match error:
            case TimeoutError():
                return f"no answer within {self._timeout_s:g} s"
            case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
                return "the proxy of the environment does not lead there"
            case aiohttp.ClientConnectorDNSError():
                return "its host has no address"
            case aiohttp.ClientConnectorCertificateError():
                return "it has no certificate that this machine trusts"
            case aiohttp.ClientSSLError():
                return "no encrypted connection with it can be made"
            case aiohttp.ClientConnectorError():
                number = error.os_error.errno or 0
                return f"it cannot be reached{f': {os.strerror(number).lower()}' if number in errno.errorcode else ''}"
            case aiohttp.ServerDisconnectedError() | ConnectionError() | aiohttp.ClientOSError():
                return "it closed the connection without an answer"
            case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
                return "it answered with something that is not HTTP"
            case _:
                return "nothing can be sent to its url"


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """Read a body as far as anybody looks at it, or as far as it comes."""
    parts: list[bytes] = []
    left = MOST_READ_BYTES
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        while left and (part := await content.read(left)):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


class Resolver(AbstractResolver):
    """Looks names up as the way to providers does: beside the loop, with one thread for each name that hangs."""

    def __init__(self) -> None:
        self._names = Names()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses of a host. Raises OSError."""
        try:
            found = await self._names.find(host, port)
        except UnicodeError as error:
            raise OSError(str(error)) from error
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=protocol, flags=0
            )
            for kind, _, protocol, _, address in found
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Keep nothing."""


class Printer:
    """Takes the place of receivers in a rehearsal: says what they would have been sent, once a message."""

    def __init__(self) -> None:
        self._printed: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def send(self, receiver: Receiver, alert: Alert, post: Post) -> Response | NoAnswer:
        """Log a message, unless it is only said again."""
        key = receiver.name, alert.message_id
        if key not in self._printed:
            self._printed[key] = None
            body = post.body.decode("utf-8", "replace")
            logger.info("receiver '%s' (%s) would be sent: %s", receiver.name, receiver.kind, body)
        while len(self._printed) > REMEMBERED:
            self._printed.popitem(last=False)
        return Response(200)
