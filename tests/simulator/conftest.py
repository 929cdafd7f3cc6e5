"""A started simulator without delays, and a plain client for it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.simulator.faults import Faults
from gateway.simulator.server import build_app, start
from gateway.simulator.world import Question, digest_of
from tests.simulator.plain_client import Simulated


@pytest.fixture
async def simulated() -> AsyncIterator[Simulated]:
    faults = Faults()
    runner, port = await start(build_app(faults, speed=0))
    try:
        # A connection for each request: one that a fault broke must not colour the next.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as client:
            yield Simulated(f"http://127.0.0.1:{port}", faults, client)
    finally:
        await runner.cleanup()


@pytest.fixture
def question() -> Question:
    return Question(
        model="gpt-4o-mini",
        prompt="Why is the sky blue?",
        input_characters=400,
        output_limit=None,
        stop=(),
        stream=False,
        stream_usage=True,
        digest=digest_of({"model": "gpt-4o-mini", "messages": "Why is the sky blue?"}),
    )
