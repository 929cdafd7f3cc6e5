"""A model that becomes far slower than it was: others are asked first, as long as there are any."""

import asyncio
from typing import Any

import pytest

from gateway.engine.health import FEW
from gateway.engine.pace import ENOUGH
from tests.acceptance.test_cooling import states
from tests.acceptance.test_fallback import STREAMED, ask
from tests.fakes.daemon import PATHS, Daemon, body_of, until
from tests.fakes.rule_files import PAIRS, UPSTREAM

SLOW_S = 2.0
"""A usual answer of the simulator takes a few milliseconds."""


async def usual(running: Daemon, pair: tuple[str, str], *, stream: bool) -> None:
    for _ in range(ENOUGH):
        assert (await asked(running, pair, stream=stream)) == (pair[0], "1")


async def slow(running: Daemon, *models: str) -> None:
    for model in models:
        await running.fault(UPSTREAM[model], "slow", first_content_s=SLOW_S)


async def asked(running: Daemon, pair: tuple[str, str], *, stream: bool) -> tuple[str, str]:
    status, headers, said = await ask(running, "chat", pair, stream=stream)
    assert (status, said.whole) == (200, True)
    return headers["x-rulegate-model"], headers["x-rulegate-attempts"]


async def several(running: Daemon, pair: tuple[str, str], *, stream: bool) -> set[tuple[str, str]]:
    return set(await asyncio.gather(*(asked(running, pair, stream=stream) for _ in range(FEW + 1))))


async def by_name(running: Daemon, model: str, *, stream: bool) -> None:
    """Ask for a model and no other."""
    async with running.ask("chat", model=model, stream=stream) as response:
        await response.read()
        assert (response.status, response.headers["x-rulegate-model"]) == (200, model)


async def state_is(running: Daemon, model: str, *wanted: str) -> None:
    async def look() -> bool | None:
        return (await states(running))[model][0] in wanted or None

    await until(look, f"{model} that is {' or '.join(wanted)}")


@STREAMED
@pytest.mark.parametrize("pair", PAIRS[1:3], ids="-".join)
async def test_one_of_two_goes_slow_and_comes_back(paired: Daemon, pair: tuple[str, str], *, stream: bool) -> None:
    """U-19 U-20: the next request goes to the other at once; the first to find it fast again brings it back."""
    first, second = pair
    await usual(paired, pair, stream=stream)
    await slow(paired, first)
    assert await several(paired, pair, stream=stream) == {(first, "1")}
    assert (await states(paired))[first] == ("cooling", "slow")
    status, headers, _ = await ask(paired, "chat", pair, stream=stream)
    assert (status, headers["x-rulegate-model"], headers["x-rulegate-attempts"]) == (200, second, "1")
    row = await paired.row(headers["x-rulegate-request-id"])
    assert [(each["model"], each.get("skip")) for each in row["attempts"]] == [(first, "cooling"), (second, None)]
    assert (await paired.metrics())["rulegate_model_state", first, "cooling"] == 1
    await paired.clear()
    await by_name(paired, first, stream=stream)
    assert (await states(paired))[first] == ("ok", None)
    assert await asked(paired, pair, stream=stream) == (first, "1")


async def test_after_its_rest_one_request_finds_out(paired: Daemon) -> None:
    """U-123: with no probe beside the traffic."""
    pair = ("nano", "mini")
    await usual(paired, pair, stream=True)
    await slow(paired, "nano")
    await several(paired, pair, stream=True)
    await paired.clear()
    await state_is(paired, "nano", "half_open")
    assert (await paired.upstream())["total"] == 0
    assert await asked(paired, pair, stream=True) == ("nano", "1")
    assert (await states(paired))["nano"] == ("ok", None)


async def test_a_slow_model_answers_where_the_others_fail(paired: Daemon) -> None:
    """U-19: and who asks for it by name gets it as ever."""
    await usual(paired, ("nano", "mini"), stream=True)
    await slow(paired, "nano")
    await several(paired, ("nano", "mini"), stream=True)
    await paired.fault(UPSTREAM["mini"], "server_error", count=1)
    status, headers, _ = await ask(paired, "chat", ("nano", "mini"), stream=True)
    assert (status, headers["x-rulegate-model"], headers["x-rulegate-attempts"]) == (200, "nano", "2")
    row = await paired.row(headers["x-rulegate-request-id"])
    assert row["outcome"] == "answered_after_fallback"
    await by_name(paired, "nano", stream=True)


async def test_where_all_are_slow_the_first_is_asked_as_ever(paired: Daemon) -> None:
    """U-19: the network may be ours; and nobody is told to come again."""
    pair = ("nano", "sonnet")
    await usual(paired, pair, stream=True)
    for _ in range(ENOUGH):
        await by_name(paired, "sonnet", stream=True)
    await slow(paired, *pair)
    named = (by_name(paired, "sonnet", stream=True) for _ in range(FEW + 1))
    await asyncio.gather(several(paired, pair, stream=True), *named)
    assert {(await states(paired))[model] for model in pair} == {("cooling", "slow")}
    assert await several(paired, pair, stream=True) == {("nano", "1")}


async def test_a_long_answer_is_not_slow(paired: Daemon) -> None:
    """U-17: whole answers are measured by others of about their length."""
    short, long = (body_of("chat", model="nano") | {"max_completion_tokens": tokens} for tokens in (5, 300))
    await asyncio.gather(*(seconds_of(paired, short) for _ in range(ENOUGH)))
    await paired.fault(UPSTREAM["nano"], "slow", per_token_s=0.05)
    took = await asyncio.gather(*(seconds_of(paired, long) for _ in range(FEW + 1)))
    assert min(took) > 1.1, "the answers are too short for this test to be able to fail"
    assert (await states(paired))["nano"] == ("ok", None)


async def seconds_of(running: Daemon, body: dict[str, Any]) -> float:
    """Ask; give how long the row says that it took."""
    async with running.http.post(running.url + PATHS["chat"], json=body) as response:
        assert response.status == 200
        await response.read()
    seconds: float = (await running.row(response.headers["x-rulegate-request-id"]))["duration_s"]
    return seconds


async def test_money_is_named_where_money_is_short(paired: Daemon) -> None:
    """U-72: a slow model would have been asked, had a budget had room for it."""
    pair = ("nano", "mini")
    await usual(paired, pair, stream=True)
    await slow(paired, "nano")
    await several(paired, pair, stream=True)
    paired.write("money.yaml", "budgets: {dry: {limit: 0.0000001 USD, per: year}}\n")
    await paired.generation(1)
    status, headers, said = await ask(paired, "chat", pair, stream=True)
    assert (status, headers["x-rulegate-attempts"]) == (402, "0")
    assert said.error is not None
    assert "dry" in said.error["message"]
