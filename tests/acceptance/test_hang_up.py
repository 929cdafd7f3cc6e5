"""The caller hangs up, or sends too much."""

import asyncio
import gzip
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.test_fallback import SURFACES
from tests.fakes.daemon import PATHS, Daemon, body_of, daemon, until
from tests.fakes.rule_files import MODELS, UPSTREAM, chosen_by_header


async def seen_upstream(running: Daemon, entries: int) -> None:
    """Wait until the simulator has a number of requests."""

    async def look() -> bool | None:
        return len((await running.upstream(settle_s=0))["requests"]) >= entries or None

    await until(look, f"request number {entries} at the provider")


async def the_row(running: Daemon) -> dict[str, object]:
    (row,) = await running.rows(1)
    return dict(row)


@SURFACES
async def test_leaving_a_stream_closes_it_upstream(paired: Daemon, surface: str) -> None:
    """U-35 U-36 U-18: the provider's connection is closed, no other model is asked, and what was relayed is paid for by
    an estimate that says it is one."""
    await paired.fault(UPSTREAM["nano"], "slow", per_token_s=30)
    response = await paired.ask(surface, headers={"x-pair": "nano-mini"}, stream=True).__aenter__()
    await response.content.readany()
    response.close()
    seen = await paired.upstream()
    assert [(entry["model"], entry["disconnected"]) for entry in seen["requests"]] == [(UPSTREAM["nano"], True)]
    row = await the_row(paired)
    assert (row["outcome"], row["model"], row["usage_source"]) == ("cancelled", "nano", "estimated")
    assert [each["failure"] for each in row["attempts"]] == ["cancelled"]  # type: ignore[attr-defined] # decoded JSON
    assert (row["fresh_input_tokens"], row["output_tokens"], row["cost_nano_usd"]) > (0, 0, 0)
    assert (await paired.metrics())["rulegate_requests_total", "cancelled", "nano-mini", surface] == 1
    assert (await paired.metrics())["rulegate_in_flight_requests",] == 0


@SURFACES
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", ["stall", "stall_after_headers"])
async def test_leaving_before_anything_came_starts_no_further_step(
    paired: Daemon, *, fault: str, surface: str, stream: bool
) -> None:
    """U-35 U-36 U-38: the attempt ends with the caller, and the second model is never asked."""
    await paired.fault(UPSTREAM["nano"], fault)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(
            paired.http.post(
                paired.url + PATHS[surface],
                json=body_of(surface, stream=stream),
                headers={"x-pair": "nano-mini"},
            ).__aenter__()
        )
        await seen_upstream(paired, 1)
        task.cancel()
    seen = await paired.upstream()
    assert [(entry["model"], entry["disconnected"]) for entry in seen["requests"]] == [(UPSTREAM["nano"], True)]
    row = await the_row(paired)
    assert (row["outcome"], row["model"], row["cost_nano_usd"]) == ("cancelled", "", 0)
    assert [each["failure"] for each in row["attempts"]] == ["cancelled"]  # type: ignore[attr-defined] # decoded JSON


def large(size: int, surface: str = "chat") -> bytes:
    return json.dumps(body_of(surface, prompt="word " * (size // 5))).encode()


@pytest.fixture
async def roomy(tmp_path: Path) -> AsyncIterator[Daemon]:
    """Models whose windows hold whatever is sent: of others it would be known that they cannot."""
    models = re.sub(r"(model: [^}]+)}", r"\1, context_window: 9000000}", MODELS)
    async with daemon(tmp_path, {"models.yaml": models, "pairs.yaml": chosen_by_header()}) as running:
        yield running


@pytest.mark.filterwarnings("ignore:Sending a large body")  # what aiohttp's client says of any large body
@SURFACES
async def test_ten_megabytes_pass(roomy: Daemon, surface: str) -> None:
    """U-96: and reach the provider whole."""
    body = large(10_000_000, surface)
    async with roomy.http.post(
        roomy.url + PATHS[surface],
        data=io.BytesIO(body),
        headers={"x-pair": "nano-mini" if surface == "chat" else "haiku-sonnet"},
    ) as response:
        assert response.status == 200, await response.text()
    (entry,) = (await roomy.upstream())["requests"]
    assert abs(entry["body_bytes"] - len(body)) < 100


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


@SURFACES
@pytest.mark.parametrize("how", ["length", "chunked", "compressed"])
async def test_a_body_over_the_limit_is_413_in_the_dialect(paired: Daemon, surface: str, how: str) -> None:
    """U-96 U-113: however its length is told or hidden; nothing reaches a provider, the refusal has a row, and the
    daemon goes on."""
    paired.write("limit.yaml", "defaults: {max_body: 100KB}\n")
    await paired.generation(1)
    body = large(400_000, surface)
    data: object = {"length": body, "chunked": in_pieces(body), "compressed": gzip.compress(body)}[how]
    headers = {"Content-Encoding": "gzip"} if how == "compressed" else {}
    async with paired.http.post(paired.url + PATHS[surface], data=data, headers=headers) as response:
        assert response.status == 413
        error = (await response.json())["error"]
    assert error["type"] == ("request_too_large" if surface == "messages" else "invalid_request_error")
    assert "100000 bytes" in error["message"]
    assert (await the_row(paired))["outcome"] == "refused"
    assert (await paired.upstream())["total"] == 0
    async with paired.ask(surface, headers={"x-pair": "nano-mini"}) as response:
        assert response.status == 200


@SURFACES
async def test_a_chunked_body_within_the_limit_passes(paired: Daemon, surface: str) -> None:
    """U-96: a length is not needed."""
    async with paired.http.post(
        paired.url + PATHS[surface], data=in_pieces(large(200_000, surface)), headers={"x-pair": "nano-mini"}
    ) as response:
        assert response.status == 200
