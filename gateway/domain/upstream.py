"""A call to a provider and the reply, as both sides of the transport speak of them."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from gateway.domain.rule import Timeouts
from gateway.domain.words import Failure


class Call(Struct, frozen=True, gc=False):
    """One HTTP POST to a provider; `timeouts.connect_s` is the transport's to keep, the others are the executor's."""

    provider: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeouts: Timeouts


class UpstreamError(Exception):
    """No reply came, or it broke off. `failure` says in which way, the message says it to a person."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


class Reply(Protocol):
    """A reply whose head has come. It must be closed; closing before its end closes the connection."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields by lower-case name."""
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
