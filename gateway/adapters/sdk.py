"""Providers by their official client libraries: what all of them have in common.

A library writes and signs a request; what goes over the wire, and what comes back, is our own transport's: one pool,
one HTTP request a call, the same failures, proxies and certificates, and none of a library's comforts. It never sees a
reply, so that there is nothing for it to try again, to follow, to keep a cookie of or to decode. Of the headers that it
would send, those go out that the call has, and those that say who we are.

The modules of the libraries are large: they are imported where rules have such a provider, and nowhere else.
"""

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx2
from msgspec import structs

from gateway.adapters.aside import Aside
from gateway.adapters.transport import fields_written, unsendable
from gateway.domain.upstream import Call, Library, Reply, UpstreamError
from gateway.domain.words import Failure

SIGNS: Final = ("authorization", "api-key", "x-api-key", "x-amz-")
"""How the headers begin that say who we are."""
LEFT_OUT: Final = (
    "Accept",
    "OpenAI-Organization",
    "OpenAI-Project",
    "X-Stainless-Arch",
    "X-Stainless-Async",
    "X-Stainless-Lang",
    "X-Stainless-OS",
    "X-Stainless-Package-Version",
    "X-Stainless-Read-Timeout",
    "X-Stainless-Retry-Count",
    "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version",
    "X-Stainless-Timeout",
)
"""Headers of the libraries' own: a signature would cover them, and they are not sent."""
SHUT_OUT: Final = ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS")
"""Variables by which the environment puts headers into every request, and that no argument overrules."""
TALKERS: Final = ("anthropic", "azure", "boto3", "botocore", "google", "httpx2", "msal", "openai", "urllib3")
"""Loggers that would write requests, and what signs them, into our log."""
ACCOUNTS_KEPT: Final = 64


class Http(Protocol):
    """What carries the requests that a library writes."""

    async def send(self, call: Call) -> Reply:
        """Send a call as it is. Raises UpstreamError."""
        ...


@dataclass(slots=True)
class Sending:
    """A call on its way through a library, and what became of it."""

    call: Call
    reply: Reply | None = None
    error: UpstreamError | None = None


_SENDING: ContextVar[Sending] = ContextVar("sending")


class Wire(httpx2.AsyncBaseTransport):
    """What a library takes for the network."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send what the library has written; tell it nothing of what comes back."""
        sending = _SENDING.get()
        asked = {name.lower() for name in sending.call.headers}
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in asked or name.lower().startswith(SIGNS)
        }
        written = structs.replace(sending.call, url=str(request.url), headers=headers, body=request.read())
        try:
            sending.reply = await self._http.send(written)
        except UpstreamError as error:
            sending.error = error
            raise
        return httpx2.Response(200)


Faults = tuple[type[Exception], ...]
WRITING: Final[Faults] = (ValueError, TypeError, RuntimeError, RecursionError, httpx2.HTTPError, httpx2.InvalidURL)
"""What libraries raise beside their own errors where a request cannot be written."""


class Account(Protocol):
    """An account with a provider, as its library has it."""

    @property
    def faults(self) -> Faults:
        """What the library raises where it cannot write a request."""
        ...

    async def post(self, call: Call) -> object:
        """Have the library write a call and send it over the wire. Raises UpstreamError and the faults."""
        ...

    def reply(self, reply: Reply) -> Reply:
        """Give a reply as a provider of the dialect would have sent it."""
        ...


class Open(Protocol):
    """Makes the Account of a Library."""

    def __call__(self, library: Library, wire: httpx2.AsyncClient, aside: Aside) -> Account:
        """Give an account whose requests go over the wire, and whose waiting for credentials is done aside."""
        ...


class SdkTransport:
    """Sends calls by client libraries; made inside a running loop, closed once.

    Accounts are made when first wanted, the same one for the same, so that what they learn (tokens) is kept.
    """

    def __init__(self, http: Http, opens: Callable[[Library], Open]) -> None:
        settle()
        self._opens = opens
        self._wire = httpx2.AsyncClient(transport=Wire(http), timeout=None, trust_env=False, follow_redirects=False)
        self._wire.headers = httpx2.Headers({"Accept-Encoding": "identity", "User-Agent": "rulegate"})
        del self._wire.headers["Accept"]  # a signature would cover it, and it is not sent
        self._aside = Aside()
        self._accounts: OrderedDict[Library, Account] = OrderedDict()

    async def send(self, call: Call, library: Library) -> Reply:
        """Send a call; give the reply once its head has come. Raises UpstreamError."""
        try:
            account = self._account(library)
        except WRITING as error:
            raise unwritten(call.provider) from error
        own = {name.lower(): value for name, value in call.way.headers}  # a signature has to cover what is sent
        theirs = {name: value for name, value in call.headers.items() if name.lower() not in own}
        call = structs.replace(call, headers={**theirs, **own})
        try:
            fields_written(call.headers)  # the libraries have other words for what cannot be sent, each its own
        except ValueError as error:
            raise unsendable(call.provider) from error
        sending = Sending(call)
        token = _SENDING.set(sending)
        answered = False
        try:
            await account.post(call)
            if sending.reply is None:
                raise unwritten(call.provider)
            reply = account.reply(sending.reply)
            answered = True
        except account.faults as error:
            raise sending.error or unwritten(call.provider) from error
        finally:
            _SENDING.reset(token)
            if not answered and sending.reply is not None:
                sending.reply.close()
        return reply

    async def close(self) -> None:
        """End; the connections are not ours."""
        await self._wire.aclose()

    def _account(self, library: Library) -> Account:
        account = self._accounts.get(library)
        if account is None:
            account = self._accounts[library] = self._opens(library)(library, self._wire, self._aside)
            while len(self._accounts) > ACCOUNTS_KEPT:
                self._accounts.popitem(last=False)
        return account


def unwritten(provider: str) -> UpstreamError:
    """Say that a library did not write a request; its own words are left out, for they may quote the request."""
    return UpstreamError(Failure.BAD_REQUEST, f"the client library of {provider} cannot send this request")


def without_credentials(provider: str) -> UpstreamError:
    """Say that nothing was found that says who we are."""
    return UpstreamError(Failure.AUTH, f"no credentials for {provider} can be had from where its cloud keeps them")


def settle() -> None:
    """Shut out what the environment would do to each request, and what the libraries would write to the log."""
    for name in SHUT_OUT:
        os.environ.pop(name, None)
    for name in TALKERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def options_of(headers: Mapping[str, object], omit: object) -> Any:  # noqa: ANN401 - a dict of the library's own type
    """Give the options of a request with these headers, and without those that a library has of its own."""
    return {"headers": {**dict.fromkeys(LEFT_OUT, omit), **headers}}


def below(call: Call, library: Library) -> str:
    """Give the path of a call below the address of its provider."""
    return call.url.removeprefix(library.base_url)
