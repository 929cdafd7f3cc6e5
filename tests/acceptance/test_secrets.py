"""Unique secrets, prompts and answers are planted everywhere, and looked for in everything that comes out."""

import asyncio
import itertools
import json
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.simulator.faults import Fault, Faults, Script
from gateway.simulator.server import build_app, start
from tests.fakes import buggy
from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.daemon import PATHS, body_of, daemon, until
from tests.fakes.echo_provider import echoing
from tests.fakes.process import ROOT, Serving, serving
from tests.fakes.rule_files import HASTY, to_model

KEYS = {"OPENAI_API_KEY": "sk-canary-of-openai", "ANTHROPIC_API_KEY": "sk-ant-canary-of-anthropic"}
INBOUND = {
    "Authorization": "Bearer canary-inbound-bearer",
    "x-api-key": "canary-inbound-key",
    "Cookie": "session=canary-inbound-cookie",
    "Proxy-Authorization": "Basic canary-inbound-proxy",
}
QUERY = {"key": "canary-inbound-query", "api_key": "canary-inbound-query"}
LITERAL = "sk-canary-that-stands-in-a-rule-file"
CONFIGURED = (*KEYS.values(), LITERAL)
CREDENTIALS = (
    *CONFIGURED,
    *(value.split()[-1].removeprefix("session=") for value in INBOUND.values()),
    *QUERY.values(),
)
PROMPT = "canary-of-the-prompt"
HEADER = "canary-of-a-header"
TEXTS = (PROMPT, HEADER, "canary-of-the-system", "canary-of-a-turn", "canary-of-a-tool", "canary-of-metadata")
ANSWER = "(simulated "
"""Every answer of the simulator begins so, and nothing else holds it."""
FOREIGN = (*CREDENTIALS, *TEXTS)
"""What no other caller may be told."""

RULES = """\
providers:
  openai: {{kind: openai, base_url: "{url}/openai/v1", api_key: {{env: OPENAI_API_KEY}}}}
  anthropic: {{kind: anthropic, base_url: "{url}/anthropic/v1", api_key: {{file: {key_file}}}}}
models:
  mini: {{provider: openai, model: gpt-5-mini, price: free}}
  haiku: {{provider: anthropic, model: claude-haiku-4-5, price: free}}
rules:
  - {{name: looks, priority: 9, when: {{contains: [unlikely], header.x-note: unlikely}}, route: [mini]}}
  - {{name: all, route: [mini, haiku]}}
"""


def leaks(text: str, *secrets: str) -> list[str]:
    return [secret for secret in secrets if secret in text]


def prepare(directory: Path, url: str, more: str = "") -> Mapping[str, str]:
    """Write the rules, and one of the keys to a file; give the environment that has the other one."""
    (directory / "rules.d").mkdir()
    key_file = directory / "key-of-anthropic"
    key_file.write_text(KEYS["ANTHROPIC_API_KEY"] + "\n")
    (directory / "rules.d" / "rules.yaml").write_text(RULES.format(url=url, key_file=key_file) + more)
    return {"OPENAI_API_KEY": KEYS["OPENAI_API_KEY"]}


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_no_credential_and_no_prompt_comes_out_anywhere(tmp_path: Path, status: int) -> None:
    """U-59 U-60 U-114 U-115: not at another provider, in an error that quotes them, a row, a metric, a status, the
    configuration or a line of the log at its most talkative."""
    out: list[str] = []
    async with echoing({"openai": status, "anthropic": status}) as echo:
        env = prepare(tmp_path, echo.url)
        serve = serving("--log-level", "debug", directory=tmp_path, env=env)
        async with serve as daemon, aiohttp.ClientSession() as http:
            for surface in PATHS:
                for stream in (False, True):
                    body = body_of(surface, stream=stream, prompt=f"hello {PROMPT}")
                    url, headers = daemon.url + PATHS[surface], INBOUND | {"x-note": HEADER}
                    async with http.post(url, json=body, headers=headers, params=QUERY) as response:
                        error = await response.text()
                        assert response.status in (429, 502)
                        if status in (401, 403):  # what a provider says of our account is not for callers
                            assert leaks(error, *CREDENTIALS) == []
                        out += [str(dict(response.headers))]
            for path in ("/metrics", "/api/status", "/api/config", "/api/log", "/v1/models", "/readyz"):
                async with http.get(daemon.url + path) as response:
                    out.append(await response.text())
            assert await daemon.end(signal.SIGTERM) == 0
        out.append(daemon.words)
    stored = stored_in(tmp_path)
    assert "gpt-5-mini" in stored
    out.append(stored)
    assert [leaks(text, *CREDENTIALS, PROMPT, HEADER) for text in out] == [[]] * len(out)

    assert {sent.path.split("/")[1] for sent in echo.sent} == {"openai", "anthropic"}
    for sent in echo.sent:
        own = KEYS["OPENAI_API_KEY" if sent.path.startswith("/openai") else "ANTHROPIC_API_KEY"]
        assert leaks(sent.whole, *CREDENTIALS, HEADER) == [own]


