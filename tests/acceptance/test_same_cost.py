"""A call costs the same whether it is streamed or not, however its provider tells what was used."""

from collections.abc import Mapping
from typing import Any

import anthropic
import openai
import pytest

from tests.acceptance.test_fallback import SURFACES
from tests.fakes.daemon import Daemon
from tests.fakes.rule_files import UPSTREAM

KINDS = pytest.mark.parametrize("model", ["nano", "haiku"], ids=["openai", "anthropic"])
PAIR = {"nano": "nano-mini", "haiku": "haiku-sonnet"}
TURN = "Why is the sky blue?"
BILLED = (
    "fresh_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_searches",
    "service_tier",
    "usage_source",
    "cost_nano_usd",
)


async def billed(paired: Daemon, surface: str, model: str, *, stream: bool) -> Mapping[str, Any]:
    """Give what a row says that money depends on."""
    async with paired.ask(surface, headers={"x-pair": PAIR[model]}, stream=stream) as response:
        assert (response.status, response.headers["x-rulegate-model"]) == (200, model)
        await response.read()
        row = await paired.row(response.headers["x-rulegate-request-id"])
    return {name: row[name] for name in BILLED}


async def both(paired: Daemon, surface: str, model: str, fault: str | None = None) -> Mapping[str, Any]:
    """Give what the call is billed with, which must be the same either way."""
    if fault is not None:
        await paired.fault(UPSTREAM[model], fault)
    whole = await billed(paired, surface, model, stream=False)
    assert await billed(paired, surface, model, stream=True) == whole
    return whole


@SURFACES
@KINDS
async def test_a_stream_and_a_whole_answer_cost_the_same(paired: Daemon, surface: str, model: str) -> None:
    """U-32 U-33: on each surface, to each kind of provider, with plain, cached and split usage; how usage is split
    makes no difference to it."""
    plain = await both(paired, surface, model)
    cached = await both(paired, surface, model, "usage_cached")
    split = await both(paired, surface, model, "usage_split")
    assert split == plain
    assert {row["usage_source"] for row in (plain, cached)} == {"reported"}
    assert plain["cost_nano_usd"] > cached["cost_nano_usd"] > 0
    assert cached["cache_read_tokens"] > 0 == plain["cache_read_tokens"]
    inputs = ("fresh_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    assert sum(cached[name] for name in inputs) == sum(plain[name] for name in inputs)


@SURFACES
@KINDS
async def test_nonsense_about_usage_is_read_alike_and_never_below_nothing(
    paired: Daemon, surface: str, model: str
) -> None:
    """U-32 U-33: what contradicts itself is cut to what can be, a zero stays zero, and the counters never run
    backwards."""
    plain = await both(paired, surface, model)
    before = await paired.metrics()
    wrong = await both(paired, surface, model, "usage_wrong")
    assert (wrong["fresh_input_tokens"], wrong["output_tokens"], wrong["usage_source"]) == (0, 0, "reported")
    assert wrong["cache_read_tokens"] >= plain["fresh_input_tokens"]
    assert wrong["cost_nano_usd"] > 0
    after = await paired.metrics()
    counters = [key for key in before if key[0] in ("rulegate_tokens_total", "rulegate_cost_usd_total")]
    assert all(after[key] >= before[key] for key in counters)
    assert after["rulegate_requests_total", "answered", PAIR[model], surface] == 4


@SURFACES
@KINDS
async def test_usage_that_is_not_told_is_estimated_and_says_so(paired: Daemon, surface: str, model: str) -> None:
    """U-34: an estimate is never zero for an answer that has text, and never passes for a report."""
    await paired.fault(UPSTREAM[model], "usage_missing")
    for stream in (False, True):
        row = await billed(paired, surface, model, stream=stream)
        assert row["usage_source"] == "estimated"
        assert min(row["fresh_input_tokens"], row["output_tokens"], row["cost_nano_usd"]) > 0


def told_by(usage: Any) -> tuple[int, int]:  # noqa: ANN401 - the clients' own types
    """Give input and output as a client's usage object has them."""
    if hasattr(usage, "prompt_tokens"):
        return usage.prompt_tokens, usage.completion_tokens
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return usage.input_tokens + cached, usage.output_tokens


async def check_bills(paired: Daemon, told: list[tuple[int, int]]) -> None:
    """Fail unless the rows cost the same and count what their callers were told."""
    rows = await paired.rows(len(told))
    assert len({row["cost_nano_usd"] for row in rows}) == 1
    inputs = ("fresh_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    counted = {(sum(row[name] for name in inputs), row["output_tokens"]) for row in rows}
    assert counted == set(told)


@KINDS
@pytest.mark.parametrize("fault", ["usage_cached", "usage_split"])
async def test_openais_client_is_told_what_is_billed(paired: Daemon, fault: str, model: str) -> None:
    """U-31 U-33: answer and stream, from either kind of provider; who does not ask for usage in a stream gets no
    chunk without choices, and is billed all the same."""
    await paired.fault(UPSTREAM[model], fault)
    headers = {"x-pair": PAIR[model]}
    async with openai.AsyncOpenAI(base_url=f"{paired.url}/v1", api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": TURN}], extra_headers=headers
        )
        asking = await client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": TURN}],
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=headers,
        )
        with_usage = [chunk async for chunk in asking]
        plain = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": TURN}], stream=True, extra_headers=headers
        )
        assert all([chunk.choices async for chunk in plain])
    usages = [chunk.usage for chunk in with_usage if chunk.usage and chunk.usage.to_dict().get("prompt_tokens")]
    (told,) = map(told_by, usages)
    await check_bills(paired, [told_by(answer.usage), told, told])


@KINDS
@pytest.mark.parametrize("fault", ["usage_cached", "usage_split"])
async def test_anthropics_client_is_told_what_is_billed(paired: Daemon, fault: str, model: str) -> None:
    """U-33: the same on the other surface."""
    await paired.fault(UPSTREAM[model], fault)
    headers = {"x-pair": PAIR[model]}
    async with anthropic.AsyncAnthropic(base_url=paired.url, api_key="none", max_retries=0) as client:
        answer = await client.messages.create(
            model="auto", max_tokens=300, messages=[{"role": "user", "content": TURN}], extra_headers=headers
        )
        async with client.messages.stream(
            model="auto", max_tokens=300, messages=[{"role": "user", "content": TURN}], extra_headers=headers
        ) as stream:
            final = await stream.get_final_message()
    await check_bills(paired, [told_by(answer.usage), told_by(final.usage)])
