"""The way to providers over HTTP: one pool of aiohttp's, with none of its comforts.

No cookies are kept, nothing is decompressed, no redirect is followed (it could carry a key to another host), and no
header is sent that was not asked for.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache

import aiohttp
from yarl import URL

from gateway.domain.upstream import Call, UpstreamError
from gateway.domain.words import Failure

_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding")
_FIXED = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "rulegate"}
KEEP_ALIVE_S = 60.0
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024


class HttpTransport:
    """Sends calls; made inside a running loop, closed once."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=_AUTOMATIC,
        )

    async def send(self, call: Call) -> "HttpReply":
        """Send a call; give the reply once its head has come. Raises UpstreamError."""
        try:
            response = await self._session.post(
                _url(call.url),
                data=call.body,
                headers={**_FIXED, **call.headers},
                allow_redirects=False,
                timeout=_limit(call.timeouts.connect_s),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _upstream_error(error, call.provider) from error
        return HttpReply(response, call.provider)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class HttpReply:
    """A reply of aiohttp's client."""

    def __init__(self, response: aiohttp.ClientResponse, provider: str) -> None:
        self._response = response
        self._provider = provider
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """Give the whole body. Raises UpstreamError, for a body that is too large too."""
        length = self._response.content_length
        if length is not None and length > LARGEST_ANSWER_BYTES:
            raise UpstreamError(Failure.MALFORMED, f"{self._provider} sent an answer of {length} bytes")
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise _broken_off(error, self._provider) from error

    async def chunk(self) -> bytes:
        """Give the bytes that came next, empty at the end. Raises UpstreamError."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _broken_off(error, self._provider) from error

    def close(self) -> None:
        """Give the connection back where the body was read to its end, else close it."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


@lru_cache(maxsize=256)
def _url(url: str) -> URL:
    return URL(url)


@lru_cache(maxsize=64)
def _limit(connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=connect_s)


def _upstream_error(error: Exception, provider: str) -> UpstreamError:
    """Tell a connection that never was from one that broke before the head of the reply."""
    match error:
        case aiohttp.ConnectionTimeoutError() | aiohttp.ServerTimeoutError() | asyncio.TimeoutError():
            return UpstreamError(Failure.CONNECT, f"connecting to {provider} took too long")
        case aiohttp.ClientConnectorDNSError():
            return UpstreamError(Failure.CONNECT, f"the host of {provider} has no address")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return UpstreamError(Failure.CONNECT, f"{provider} has no certificate that this machine trusts")
        case aiohttp.ClientConnectorError():
            return UpstreamError(Failure.CONNECT, f"{provider} cannot be reached")
        case _:
            return UpstreamError(Failure.CONNECT, f"{provider} closed the connection without a reply")


def _broken_off(error: Exception, provider: str) -> UpstreamError:
    kind = type(error).__name__
    return UpstreamError(Failure.TRUNCATED, f"{provider} broke off in the middle of its answer ({kind})")
