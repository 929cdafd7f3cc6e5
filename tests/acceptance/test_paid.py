"""What was used is paid, and what a caller is told of an answer is what the provider said."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.fakes.daemon import daemon

THOUGHT = {
    "id": "c1",
    "model": "thinker-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 4000, "completion_tokens_details": {"reasoning_tokens": 4000}},
}
REFUSED = {
    "id": "c2",
    "model": "polite-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "refusal": "I will not."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5},
}
ANSWERED = {
    "id": "c3",
    "model": "plain-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5},
}
UNCOUNTED = {**ANSWERED, "model": "vague-1", "usage": {"prompt_tokens": 10, "completion_tokens": None}}
ANSWERS = {"thinker": THOUGHT, "polite": REFUSED, "plain": ANSWERED, "vague": UNCOUNTED}


@asynccontextmanager
async def providers() -> AsyncIterator[str]:
    """Serve one model a provider, each with its own answer."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(ANSWERS[request.match_info["name"]])

    app = web.Application()
    app.router.add_post("/{name}/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def rules(url: str, *chain: str) -> dict[str, str]:
    lines = ["providers:"]
    lines += [f'  {name}: {{kind: openai, base_url: "{url}/{name}/v1", api_key: none}}' for name in ANSWERS]
    lines += ["models:"]
    lines += [f"  {name}: {{provider: {name}, model: {name}-1, price: {{input: 1, output: 10}}}}" for name in ANSWERS]
    lines += ["rules:", f"  - {{name: all, deadline: 500ms, route: [{', '.join(chain)}]}}"]
    return {"rules.yaml": "\n".join(lines) + "\n"}


def chat(surface: str = "chat") -> dict[str, Any]:
    limit = {"max_tokens": 50} if surface == "messages" else {}
    return {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **limit}


async def test_an_answer_of_thoughts_alone_is_paid_and_the_next_model_answers(tmp_path: Path) -> None:
    """U-36 U-63: 4,000 tokens were used before nothing was said; header, row and metric hold both attempts."""
    async with providers() as url, daemon(tmp_path, rules(url, "thinker", "plain"), simulate=False) as running:
        async with running.http.post(f"{running.url}/v1/chat/completions", json=chat()) as response:
            assert response.headers["x-rulegate-model"] == "plain"
            cost_usd = float(response.headers["x-rulegate-cost-usd"])
            row = await running.row(response.headers["x-rulegate-request-id"])
        assert row["cost_nano_usd"] == round(cost_usd * 1e9) == (100 + 40_000 + 10 + 50) * 1_000
        samples = await running.metrics()
        assert samples["rulegate_tokens_total", "thinker", "reasoning"] == 4_000


async def test_an_output_that_nobody_counted_is_estimated_and_not_free(tmp_path: Path) -> None:
    """U-32 U-34: the input is as reported, the output as long as the text, and the row says that it is a guess."""
    async with providers() as url, daemon(tmp_path, rules(url, "vague"), simulate=False) as running:
        async with running.http.post(f"{running.url}/v1/chat/completions", json=chat()) as response:
            row = await running.row(response.headers["x-rulegate-request-id"])
        assert (row["fresh_input_tokens"], row["output_tokens"], row["usage_source"]) == (10, 1, "estimated")


async def test_a_refusal_is_said_in_every_dialect(tmp_path: Path) -> None:
    """U-44: its words are the answer's, and its reason is a refusal."""
    async with providers() as url, daemon(tmp_path, rules(url, "polite"), simulate=False) as running:
        async with running.http.post(f"{running.url}/v1/messages", json=chat("messages")) as response:
            answer = await response.json()
        assert (answer["content"], answer["stop_reason"]) == ([{"type": "text", "text": "I will not."}], "refusal")
        async with running.http.post(f"{running.url}/v1/execute", json={"prompt": "hello"}) as response:
            assert (await response.json())["text"] == "I will not."


async def test_a_slow_upload_is_neither_our_time_nor_the_deadlines(tmp_path: Path) -> None:
    """U-22 U-97: a deadline of half a second begins when the request is there."""
    loop, passed = asyncio.get_running_loop(), asyncio.Event()
    upload_ms = 0.0

    async def body() -> AsyncIterator[bytes]:
        nonlocal upload_ms
        began_s = loop.time()
        yield b'{"model": "auto", "messages": [{"role": "user", '
        loop.call_later(0.7, passed.set)  # the deadline passes while the request is on its way
        async with asyncio.timeout(30):
            await passed.wait()
        upload_ms = (loop.time() - began_s) * 1000
        yield b'"content": "hello"}]}'

    said = {"content-type": "application/json"}
    async with (
        providers() as url,
        daemon(tmp_path, rules(url, "plain"), simulate=False) as running,
        running.http.post(f"{running.url}/v1/chat/completions", data=body(), headers=said) as response,
    ):
        assert response.status == 200
        assert float(response.headers["x-rulegate-overhead-ms"]) < upload_ms


async def test_bytes_that_are_not_what_they_say_are_refused_and_no_bug(tmp_path: Path, caplog: Any) -> None:  # noqa: ANN401 - pytest's
    """U-113: a body that says gzip and is none; and one that is."""
    async with providers() as url, daemon(tmp_path, rules(url, "plain"), simulate=False) as running:
        for path in ("/v1/chat/completions", "/v1/route"):
            said = {"content-encoding": "gzip"}
            async with running.http.post(running.url + path, data=b"not gzip", headers=said) as response:
                assert response.status == 400
                assert "gzip" in (await response.json())["error"]["message"]
            whole = gzip.compress(b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}]}')
            async with running.http.post(running.url + path, data=whole, headers=said) as response:
                assert response.status == 200
    assert "bug" not in caplog.text
