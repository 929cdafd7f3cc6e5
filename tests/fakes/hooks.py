"""Receivers of alerts on a port that the system chose: each path is one, and behaves as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.daemon import until

Behave = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Got:
    """One request as it arrived."""

    receiver: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its webhook-id."""
        return self.headers.get("webhook-id", "")

    @property
    def data(self) -> Any:  # noqa: ANN401 - decoded JSON
        """What the message of a generic receiver is about."""
        return json.loads(self.body)["data"]


@dataclass
class Hooks:
    """The receivers, by the first part of the path; one that no behaviour is given for takes everything."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    behaviours: dict[str, Behave] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Take a request, and answer as this receiver does."""
        name = request.match_info["name"]
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.got.append(Got(name, headers, await request.read()))
        self.asked.set()
        behave = self.behaviours.get(name)
        return web.Response() if behave is None else await behave(request)

    def of(self, receiver: str) -> list[Got]:
        """Give what a receiver got."""
        return [each for each in self.got if each.receiver == receiver]

    async def until(self, receiver: str, count: int) -> list[Got]:
        """Give what a receiver got, once that is so many requests."""

        async def look() -> list[Got] | None:
            found = self.of(receiver)
            return found if len(found) >= count else None

        return await until(look, f"set of {count} requests to receiver {receiver}")


@asynccontextmanager
async def hooks() -> AsyncIterator[Hooks]:
    """Serve receivers at `/{name}/...`."""
    made = Hooks()
    app = web.Application()
    app.router.add_post("/{name}{rest:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()


def status(code: int, **headers: str) -> Behave:
    """Answer with a status."""

    async def behave(_: web.Request) -> web.Response:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return behave


async def hang(_: web.Request) -> web.Response:
    """Take the message, and never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def flood(request: web.Request) -> web.StreamResponse:
    """Answer with more than anybody reads."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)