async def test_a_provider_that_echoes_our_key_does_not_pass_it_to_the_caller(tmp_path: Path) -> None:
    """U-114: whatever the status of an error, the configured secret is not in what the caller gets."""
    async with echoing({}) as echo:
        env = prepare(tmp_path, echo.url)
        serve = serving(directory=tmp_path, env=env)
        async with serve as daemon, aiohttp.ClientSession() as http:
            for status in (400, 422, 429, 500, 503):
                echo.statuses = {"openai": status, "anthropic": status}
                async with http.post(daemon.url + PATHS["chat"], json=body_of("chat")) as response:
                    error = await response.text()
                assert leaks(error, *KEYS.values()) == []
                assert "refused: " in error


def stored_in(directory: Path) -> str:
    """Give the raw bytes of every file of the data directory, as text that keeps them all."""
    files = sorted(path for path in (directory / "data").rglob("*") if path.is_file())
    return b"".join(path.read_bytes() for path in files).decode("latin-1")


@dataclass
class World:
    """A daemon in a process of its own, and what came out of it: each text with what must not be in it."""

    daemon: Serving
    http: aiohttp.ClientSession
    directory: Path
    out: list[tuple[str, Sequence[str]]] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    async def ask(self, path: str, body: object, *, method: str = "POST", **headers: str) -> None:
        """Ask with every credential there is; the answer is the asker's own, its headers are for anybody to see."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        sent = {**INBOUND, "x-note": HEADER, "Content-Type": "application/json", **headers}
        try:
            async with self.http.request(
                method, self.daemon.url + path, data=data, headers=sent, params=QUERY
            ) as response:
                self.statuses.add(response.status)
                self.out.append((str(dict(response.headers)), (*FOREIGN, ANSWER)))
                self.out.append(((await response.read()).decode("latin-1"), CONFIGURED))
        except aiohttp.ClientError as error:
            self.out.append((repr(error), FOREIGN))

    async def leave(self, surface: str) -> None:
        """Begin a stream and leave it after its first bytes."""
        body = body_of(surface, stream=True, prompt=f"hello {PROMPT}")
        headers = {**INBOUND, "x-note": HEADER, "x-fault": f"o-{Fault.SLOW}"}
        response = await self.http.post(self.daemon.url + PATHS[surface], json=body, headers=headers)
        await response.content.readany()
        response.close()

    async def look(self, path: str, method: str = "GET", body: object = None, **headers: str) -> str:
        """Ask as somebody who has neither secrets nor prompts, and so must be told none."""
        async with self.http.request(method, self.daemon.url + path, json=body, headers=headers) as response:
            text = (await response.read()).decode("latin-1")
        self.out += [(str(dict(response.headers)), (*FOREIGN, ANSWER)), (text, FOREIGN)]
        return text

    async def paths(self) -> Sequence[tuple[str, str]]:
        """Give the methods and paths that there are, as the daemon lists them."""
        return re.findall(r"(GET|POST|PUT|DELETE) (/[\w/{}]*)", (await self.look("/nowhere")).partition("there is")[2])

    def found(self) -> list[list[str]]:
        """Give what came out that must not have, the daemon's words and files included."""
        kept = ((text, (*FOREIGN, ANSWER)) for text in (self.daemon.words, stored_in(self.directory)))
        return [found for text, secrets in (*self.out, *kept) if (found := leaks(text, *secrets))]


