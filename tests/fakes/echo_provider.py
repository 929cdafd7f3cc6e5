"""A provider of both dialects that keeps all it is sent and says it back in its errors, as careless ones do."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def whole(self) -> str:
        """Give all of it as text."""
        return "\n".join((self.path, *(f"{name}: {value}" for name, value in self.headers.items()), self.body))


@dataclass
class Echo:
    """What arrived, and the status to answer by the provider's name in the path."""

    statuses: Mapping[str, int]
    url: str = ""
    sent: list[Sent] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with an error that quotes the request."""
        sent = Sent(request.path_qs, dict(request.headers), await request.text())
        self.sent.append(sent)
        status = self.statuses[request.match_info["provider"]]
        return web.json_response({"error": {"type": "oops", "message": f"refused: {sent.whole}"}}, status=status)


@asynccontextmanager
async def echoing(statuses: Mapping[str, int]) -> AsyncIterator[Echo]:
    """Serve the providers `/{provider}/v1/...` on a port that the system chose."""
    echo = Echo(statuses)
    app = web.Application()
    app.router.add_post("/{provider}/v1/{rest:.*}", echo.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        echo.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield echo
    finally:
        await runner.cleanup()
