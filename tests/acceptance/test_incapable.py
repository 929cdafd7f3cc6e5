"""Models that are known not to serve a request are passed over, and everything that tells of it agrees."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.scripted_provider import Provider, provider, providers_of

RULES = """
models:
  blind: {provider: openai, model: blind-1, price: free, takes: [tools], context_window: 4000}
  seeing: {provider: anthropic, model: seeing-1, price: free, takes: [images, tools], context_window: 9000}
  unknown: {provider: openai, model: unknown-1, price: free}
rules:
  - {name: alone, priority: 2, when: {header.x-chain: alone}, route: [blind]}
  - {name: both, priority: 1, when: {header.x-chain: both}, route: [blind, seeing]}
  - {name: all, route: [blind, seeing, unknown]}
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {
    "chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
}
SURFACES = pytest.mark.parametrize("surface", ["chat", "messages"])


@pytest.fixture
async def scripted() -> AsyncIterator[Provider]:
    async with provider() as there:
        yield there


@pytest.fixture
async def choosing(tmp_path: Path, scripted: Provider) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"r.yaml": providers_of(scripted.url) + RULES}, simulate=False) as running:
        yield running


def asking(*content: dict[str, Any]) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What is this?"}, *content]
    return {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": parts}]}


@SURFACES
async def test_a_model_that_takes_no_images_is_passed_over(choosing: Daemon, scripted: Provider, surface: str) -> None:
    """U-15: the skip stands in the row, the metrics and what the rules are asked beforehand."""
    body = asking(IMAGE[surface])
    async with choosing.http.post(choosing.url + PATHS[surface], json=body) as response:
        assert response.status == 200
        headers = response.headers
    assert (headers["x-rulegate-model"], headers["x-rulegate-attempts"]) == ("seeing", "1")
    assert [sent.body["model"] for sent in scripted.sent] == ["seeing-1"]
    row = await choosing.row(headers["x-rulegate-request-id"])
    assert row["attempts"][0] == {"model": "blind", "skip": "incapable", "lacks": ["images"]}
    assert (row["model"], row["facts"]["needs"]) == ("seeing", ["images"])
    assert (await choosing.metrics())["rulegate_skips_total", "blind", "incapable"] == 1
    version = {"anthropic-version": "2023-06-01"} if surface == "messages" else {}
    async with choosing.http.post(choosing.url + "/v1/route", json=body, headers=version) as response:
        account = await response.json()
    assert (account["model"], account["chain"]) == ("seeing", ["blind", "seeing", "unknown"])
    assert account["incapable"] == [{"model": "blind", "lacks": ["images"], "why": "does not take images"}]


@SURFACES
async def test_where_no_model_can_the_refusal_says_what_none_takes(
    choosing: Daemon, scripted: Provider, surface: str
) -> None:
    """U-15: a 400 of the gateway's own in the caller's dialect, and no provider is asked."""
    async with choosing.http.post(
        choosing.url + PATHS[surface], json=asking(IMAGE[surface]), headers={"x-chain": "alone"}
    ) as response:
        error = (await response.json())["error"]
        request_id = response.headers["x-rulegate-request-id"]
    assert (response.status, error["type"]) == (400, "invalid_request_error")
    assert error["message"] == "no model can serve this request: 'blind' does not take images"
    assert error["rulegate"] == {
        "blame": "gateway",
        "attempts": [{"model": "blind", "skip": "incapable", "lacks": ["images"]}],
    }
    assert scripted.sent == []
    assert (await choosing.row(request_id))["outcome"] == "refused"


async def test_a_window_that_is_surely_too_small_is_passed_over(choosing: Daemon, scripted: Provider) -> None:
    """U-15: by its estimate, with room for the estimate to err; what both windows are too small for is refused."""

    async def ask(words: int) -> tuple[str, dict[str, Any]]:
        body = {"model": "auto", "messages": [{"role": "user", "content": "word " * words}]}
        async with choosing.http.post(choosing.url + PATHS["chat"], json=body, headers={"x-chain": "both"}) as response:
            return response.headers.get("x-rulegate-model", ""), await response.json()

    assert (await ask(2_000))[0] == "blind"
    assert (await ask(13_000))[0] == "seeing"
    model, answer = await ask(40_000)
    assert model == ""
    assert "'seeing' holds 9000 tokens, input and output together" in answer["error"]["message"]
    assert [sent.body["model"] for sent in scripted.sent] == ["blind-1", "seeing-1"]


async def test_a_model_of_which_nothing_is_known_is_asked(choosing: Daemon, scripted: Provider) -> None:
    """U-15: sound is something that the first two are known not to take."""
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    async with choosing.http.post(choosing.url + PATHS["chat"], json=asking(sound)) as response:
        assert response.headers["x-rulegate-model"] == "unknown"
    assert scripted.sent[0].body["messages"][0]["content"][1] == sound
