"""The floor that the gateway is measured against: a bare reverse proxy of aiohttp's server and client.

It looks at nothing: bodies pass as bytes, streams as they come. Started as `proxy.py UPSTREAM`, it prints its port.
"""

import asyncio
import logging
import sys

import aiohttp
import uvloop
from aiohttp import web
from yarl import URL

PATHS = ("/v1/chat/completions", "/v1/messages")
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer sk-of-the-bench"}


def build(upstream: str, session: aiohttp.ClientSession) -> web.Application:
    """Give the application that passes requests on to `upstream`."""
    urls = {path: URL(upstream + path) for path in PATHS}

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with session.post(urls[request.path], data=body, headers=HEADERS) as reply:
            kind = reply.headers.get("Content-Type", "application/json")
            if not kind.startswith("text/event-stream"):
                return web.Response(body=await reply.read(), status=reply.status, content_type="application/json")
            response = web.StreamResponse(status=reply.status, headers={"Content-Type": kind})
            await response.prepare(request)
            async for chunk in reply.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    app = web.Application(client_max_size=64 << 20)
    for path in PATHS:
        app.router.add_post(path, handle)
    return app


async def serve(upstream: str) -> None:
    """Serve until killed."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, use_dns_cache=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
    )
    async with session:
        runner = web.AppRunner(build(upstream, session), access_log=None, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    uvloop.run(serve(sys.argv[1]))
