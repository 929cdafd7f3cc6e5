"""Unique secrets and prompts are planted everywhere, and looked for in everything that comes out."""

import signal
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.daemon import PATHS, body_of, daemon
from tests.fakes.echo_provider import echoing
from tests.fakes.process import serving
from tests.fakes.rule_files import to_model

KEYS = {"OPENAI_API_KEY": "sk-canary-of-openai", "ANTHROPIC_API_KEY": "sk-ant-canary-of-anthropic"}
INBOUND = {
    "Authorization": "Bearer canary-inbound-bearer",
    "x-api-key": "canary-inbound-key",
    "Cookie": "session=canary-inbound-cookie",
    "Proxy-Authorization": "Basic canary-inbound-proxy",
}
CREDENTIALS = (*KEYS.values(), *(value.split()[-1].removeprefix("session=") for value in INBOUND.values()))
PROMPT = "canary-of-the-prompt"
HEADER = "canary-of-a-header"
RULES = """\
providers:
  openai: {{kind: openai, base_url: "{url}/openai/v1", api_key: {{env: OPENAI_API_KEY}}}}
  anthropic: {{kind: anthropic, base_url: "{url}/anthropic/v1", api_key: {{env: ANTHROPIC_API_KEY}}}}
models:
  mini: {{provider: openai, model: gpt-5-mini, price: free}}
  haiku: {{provider: anthropic, model: claude-haiku-4-5, price: free}}
rules:
  - {{name: looks, priority: 9, when: {{contains: [unlikely], header.x-note: unlikely}}, route: [mini]}}
  - {{name: all, route: [mini, haiku]}}
"""


def leaks(text: str, *secrets: str) -> list[str]:
    return [secret for secret in secrets if secret in text]


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_no_credential_and_no_prompt_comes_out_anywhere(tmp_path: Path, status: int) -> None:
    """U-59 U-60 U-114 U-115: not at another provider, in an error that quotes them, a row, a metric, a status, the
    configuration or a line of the log at its most talkative."""
    (tmp_path / "rules.d").mkdir()
    out: list[str] = []
    async with echoing({"openai": status, "anthropic": status}) as echo:
        (tmp_path / "rules.d" / "rules.yaml").write_text(RULES.format(url=echo.url))
        serve = serving("--log-level", "debug", directory=tmp_path, env=KEYS)
        async with serve as daemon, aiohttp.ClientSession() as http:
            for surface in PATHS:
                for stream in (False, True):
                    body = body_of(surface, stream=stream, prompt=f"hello {PROMPT}")
                    headers = INBOUND | {"x-note": HEADER}
                    async with http.post(daemon.url + PATHS[surface], json=body, headers=headers) as response:
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
    stored = b"".join(path.read_bytes() for path in sorted((tmp_path / "data").rglob("*")) if path.is_file())
    assert b"gpt-5-mini" in stored
    out.append(stored.decode("latin-1"))
    assert [leaks(text, *CREDENTIALS, PROMPT, HEADER) for text in out] == [[]] * len(out)

    assert {sent.path.split("/")[1] for sent in echo.sent} == {"openai", "anthropic"}
    for sent in echo.sent:
        own = KEYS["OPENAI_API_KEY" if sent.path.startswith("/openai") else "ANTHROPIC_API_KEY"]
        assert leaks(sent.whole, *CREDENTIALS, HEADER) == [own]


async def test_a_provider_that_echoes_our_key_does_not_pass_it_to_the_caller(tmp_path: Path) -> None:
    """U-114: whatever the status of an error, the configured secret is not in what the caller gets."""
    (tmp_path / "rules.d").mkdir()
    async with echoing({}) as echo:
        (tmp_path / "rules.d" / "rules.yaml").write_text(RULES.format(url=echo.url))
        serve = serving(directory=tmp_path, env=KEYS)
        async with serve as daemon, aiohttp.ClientSession() as http:
            for status in (400, 422, 429, 500, 503):
                echo.statuses = {"openai": status, "anthropic": status}
                async with http.post(daemon.url + PATHS["chat"], json=body_of("chat")) as response:
                    error = await response.text()
                assert leaks(error, *KEYS.values()) == []
                assert "refused: " in error


async def test_the_key_of_a_caller_stays_at_the_door(tmp_path: Path) -> None:
    """U-59 U-109 U-114: in whichever form it came, taken or refused, it is in no call, row, file or line of the log."""
    (tmp_path / "rules.d").mkdir()
    async with echoing({"openai": 500, "anthropic": 500}) as echo:
        (tmp_path / "rules.d" / "rules.yaml").write_text(RULES.format(url=echo.url))
        (tmp_path / "rules.d" / "callers.yaml").write_text(callers(bot="", old="expires: 2020-01-01", few=FEW))
        out: list[str] = []
        serve = serving("--log-level", "debug", directory=tmp_path, env=KEYS)
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
