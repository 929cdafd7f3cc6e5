"""What of a caller's headers reaches a provider: an allow-list for each dialect, and nothing else whatever is sent."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.daemon import PATHS, Daemon, body_of, daemon
from tests.fakes.scripted_provider import Provider, Reply, provider, providers_of

RULES = """
models:
  gpt: {provider: openai, model: gpt-1, price: free}
  claude: {provider: anthropic, model: claude-1, price: free}
rules:
  - {name: gpt, when: {header.x-to: gpt}, route: [gpt]}
  - {name: claude, when: {header.x-to: claude}, route: [claude]}
  - {name: both, when: {header.x-to: both}, route: [claude, gpt]}
"""
OURS = {"host", "content-type", "content-length", "accept-encoding", "user-agent"}
EVERY_HEADER = {
    "Authorization": "Bearer sk-of-the-caller",
    "x-api-key": "sk-of-the-caller",
    "api-key": "sk-of-the-caller",
    "x-goog-api-key": "sk-of-the-caller",
    "Cookie": "session=of-the-caller",
    "Proxy-Authorization": "Basic b2Y6Y2FsbGVy",
    "anthropic-version": "2026-10-21",
    "anthropic-beta": "context-1m-2025-08-07,files-api-2025-04-14",
    "anthropic-dangerous-direct-browser-access": "true",
    "openai-beta": "responses=v1",
    "OpenAI-Organization": "org-of-the-caller",
    "OpenAI-Project": "proj-of-the-caller",
    "Idempotency-Key": "stainless-1",
    "x-stainless-lang": "python",
    "x-stainless-retry-count": "0",
    "User-Agent": "AsyncOpenAI/Python 3.54.0",
    "Accept": "text/event-stream",
    "Accept-Language": "de",
    "Accept-Encoding": "gzip, br",
    "x-forwarded-for": "10.1.2.3",
    "x-forwarded-host": "inside",
    "x-real-ip": "10.1.2.3",
    "Forwarded": "for=10.1.2.3",
    "Via": "1.1 proxy",
    "Referer": "https://inside/",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "baggage": "user=of-the-caller",
    "TE": "trailers",
    "Keep-Alive": "timeout=5",
    "x-rulegate-tags": "night",
    "x-rulegate-conversation": "c1",
    "x-rulegate-prefer": "cost",
    "x-amz-security-token": "of-the-caller",
    "helicone-auth": "Bearer sk-of-the-caller",
    "x-anything-else": "of-the-caller",
}


@pytest.fixture
async def scripted() -> AsyncIterator[Provider]:
    async with provider() as there:
        yield there


@pytest.fixture
async def running(tmp_path: Path, scripted: Provider) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"r.yaml": providers_of(scripted.url) + RULES}, simulate=False) as there:
        yield there


async def sends(running: Daemon, surface: str, to: str) -> None:
    async with running.http.post(
        running.url + PATHS[surface], json=body_of(surface), headers={**EVERY_HEADER, "x-to": to}
    ) as response:
        assert response.status == 200, await response.text()


BETAS = {"anthropic-version": "2026-10-21", "anthropic-beta": "context-1m-2025-08-07,files-api-2025-04-14"}


@pytest.mark.parametrize(
    ("surface", "to", "allowed"),
    [
        ("messages", "claude", BETAS),
        ("chat", "claude", {"anthropic-version": "2023-06-01"}),
        ("execute", "claude", {"anthropic-version": "2023-06-01"}),
        ("chat", "gpt", {"openai-beta": "responses=v1"}),
        ("messages", "gpt", {}),
        ("execute", "gpt", {}),
    ],
)
async def test_nothing_but_what_is_on_the_list_goes_on(
    running: Daemon, scripted: Provider, surface: str, to: str, allowed: dict[str, str]
) -> None:
    """U-59: versions and betas within their own dialect; across, the gateway's own version."""
    await sends(running, surface, to)
    (sent,) = scripted.sent
    assert {name: value for name, value in sent.headers.items() if name not in OURS} == allowed
    assert sent.headers["user-agent"] == "rulegate"
    assert "of-the-caller" not in str(sent)


async def test_headers_are_made_anew_for_the_next_provider(running: Daemon, scripted: Provider) -> None:
    """U-60: what was for the first one does not reach the second."""
    scripted.will("anthropic", Reply(529, {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}))
    await sends(running, "messages", "both")
    first, second = scripted.sent
    assert first.headers.items() >= BETAS.items()
    assert set(second.headers) == OURS
