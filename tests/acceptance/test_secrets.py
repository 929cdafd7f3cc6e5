"""Unique secrets and prompts are planted everywhere, and looked for in everything that comes out."""

import signal
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.daemon import PATHS, body_of
from tests.fakes.echo_provider import echoing
from tests.fakes.process import serving

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