@asynccontextmanager
async def faulty_world(
    directory: Path, *arguments: str, program: Sequence[str] = ("-m", "gateway")
) -> AsyncIterator[World]:
    """Run a daemon whose providers have a model of each dialect for each fault, chosen by the header `x-fault`."""
    models, rules = ["models:"], ["rules:"]
    for fault in Fault:
        models += [f"  o-{fault}: {{provider: openai, model: up-{fault}, price: free}}"]
        models += [f"  a-{fault}: {{provider: anthropic, model: up-{fault}, price: free}}"]
        for first, second in (("o", "a"), ("a", "o")):
            route = f"[{{model: {first}-{fault}, {HASTY}}}, {{model: {second}-{fault}, {HASTY}}}]"
            rules += [f"  - {{name: {first}-{fault}, when: {{header.x-fault: {first}-{fault}}}, route: {route}}}"]
    faults = {f"up-{fault}": Script(fault, per_token_s=0.05) for fault in Fault}
    runner, port = await start(build_app(Faults(faults), speed=0))
    try:
        env = prepare(directory, f"http://127.0.0.1:{port}")
        (directory / "rules.d" / "faults.yaml").write_text("\n".join([*models, *rules, ""]))
        async with (
            serving(*arguments, directory=directory, env=env, program=program) as daemon,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=24)) as http,
        ):
            yield World(daemon, http, directory)
    finally:
        await runner.cleanup()


def full_of_texts(surface: str, *, stream: bool) -> dict[str, Any]:
    """Give a request that has a canary in each of its parts, most of which cannot cross dialects."""
    body = body_of(surface, stream=stream, prompt=f"hello {PROMPT}")
    if surface == "execute":
        return body
    turns = [{"role": role, "content": "canary-of-a-turn"} for role in ("user", "assistant")]
    if surface == "responses":
        body["input"] = [*turns, {"role": "user", "content": body["input"]}]
    else:
        body["messages"] = [*turns, *body["messages"]]
    tool = {"name": "canary-of-a-tool", "parameters": {}, "input_schema": {"type": "object"}}
    shapes = {"chat": {"type": "function", "function": tool}, "responses": {"type": "function", **tool}}
    tools = [shapes.get(surface, tool)]
    if surface == "responses":
        body["instructions"] = "canary-of-the-system"
    elif surface == "chat":
        body["messages"].insert(0, {"role": "system", "content": "canary-of-the-system"})
    else:
        body["system"] = "canary-of-the-system"
    return body | {"tools": tools, "metadata": {"note": "canary-of-metadata"}}


BROKEN_BODIES = (
    PROMPT.encode(),
    f'{{"model": "auto", "messages": ["{PROMPT}'.encode(),
    json.dumps({"model": "auto", "messages": PROMPT}).encode(),
    json.dumps({"model": [PROMPT], "messages": []}).encode(),
    json.dumps({"model": "auto", "messages": [{"role": PROMPT, "content": [PROMPT]}], "stop": {PROMPT: 1}}).encode(),
    json.dumps({"prompt": [PROMPT], "prefer": PROMPT}).encode(),
)
BROKEN_RULES = (
    f"providers: {{extra: {{kind: openai, api_key: {LITERAL}}}}}",
    f"providers: {{extra: {{kind: openai, api_key: {{env: {LITERAL}}}}}}}",
    f"providers: {{extra: {{kind: openai, api_key: none, base_url: 'https://user:{LITERAL}@127.0.0.1/v1'}}}}",
    f'providers: {{extra: {{kind: openai, api_key: "{LITERAL}}}}}',
    "providers: {extra: {kind: openai, api_key: {env: NOT_THERE}}}",
)
LEVELS = [("debug", "text"), ("debug", "json"), ("info", "text"), ("info", "json"), ("error", "text")]


