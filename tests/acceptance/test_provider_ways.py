"""The whole daemon over proxies, private authorities and client libraries: all attempts, whole and streamed."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.simulator.faults import Fault, Faults, Script
from gateway.simulator.server import build_app, start
from tests.fakes.certificates import certified
from tests.fakes.daemon import PATHS, Daemon, body_of, daemon
from tests.fakes.event_stream import event, exception
from tests.fakes.forward_proxy import forwarding, pump
from tests.fakes.process import fails, serving

HOST = "llm.example.test"
KEY = "sk-canary-of-the-provider"
PASSWORD = "canary-of-the-proxy"
HEADER = "canary-of-a-header"


RULES = """\
providers:
  openai: {{kind: openai, base_url: "{url}/openai/v1", api_key: {{env: PROVIDER_KEY}}, {more}}}
  anthropic: {{kind: anthropic, base_url: "{url}/anthropic", api_key: {{env: PROVIDER_KEY}}, {more}}}
models:
  broken: {{provider: openai, model: gpt-5-nano, price: free}}
  flaky: {{provider: openai, model: gpt-5, price: free}}
  mini: {{provider: openai, model: gpt-5-mini, price: free}}
  haiku: {{provider: anthropic, model: claude-haiku-4-5, price: free}}
rules:
  - {{name: all, when: {{model: auto}}, route: [broken, {{model: flaky, tries: 2}}]}}
"""


@dataclass
class Providers:
    """The simulated providers, of which one model is broken and another fails once."""

    port: int
    faults: Faults

    def once_more(self) -> None:
        self.faults.put("gpt-5", Script(Fault.SERVER_ERROR, remaining=1))


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    faults = Faults()
    faults.put("gpt-5-nano", Script(Fault.SERVER_ERROR))
    runner, port = await start(build_app(faults, speed=0.0))
    yield Providers(port, faults)
    await runner.cleanup()


@contextlib.asynccontextmanager
async def behind_tls(port: int, tls: SSLContext) -> AsyncIterator[int]:
    """Put TLS before a server; give its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ExceptionGroup, asyncio.CancelledError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pump(reader, out))
                tasks.create_task(pump(there, writer))
        out.close()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


SURFACES = [(surface, stream) for surface in PATHS for stream in (False, True) if surface != "execute" or not stream]


async def all_answered(running: Daemon, providers: Providers) -> None:
    """Ask for a first try, a fallback and a retry, and on each surface, whole and streamed, for each dialect."""
    for surface, stream in (("chat", False), ("messages", True)):
        providers.once_more()
        async with running.ask(surface, stream=stream) as response:
            said = await response.text()
            assert (response.status, response.headers["x-rulegate-model"]) == (200, "flaky"), said
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert [each["failure"] for each in row["attempts"]] == ["server_error", "server_error", None]
    for surface, stream in SURFACES:
        for model in ("mini", "haiku"):
            if surface != "execute":
                async with running.ask(surface, stream=stream, model=model) as response:
                    assert response.status == 200, await response.text()
                row = await running.row(response.headers["x-rulegate-request-id"])
                assert (row["model"], row["outcome"]) == (model, "answered")


@pytest.mark.parametrize("via", ["http", "sdk"])
async def test_each_attempt_goes_through_the_proxy_to_a_private_authority(
    tmp_path: Path, providers: Providers, monkeypatch: pytest.MonkeyPatch, via: str
) -> None:
    """U-116: the first try, the retry and the fallback, of both dialects, whole and streamed."""
    monkeypatch.setenv("PROVIDER_KEY", KEY)
    tls = certified(tmp_path, HOST)
    async with (
        behind_tls(providers.port, tls.server) as port,
        forwarding({f"{HOST}:443": port}, user=f"gateway:{PASSWORD}") as proxy,
    ):
        monkeypatch.setenv("PROVIDER_PROXY", proxy.url.replace("//", f"//gateway:{PASSWORD}@"))
        more = f"via: {via}, ca_file: {tls.authority}, proxy: {{env: PROVIDER_PROXY}}"
        rules = RULES.format(url=f"https://{HOST}", more=more)
        async with daemon(tmp_path, {"r.yaml": rules}, simulate=False) as running:
            await all_answered(running, providers)
            shown = str(await running.get("/api/config"))
        assert set(proxy.lines) == {f"CONNECT {HOST}:443 HTTP/1.1"}
    assert f"'via': '{via}'" in shown
    assert not any(secret in shown for secret in (KEY, PASSWORD))


