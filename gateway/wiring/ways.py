"""How providers are connected to: over our own connections, with what their client libraries write where that is asked.

The libraries are large, and most rules need none: each is imported with the first rules that have a provider of its,
before those rules run.
"""

import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from gateway.adapters.proxy import proxy_for, proxy_of
from gateway.adapters.tls import Contexts, TrustError, context_of, stamped
from gateway.adapters.transport import HttpTransport
from gateway.config import secrets
from gateway.domain.problem import Problem
from gateway.domain.registry import Azure, Bedrock, NoSecret, Provider, Text, Vertex, Via
from gateway.domain.snapshot import Snapshot
from gateway.domain.upstream import SYSTEM, Call, Credentials, Library, Reply, Trust, Way
from gateway.domain.words import Dialect
from gateway.runtime.ports import Target, Targets

Environment = Mapping[str, str]
ADAPTER: Final = "gateway.adapters.sdk"
EXTRAS: Final = {Azure: "azure", Bedrock: "bedrock", Vertex: "vertex"}
NEEDED: Final = {Azure: "azure.identity", Bedrock: "boto3", Vertex: "google.auth"}
"""What the extra of a cloud brings; for Azure and Vertex it is needed where no key is given."""


class Ways:
    """The transport for all providers, however each is reached; made inside a running loop, closed once."""

    def __init__(self, http: HttpTransport) -> None:
        self._http = http
        self._sdk: Any = None

    def send(self, call: Call) -> Coroutine[Any, Any, Reply]:
        """Send a call; give the reply once its head has come. Raises UpstreamError."""
        library = call.way.library
        if library is None:
            return self._http.send(call)
        if self._sdk is None:
            self._sdk = import_module(ADAPTER).SdkTransport(self._http, opener_of)
        sent: Coroutine[Any, Any, Reply] = self._sdk.send(call, library)
        return sent

    async def close(self) -> None:
        """Close all connections."""
        if self._sdk is not None:
            await self._sdk.close()
        await self._http.close()


def opener_of(library: Library) -> Any:  # noqa: ANN401 - an adapter whose module is imported where it is needed
    """Give what makes the account of a library; it is imported by then."""
    module, name = _adapter_of(library)
    return getattr(import_module(module), name)


def load(library: Library) -> None:
    """Import the adapter of a library, and have it do what takes long."""
    import_module(ADAPTER).settle()
    module, _ = _adapter_of(library)
    import_module(module).prepare(library)
    import_module(ADAPTER).settle()


def _adapter_of(library: Library) -> tuple[str, str]:
    match library.cloud:
        case Azure():
            return f"{ADAPTER}_openai", "AzureAccount"
        case Bedrock():
            return f"{ADAPTER}_bedrock", "BedrockAccount"
        case Vertex():
            return f"{ADAPTER}_vertex", "VertexAccount"
        case None if library.kind is Dialect.OPENAI:
            return f"{ADAPTER}_openai", "OpenAIAccount"
        case None:
            return f"{ADAPTER}_anthropic", "AnthropicAccount"


def real_targets(contexts: Contexts, environment: Environment) -> Callable[[Snapshot], Targets]:
    """Give what says where providers are, in which way and with which secrets; what is needed for that is read anew."""

    def resolve(snapshot: Snapshot) -> Targets:
        return {name: _target_of(provider, contexts, environment) for name, provider in snapshot.providers.items()}

    return resolve


def _target_of(provider: Provider, contexts: Contexts, environment: Environment) -> Target:
    secret = secrets.resolve(provider.api_key, environment)
    library = _library_of(provider, secret, environment) if provider.via is Via.SDK else None
    if library is not None:
        load(library)
    way = Way(_proxy_of(provider, environment), trust_of(provider), _headers_of(provider, environment), library)
    with suppress(TrustError):  # a file that was there a moment ago: the calls say so, until the next reload
        contexts.of(way.trust)
    return Target(provider.base_url, secret if provider.cloud is None else None, way)


def _library_of(provider: Provider, secret: str | None, environment: Environment) -> Library:
    cloud = provider.cloud
    if cloud is None:
        return Library(provider.kind, provider.base_url)
    if not isinstance(cloud, Bedrock):
        return Library(provider.kind, provider.base_url, cloud, Credentials(secret))
    keys = (cloud.access_key_id, cloud.secret_access_key, cloud.session_token)
    given = Credentials(secret, *(secrets.resolve(each, environment) for each in keys))
    return Library(provider.kind, provider.base_url, cloud, given)


def _proxy_of(provider: Provider, environment: Environment) -> str:
    match provider.connection.proxy:
        case None:
            return proxy_for(provider.base_url) or ""
        case NoSecret():
            return ""
        case Text() as written:
            return written.text
        case secret:
            return secrets.resolve(secret, environment) or ""


def _headers_of(provider: Provider, environment: Environment) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value.text if isinstance(value, Text) else secrets.resolve(value, environment) or "")
        for name, value in provider.connection.headers
    )


def trust_of(provider: Provider) -> Trust:
    """Give whom connections to a provider trust, as its files are now."""
    connection = provider.connection
    trust = Trust(connection.ca_file, connection.cert_file, connection.key_file)
    try:
        return stamped(trust)
    except TrustError:
        return trust


def unreachable(snapshot: Snapshot, environment: Environment) -> tuple[Problem, ...]:
    """Give a Problem for each thing that keeps a provider from being reached, once its secrets can be had."""
    return tuple(
        Problem(provider.file, provider.mark.line, provider.mark.column, f"provider '{name}': {fault}", hint)
        for name, provider in snapshot.providers.items()
        for fault, hint in _faults(provider, environment)
    )


def _faults(provider: Provider, environment: Environment) -> Iterator[tuple[str, str]]:
    proxy = _proxy_of(provider, environment)
    if proxy and not _is_proxy(proxy):
        whose = "its proxy" if provider.connection.proxy is not None else "the proxy of the environment"
        yield f"{whose} has no address such as http://HOST:PORT", "mend it, or say proxy: none"
    trust = Trust(provider.connection.ca_file, provider.connection.cert_file, provider.connection.key_file)
    try:
        if trust != SYSTEM:
            context_of(stamped(trust))
    except TrustError as error:
        yield str(error), "mend it, or the path"
    for name, value in _headers_of(provider, environment):
        if not value.isascii() or not value.isprintable():
            yield f"the value of the header {name} cannot be sent", "write printable ASCII on one line"
    cloud = provider.cloud
    if isinstance(cloud, Vertex) and cloud.credentials_file and not os.access(cloud.credentials_file, os.R_OK):
        yield f"file {cloud.credentials_file} cannot be read", "mend it, or the path"
    if cloud is not None and (isinstance(cloud, Bedrock) or provider.api_key == NoSecret()):
        extra = EXTRAS[type(cloud)]
        if not _installed(NEEDED[type(cloud)]):
            yield f"{extra} needs an extra that is not installed", f"pip install 'rulegate[{extra}]'"


def _is_proxy(address: str) -> bool:
    try:
        proxy_of(address)
    except ValueError:
        return False
    return True


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
