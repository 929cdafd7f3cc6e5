"""The whole daemon in process, on ports the system chose, answered by the simulator without delays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from gateway.adapters.clock import SystemClock
from gateway.app import running
from gateway.config.settings import Address, Settings
from gateway.runtime.reloader import Reloader

T = TypeVar("T")
LONGEST_S = 20.0
"""How long an event that must come is waited for; a test that passes never waits this long."""
GLANCE_S = 0.02

PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "execute": "/v1/execute",
}
"""The surfaces whose answers are text."""
EMBEDDINGS, COUNT_TOKENS = "/v1/embeddings", "/v1/messages/count_tokens"


async def until(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Look again and again until there is something to see; fails, naming it, when it does not come."""
    try:
        async with asyncio.timeout(LONGEST_S):
            while (seen := await look()) is None:  # noqa: ASYNC110 - what is waited for is behind HTTP
                await asyncio.sleep(GLANCE_S)
            return seen
    except TimeoutError:
        raise AssertionError(f"there is still no {what}") from None


def body_of(
    surface: str, *, stream: bool = False, prompt: str = "Why is the sky blue?", model: str = "auto"
) -> dict[str, Any]:
    """Give a plain request of a surface."""
    if surface == "execute":
        return {"prompt": prompt}
    if surface == "embeddings":
        return {"model": model, "input": prompt}
    if surface == "responses":
        return {"model": model, "stream": stream, "input": prompt}
    most = {"max_tokens": 300} if surface == "messages" else {}
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}], **most}


@dataclass(frozen=True)
class Daemon:
    """A running daemon: its address, its directories, a client for it, and its simulator's control endpoints."""

    url: str
    simulator: str
    rules: Path
    data: Path
    reloader: Reloader
    http: aiohttp.ClientSession

    def write(self, name: str, text: str) -> None:
        """Write a rule file in place."""
        (self.rules / name).write_text(text, encoding="utf-8")

    def ask(  # its answer is an asynchronous context manager
        self,
        surface: str,
        *,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        prompt: str = "Why is the sky blue?",
        model: str = "auto",
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send a plain request."""
        body = body_of(surface, stream=stream, prompt=prompt, model=model)
        return self.http.post(self.url + PATHS[surface], json=body, headers=headers)

    async def get(self, path: str) -> Any:  # noqa: ANN401 - decoded JSON
        """Read JSON from the daemon."""
        async with self.http.get(self.url + path) as response:
            return await response.json()

    async def fault(
        self,
        model: str,
        fault: str,
        count: int | None = None,
        per_token_s: float | None = None,
        first_content_s: float | None = None,
    ) -> None:
        """Script a fault for an upstream model; `count` None is for ever."""
        script = {"model": model, "fault": fault, "count": count, "per_token_s": per_token_s}
        script["first_content_s"] = first_content_s
        async with self.http.post(f"{self.simulator}/faults", json=script) as response:
            assert response.status == 200, await response.text()

    async def clear(self) -> None:
        """Take all faults off the board, and forget all requests."""
        for path in ("/faults", "/requests"):
            async with self.http.delete(self.simulator + path) as response:
                assert response.status == 200

    async def upstream(self, settle_s: float = 5) -> Any:  # noqa: ANN401 - decoded JSON
        """Give what the simulator saw, once nothing is under way there."""
        async with self.http.get(f"{self.simulator}/requests?settle={settle_s}") as response:
            return await response.json()

    async def row(self, request_id: str) -> dict[str, Any]:
        """Give the row of a request, once it is written."""

        async def look() -> dict[str, Any] | None:
            rows = (await self.get("/api/log?limit=1000"))["rows"]
            return next((row for row in rows if row["id"] == request_id), None)

        return await until(look, f"row {request_id}")

    async def rows(self, count: int) -> Sequence[dict[str, Any]]:
        """Give all rows, the latest first, once there are `count` of them."""

        async def look() -> Sequence[dict[str, Any]] | None:
            rows: list[dict[str, Any]] = []
            page = await self.get("/api/log?limit=1000")
            while page["rows"]:
                rows += page["rows"]
                if page["next"] is None:
                    break
                page = await self.get(f"/api/log?limit=1000&before={page['next']}")
            return rows if len(rows) >= count else None

        return await until(look, f"set of {count} rows")

    async def generation(self, than: int) -> dict[str, Any]:
        """Give the status, once a generation later than `than` runs."""
        return await self.status(lambda status: status["generation"] > than, f"generation after {than}")

    async def status(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Give the status, once it is as wanted."""

        async def look() -> dict[str, Any] | None:
            status: dict[str, Any] = await self.get("/api/status")
            return status if wanted(status) else None

        return await until(look, what)

    async def metrics(self) -> dict[tuple[str, ...], float]:
        """Give every sample by its name and the values of its labels, in the order of the labels' names."""
        async with self.http.get(f"{self.url}/metrics") as response:
            return samples(await response.text())


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Read an exposition: (name, label values in the order of the labels' names) to value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@asynccontextmanager
async def daemon(
    directory: Path, files: Mapping[str, str], *, simulate: bool = True, clock: SystemClock | None = None
) -> AsyncIterator[Daemon]:
    """Run a daemon over rule files; `directory` gets `rules.d` and `data`."""
    rules, data = directory / "rules.d", directory / "data"
    rules.mkdir(exist_ok=True)
    for name, text in files.items():
        (rules / name).write_text(text, encoding="utf-8")
    settings = Settings(rules, data, Address("127.0.0.1", 0), simulate=simulate, simulate_speed=0.0)
    # A connection for each request: one that a fault broke must not colour the next.
    async with (
        running(settings, clock=clock) as started,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as http,
    ):
        yield Daemon(started.address, started.simulator, rules, data, started.reloader, http)