@pytest.mark.parametrize("via", ["http", "sdk"])
async def test_the_proxy_of_the_environment_is_obeyed_and_nothing_secret_is_said(
    tmp_path: Path, providers: Providers, via: str
) -> None:
    """U-114 U-116: at the most talkative level; headers of the provider's own arrive with its key."""
    (tmp_path / "rules.d").mkdir()
    more = f"via: {via}, headers: {{x-team: ops, X-Corp-Key: {{env: CORP_KEY}}}}"
    (tmp_path / "rules.d" / "r.yaml").write_text(RULES.format(url=f"http://{HOST}", more=more))
    async with forwarding({HOST: providers.port}, user=f"gateway:{PASSWORD}") as proxy:
        env = {
            "http_proxy": proxy.url.replace("//", f"//gateway:{PASSWORD}@"),
            "PROVIDER_KEY": KEY,
            "CORP_KEY": HEADER,
            "OPENAI_CUSTOM_HEADERS": "x-leak: canary",
            "OPENAI_LOG": "debug",
        }
        serve = serving("--log-level", "debug", directory=tmp_path, env=env)
        async with serve as running, aiohttp.ClientSession(trust_env=False) as http:
            said = []
            for model, stream in (("mini", False), ("haiku", True)):
                body = body_of("chat", stream=stream, model=model, prompt="canary prompt")
                async with http.post(running.url + PATHS["chat"], json=body) as response:
                    assert response.status == 200
                    await response.read()
            for path in ("/api/config", "/api/log", "/api/status", "/metrics"):
                async with http.get(running.url + path) as response:
                    said.append(await response.text())
            assert await running.end(signal.SIGTERM) == 0
        said.append(running.words)
    assert not [text for text in said for secret in (KEY, PASSWORD, HEADER, "canary") if secret in text]
    heads = [head.decode().lower() for head in proxy.heads]
    assert heads
    for head in heads:
        assert f"x-corp-key: {HEADER}" in head
        assert "x-team: ops" in head
        assert head.count(KEY) == 1
        assert "leak" not in head


async def test_a_rehearsal_needs_nothing_of_what_leads_to_providers(tmp_path: Path) -> None:
    """U-54: no certificate, proxy, secret, library or cloud; every provider is the simulator."""
    rules = """\
providers:
  azure: {kind: openai, api_key: none, base_url: "https://r.openai.azure.com", azure: {api_version: v}}
  bedrock: {kind: anthropic, api_key: {env: NOWHERE}, proxy: {env: NOWHERE}, bedrock: {region: us-east-1}}
  private: {kind: openai, via: sdk, api_key: none, ca_file: /gone.pem, headers: {x-key: {file: /gone}}}
models:
  a: {provider: azure, model: gpt-5-mini, price: free}
  b: {provider: bedrock, model: claude-haiku-4-5, price: free}
  c: {provider: private, model: gpt-5-nano, price: free}
rules:
  - {name: all, route: [a, b, c]}
"""
    async with daemon(tmp_path, {"r.yaml": rules}) as running:
        for model, upstream in (("a", "gpt-5-mini"), ("b", "claude-haiku-4-5"), ("c", "gpt-5-nano")):
            async with running.ask("chat", model=model) as response:
                assert f"(simulated {upstream})" in await response.text()