@pytest.mark.parametrize(("level", "form"), LEVELS, ids=["-".join(each) for each in LEVELS])
async def test_nothing_of_a_request_or_a_secret_is_in_any_sink(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, level: str, form: str
) -> None:
    """U-114 U-115: every fault on every surface, requests that cannot be read, callers who leave, a rejected rule set
    of each kind and every endpoint there is, with credentials in each place that takes one: none of it is in the
    daemon's words, its files, its metrics and operations, or in what another caller is told."""
    async with faulty_world(tmp_path, "--log-level", level, "--log-format", form) as world:
        asked = itertools.product(Fault, "oa", PATHS, (False, True), (False, True))
        await asyncio.gather(
            *(
                world.ask(
                    PATHS[surface],
                    full_of_texts(surface, stream=stream)
                    if full
                    else body_of(surface, stream=stream, prompt=f"hello {PROMPT}"),
                    **{"x-fault": f"{first}-{fault}"},
                )
                for fault, first, surface, stream, full in asked
                if (surface != "execute" or not (stream or full)) and (level == "debug" or (first == "o" and not full))
            )
        )
        assert world.statuses >= {200, 400, 429, 502, 503, 504}
        assert any(ANSWER in text and PROMPT in text for text, _ in world.out)
        for surface in ("chat", "messages"):
            await world.leave(surface)
        for path, body in itertools.product([*PATHS.values(), "/v1/route"], BROKEN_BODIES):
            await world.ask(path, body)
            await world.ask(path, body, **{"Content-Encoding": "gzip"})
        for text in BROKEN_RULES:
            (tmp_path / "rules.d" / "extra.yaml").write_text(text)
            assert '"rejected":{' in await world.look("/api/reload", "POST")
            await world.look("/api/status")
        (tmp_path / "rules.d" / "extra.yaml").unlink()
        await world.look("/api/reload", "POST")
        paths = await world.paths()
        assert {path for _, path in paths} >= {*PATHS.values(), "/v1/route", "/metrics", "/api/config", "/api/log"}
        for method, path in paths:
            await world.ask(path, full_of_texts("chat", stream=False) if method == "POST" else b"", method=method)
            if method == "GET":
                await world.look(path)
        await asyncio.gather(
            *(
                world.look(PATHS[surface], "POST", body_of(surface, prompt="hello"), **{"x-fault": f"o-{fault}"})
                for surface, fault in itertools.product(PATHS, Fault)
            )
        )
        await world.look(PATHS["chat"], "POST", body_of("chat", prompt="hello"))
        await rows_written(world)
        assert world.found() == []
        assert await world.daemon.end(signal.SIGTERM) == 0
    assert world.found() == []
    assert "Error handling request" not in caplog.text  # the simulator takes no client who left for a mistake


async def rows_written(world: World) -> None:
    """Wait until the rows of what was asked are in the files, and look at them."""
    last, _ = world.out[-2]

    async def look() -> bool | None:
        found = re.search(r"'x-rulegate-request-id': '([^']+)'", last)
        assert found is not None
        return found[1] in await world.look("/api/log?limit=1000") or None

    await until(look, "row of the last request")


@pytest.mark.parametrize("place", buggy.PLACES)
async def test_a_bug_tells_where_it_is_and_nothing_of_what_it_met(tmp_path: Path, place: str) -> None:
    """U-114 U-115: wherever a mistake of ours happens whose words quote all that it knows, keys included, the log names
    its place, and neither it nor an answer has the words."""
    program = (str(ROOT / "tests" / "fakes" / "buggy.py"),)
    async with faulty_world(tmp_path, "--log-level", "debug", program=program) as world:
        await world.look("/readyz")
        (tmp_path / "bug").write_text(place)
        for surface, stream in itertools.product(PATHS, (False, True)):
            for header in ({}, {"x-fault": f"o-{Fault.USAGE_MISSING}"}):
                await world.ask(PATHS[surface], body_of(surface, stream=stream, prompt=f"hello {PROMPT}"), **header)
        await world.ask("/v1/route", body_of("chat", prompt=f"hello {PROMPT}"))
        (tmp_path / "rules.d" / "more.yaml").write_text("chains: {more: [mini]}\n")
        for method, path in (
            ("GET", "/v1/models"),
            ("GET", "/api/status"),
            ("GET", "/api/config"),
            ("POST", "/api/reload"),
        ):
            await world.look(path, method)
        assert await world.daemon.end(signal.SIGTERM) == 0
    assert buggy.fail_with_all_it_knows.__name__ in world.daemon.words
    assert world.found() == []


