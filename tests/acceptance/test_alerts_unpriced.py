"""A provider that answers with other models than it is asked for, to whoever is to be told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.fakes.daemon import Daemon, daemon
from tests.fakes.hooks import hooks

RULES = """\
providers:
  local: {{kind: openai, base_url: "{url}/v1", api_key: none}}
models:
  large: {{provider: local, model: up-large, price: {{input: 1, output: 10}}}}
receivers:
  ops: {{kind: generic, url: {{env: OPS}}}}
alerts:
  rules: {{kind: config_rejected, notify: [ops]}}
  price: {{kind: unpriced, notify: [ops]}}
rules: [{{name: all, route: [large]}}]
"""


@asynccontextmanager
async def answering_as(*names: str) -> AsyncIterator[str]:
    """Run a provider that says of its answers in turn that these models gave them, the last one from then on."""
    waiting = list(names)

    async def answer(_: web.Request) -> web.Response:
        name = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1_000, "completion_tokens": 100}
        return web.json_response({"id": "c", "model": name, "choices": [choice], "usage": usage})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ask(running: Daemon, times: int) -> None:
    for _ in range(times):
        async with running.ask("chat") as response:
            assert response.status == 200, await response.text()


async def test_another_model_that_answers_is_charged_flagged_counted_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-67: at the price of the model that was asked for; the message says which that was, and which answered."""
    async with answering_as("up-large", "up-large-2026-01-01", "impostor-9") as provider, hooks() as there:
        monkeypatch.setenv("OPS", f"{there.url}/ops")
        async with daemon(tmp_path, {"rules.yaml": RULES.format(url=provider)}, simulate=False) as running:
            await ask(running, 5)
            (told,) = await there.until("ops", 1)
            assert (told.data["alert"], told.data["phase"]) == ("price", "firing")
            assert told.data["summary"].endswith("a model that their price is not of: large by impostor-9")
            assert told.data["values"]["answered_by"] == {"large": "impostor-9"}
            rows = await running.rows(5)
            flags = [row["attempts"][-1].get("unpriced", False) for row in reversed(rows)]
            assert flags == [False, False, True, True, True]
            assert {row["cost_nano_usd"] for row in rows} == {1_000 * 1_000 + 100 * 10_000}
            assert (await running.metrics())["rulegate_unpriced_requests_total",] == 3
            await ask(running, 5)
            assert (await running.metrics())["rulegate_unpriced_requests_total",] == 8
            running.write("broken.yaml", "rules: [{name: broken, route: nowhere}]\n")
            assert [each.data["alert"] for each in await there.until("ops", 2)] == ["price", "rules"]
