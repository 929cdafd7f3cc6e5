"""A provider of both kinds that answers each stream with the bytes of a real one: the model's name says which."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.dialects.recorded import RECORDED

STREAMS = {recorded.name: recorded.data for recorded in RECORDED}


async def _answer(request: web.Request) -> web.Response:
    model = (await request.json())["model"]
    return web.Response(body=STREAMS[model], content_type="text/event-stream")


@asynccontextmanager
async def replaying() -> AsyncIterator[str]:
    """Serve on a port that the system chose; gives the base URL."""
    app = web.Application()
    app.router.add_post("/v1/{rest:.*}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