async def test_what_keeps_a_provider_from_being_reached_stops_a_start_and_a_reload(
    tmp_path: Path, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-86 U-126: at the start with the words for it; at a reload the rules that run go on."""
    monkeypatch.setenv("PROVIDER_KEY", KEY)
    url = f"http://127.0.0.1:{providers.port}"
    bad, good = (
        RULES.format(url=url, more=f"ca_file: {file}") for file in ("/gone.pem", certified(tmp_path, HOST).authority)
    )
    for folder in (tmp_path / "rules.d", tmp_path / "running"):
        folder.mkdir()
    (tmp_path / "rules.d" / "r.yaml").write_text(bad)
    code, said = await fails(directory=tmp_path, env={"PROVIDER_KEY": KEY})
    assert (code, "Traceback" in said) == (1, False)
    assert "r.yaml:2:3: provider 'openai': file /gone.pem cannot be read" in said
    async with daemon(tmp_path / "running", {"r.yaml": good}, simulate=False) as running:
        running.write("r.yaml", bad)
        rejected = (await running.status(lambda status: status["rejected"] is not None, "rejection"))["rejected"]
        assert "file /gone.pem cannot be read" in str(rejected["problems"])
        async with running.ask("chat", model="mini") as response:
            assert response.status == 200
        running.write("r.yaml", good.replace("ca_file", "via: sdk, ca_file"))
        await running.generation(1)
        async with running.ask("messages", model="haiku", stream=True) as response:
            assert (response.status, response.headers["x-rulegate-model"]) == (200, "haiku")


# -- the clouds


Answers = Callable[[str, Any], web.Response]
"""From the last word of a path and the body to an answer."""


@dataclass
class Cloud:
    """A cloud on loopback, and what it was asked."""

    answers: Answers
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return self.answers(request.path.rsplit("/", 1)[1].rpartition(":")[2], await request.json())


@contextlib.asynccontextmanager
async def cloudy(answers: Answers) -> AsyncIterator[Cloud]:
    cloud = Cloud(answers)
    app = web.Application()
    app.router.add_post("/{rest:.*}", cloud.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        cloud.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield cloud
    finally:
        await runner.cleanup()


USAGE = {"input_tokens": 11, "output_tokens": 7}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "Rayleigh."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 11}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Rayleigh."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 11}},
]
FRAMED = b"".join(event(json.dumps(each)) for each in EVENTS)
SSE = b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in EVENTS)
EVENT_STREAM = "application/vnd.amazon.eventstream"
ANTHROPIC_CLOUDS = {
    "bedrock": (
        "bedrock: {region: us-east-1, access_key_id: {env: ID}, secret_access_key: {env: KEY}}",
        "none",
        {"invoke-with-response-stream": (FRAMED, EVENT_STREAM)},
    ),
    "vertex": (
        "vertex: {region: us-east5, project: p}",
        "{env: TOKEN}",
        {"streamRawPredict": (SSE, "text/event-stream")},
    ),
}


def rules_of(cloud: str, kind: str, key: str, url: str) -> str:
    return f"""\
providers:
  cloud: {{kind: {kind}, base_url: "{url}", api_key: {key}, {cloud}}}
models:
  m: {{provider: cloud, model: "model-1:0", price: {{input: 1, output: 5}}}}
rules:
  - {{name: all, route: [m]}}
"""


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    for name in ("ID", "KEY", "TOKEN"):
        monkeypatch.setenv(name, f"canary-{name}")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("cloud", ANTHROPIC_CLOUDS)
async def test_a_cloud_with_anthropics_models_answers_on_each_surface(tmp_path: Path, cloud: str) -> None:
    """U-33: its answers are read, metered and booked as those of Anthropic's own API, streamed or not."""
    written, key, streams = ANTHROPIC_CLOUDS[cloud]

    def answer(verb: str, _: object) -> web.Response:
        body, content_type = streams.get(verb, (json.dumps(MESSAGE).encode(), "application/json"))
        return web.Response(body=body, content_type=content_type)

    async with cloudy(answer) as there:
        rules = rules_of(written, "anthropic", key, there.url)
        async with daemon(tmp_path, {"r.yaml": rules}, simulate=False) as running:
            for surface, stream in SURFACES:
                async with running.ask(surface, stream=stream) as response:
                    said = await response.text()
                    assert (response.status, "Rayleigh." in said) == (200, True), said
                    assert "amazon" not in said or surface == "messages"
                row = await running.row(response.headers["x-rulegate-request-id"])
                assert (row["usage_source"], row["cost_nano_usd"]) == ("reported", 11 * 1000 + 7 * 5000)
                assert row["response_model"] == "claude-haiku-4-5"
        assert len(there.asked) == len(SURFACES)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("kind", "failure"),
    [("throttlingException", "rate_limited"), ("serviceUnavailableException", "overloaded")],
)
async def test_what_ends_a_stream_of_bedrock_is_a_failure_of_its_kind(tmp_path: Path, kind: str, failure: str) -> None:
    """U-14: before content the chain goes on, and knows why."""
    written, key, _ = ANTHROPIC_CLOUDS["bedrock"]
    body = event(json.dumps(EVENTS[0])) + exception(kind, "slow down")
    async with cloudy(lambda *_: web.Response(body=body, content_type=EVENT_STREAM)) as there:
        rules = rules_of(written, "anthropic", key, there.url)
        async with daemon(tmp_path, {"r.yaml": rules}, simulate=False) as running:
            async with running.ask("messages", stream=True) as response:
                assert response.status in (429, 503, 529)
            row = await running.row(response.headers["x-rulegate-request-id"])
    assert [each["failure"] for each in row["attempts"]] == [failure]


@pytest.mark.usefixtures("keys")
async def test_azure_answers_on_each_surface(tmp_path: Path) -> None:
    """With what Azure adds to OpenAI's answers: results of its filters, in a chunk without choices first."""
    filtered = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    base = {"id": "c1", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    answer = {"role": "assistant", "content": "Rayleigh."}
    whole = {**base, **filtered, "object": "chat.completion", "usage": usage}
    whole["choices"] = [{"index": 0, "finish_reason": "stop", "message": answer, "content_filter_results": {}}]
    chunks: list[dict[str, Any]] = [
        {"id": "", "object": "", "model": "", "created": 0, "choices": [], **filtered},
        {**base, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": answer, "finish_reason": None}]},
        {**base, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**base, "object": "chat.completion.chunk", "choices": [], "usage": usage},
    ]
    stream = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"

    def answered(_: str, body: dict[str, Any]) -> web.Response:
        if body.get("stream"):
            return web.Response(body=stream, content_type="text/event-stream")
        return web.json_response(whole)

    async with cloudy(answered) as there:
        rules = rules_of('azure: {api_version: "2024-10-21"}', "openai", "{env: KEY}", there.url)
        async with daemon(tmp_path, {"r.yaml": rules}, simulate=False) as running:
            for surface, streamed in SURFACES:
                async with running.ask(surface, stream=streamed) as response:
                    said = await response.text()
                    assert (response.status, "Rayleigh." in said) == (200, True), said
                row = await running.row(response.headers["x-rulegate-request-id"])
                assert (row["usage_source"], row["cost_nano_usd"]) == ("reported", 11 * 1000 + 7 * 5000)
    assert set(there.asked) == {"/openai/deployments/model-1%3A0/chat/completions?api-version=2024-10-21"}
