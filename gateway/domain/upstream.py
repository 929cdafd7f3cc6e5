"""A call to a provider and the reply, as both sides of the transport speak of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from msgspec import Struct

from gateway.domain.registry import Cloud
from gateway.domain.rule import Timeouts
from gateway.domain.words import Dialect, Failure


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a connection trusts, and by what it shows who we are: files of PEM, empty for none.

    `stamp` tells one content of the files from another. Without a `ca_file` those of the system are trusted.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    stamp: str = ""


SYSTEM: Final = Trust()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client library is given to show who we are; None is for what is not given."""

    api_key: str | None = field(default=None, repr=False)
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Library:
    """The client library of a provider, and what it needs to know of an account with a cloud."""

    kind: Dialect
    base_url: str = ""
    cloud: Cloud | None = None
    credentials: Credentials = Credentials()


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """How a provider is connected to; the same object for all calls of a generation.

    `proxy` is the address of an HTTP proxy, with the user and the password it wants; empty for none. `headers` go out
    beside those of the call, and before those of the same name. Without a `library` the transport writes the requests.
    """

    proxy: str = field(default="", repr=False)
    trust: Trust = SYSTEM
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    library: Library | None = None


DIRECT: Final = Way()


class Call(Struct, frozen=True, gc=False):
    """One HTTP POST to a provider; `timeouts.connect_s` is the transport's to keep, the others are the executor's."""

    provider: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeouts: Timeouts
    way: Way = DIRECT


class UpstreamError(Exception):
    """No reply came, or it broke off. `failure` says in which way, the message says it to a person.

    `ours` says that it is no fault of the provider's: this machine could not ask.
    """

    def __init__(self, failure: Failure, message: str, *, ours: bool = False) -> None:
        super().__init__(message)
        self.failure = failure
        self.ours = ours


class Reply(Protocol):
    """A reply whose head has come. It must be closed; closing before its end closes the connection."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields by lower-case name."""
        ...

    def header(self, name: str) -> str:
        """Give a header field by lower-case name, empty for none."""
        ...

    async def read(self) -> bytes:
        """Give the whole body. Raises UpstreamError."""
        ...

    async def chunk(self) -> bytes:
        """Give the bytes that came next, empty at the end. Raises UpstreamError."""
        ...

    def close(self, *, finished: bool = False) -> None:
        """Let go of the connection: back to the pool when the body was read to its end, else closed.

        `finished` says that nothing more is expected than the end of the body.
        """
        ...
