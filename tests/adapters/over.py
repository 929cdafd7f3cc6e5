"""A transport that sends all calls in one way: over our own connections, or with a client library before them."""

from dataclasses import replace

from msgspec import structs

from gateway.adapters.transport import LARGEST_ANSWER_BYTES, HttpTransport
from gateway.domain.upstream import Call, Library, Reply
from gateway.wiring.ways import Ways, load

WAYS = ("http", "sdk-openai", "sdk-anthropic")


class Over:
    """The transport of a daemon, for providers of one kind; made inside a running loop, closed once."""

    def __init__(self, library: Library | None, largest_answer_bytes: int = LARGEST_ANSWER_BYTES) -> None:
        if library is not None:
            load(library)
        self.library = library
        self._ways = Ways(HttpTransport(largest_answer_bytes))

    async def send(self, call: Call) -> Reply:
        """Send a call in that way."""
        return await self._ways.send(structs.replace(call, way=replace(call.way, library=self.library)))

    async def close(self) -> None:
        """Close all connections."""
        await self._ways.close()