async def test_the_key_of_a_caller_stays_at_the_door(tmp_path: Path) -> None:
    """U-59 U-109 U-114: in whichever form it came, taken or refused, it is in no call, row, file or line of the log."""
    async with echoing({"openai": 500, "anthropic": 500}) as echo:
        env = prepare(tmp_path, echo.url, callers(bot="", old="expires: 2020-01-01", few=FEW))
        out: list[str] = []
        serve = serving("--log-level", "debug", directory=tmp_path, env=env)
        async with serve as daemon, aiohttp.ClientSession() as http:
            for name in ("bot", "old", "few", "few", "nobody"):
                for headers in (bearer(name), {"x-api-key": key_of(name)}):
                    for surface, path in PATHS.items():
                        async with http.post(daemon.url + path, json=body_of(surface), headers=headers) as response:
                            out += [await response.text(), str(response.headers)]
                            assert response.status in (401, 429, 502)
            for path in ("/metrics", "/api/status", "/api/config", "/api/log"):
                async with http.get(daemon.url + path) as response:
                    out.append(await response.text())
            assert await daemon.end(signal.SIGTERM) == 0
        out += [daemon.words, *(sent.whole for sent in echo.sent)]
    assert len(echo.sent) >= 6
    out += [path.read_bytes().decode("latin-1") for path in sorted((tmp_path / "data").rglob("*")) if path.is_file()]
    assert [leaks(text, *(key_of(name) for name in ("bot", "old", "few", "nobody"))) for text in out] == [[]] * len(out)


FEW = "limits: {requests: 1/min}"

ELSEWHERE = {
    "api_base": "http://elsewhere.example/v1",
    "api_key": "sk-canary-of-the-body",
    "extra_headers": {"x-steal": "canary-of-the-body"},
    "organization": "org-canary",
}


async def test_where_to_connect_and_as_whom_comes_from_the_rules_alone(tmp_path: Path) -> None:
    """U-108: a body that says otherwise is answered as if it did not, and told so, streamed or not, in one dialect and
    across; the row names what was dropped and never what it said."""
    (tmp_path / "rules.d").mkdir()
    files = {"rules.yaml": to_model("nano"), "sonnet.yaml": "rules: [{name: s, when: {model: s}, route: [sonnet]}]"}
    async with daemon(tmp_path, files) as running:
        for surface in ("chat", "messages"):
            for stream in (False, True):
                for model in ("auto", "s"):
                    body = {**body_of(surface, stream=stream, model=model), **ELSEWHERE}
                    async with running.http.post(running.url + PATHS[surface], json=body) as response:
                        said = await response.text()
                        assert response.status == 200, said
                    assert response.headers["x-rulegate-dropped-params"] == ", ".join(ELSEWHERE)
                    row = await running.row(response.headers["x-rulegate-request-id"])
                    assert row["facts"]["dropped"] == sorted(ELSEWHERE)
                    assert leaks(str(row), "canary", "elsewhere") == []
        unknown = {**body_of("chat", model="no"), **ELSEWHERE}
        async with running.http.post(running.url + PATHS["chat"], json=unknown) as response:
            assert response.status == 404
            assert response.headers["x-rulegate-dropped-params"] == ", ".join(ELSEWHERE)
        async with running.http.post(running.url + PATHS["chat"], json=body_of("chat")) as response:
            assert "x-rulegate-dropped-params" not in response.headers
        seen = (await running.upstream())["requests"]
    assert len(seen) == 9
    assert set(ELSEWHERE).isdisjoint({name for entry in seen for name in entry["body"]})
    assert leaks(str(seen), "canary", "elsewhere") == []
