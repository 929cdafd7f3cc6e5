"""Money is booked once: over a thousand requests of every kind, and over kills."""

import asyncio
import itertools
import json
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from pathlib import Path

import aiohttp
import pytest

from gateway.adapters.journal import BATCH_EVERY_S
from gateway.adapters.log_rows import postings_of_row
from gateway.domain.ledger import summed
from gateway.domain.words import SpendKind
from gateway.simulator.faults import Fault as SimulatorFault
from gateway.simulator.faults import Faults, Script
from gateway.simulator.server import build_app as build_simulator
from gateway.simulator.server import start as start_simulator
from tests.adapters.journals import ledger_of, locked, rows_of, sums_of_rows
from tests.fakes.daemon import PATHS, Daemon, body_of, until
from tests.fakes.process import serving
from tests.fakes.rule_files import PAIRS, UPSTREAM

REQUESTS = 1_000
KILLS = 20
AT_ONCE = 12
NOT_BOOKED_YET = "were not in the ledger yet"
SLACK_S = 0.5
"""How late a thread may be woken on a busy machine."""

FAULTS = (
    *(None, "stall", "server_error", "cut", "empty", "bad_request", "overloaded", "usage_missing", "content_filter"),
    *("rate_limited", "error_in_200", "error_in_stream", "no_terminal", "malformed_line", "usage_cached", "refuse"),
)

HEDGED_FAULTS = ("stall", None)
"""Waves whose rules hedge: every second request is begun twice."""
HEDGED = "\n".join(
    [
        "defaults: {retry_budget: {share: 100%}}",
        "rules:",
        *(
            f"  - {{name: {first}-{second}-hedged, priority: 30, hedge: {{after: 1ms}}, route: [{first}, {second}],"
            f" when: {{header.x-pair: {first}-{second}, header.x-hedged: 'yes'}}}}"
            for first, second in PAIRS
        ),
    ]
)
NOISE = "rules: [{{name: noise-{wave}, when: {{words: {{gt: 9999}}}}, route: [mini]}}]\n"


async def test_a_thousand_requests_agree_in_counters_rows_ledger_and_money(paired: Daemon) -> None:
    """U-105 U-65: requests sent = the sum over outcomes = rows; the money of the rows is that of the ledger and of the
    metrics, to the nano-dollar; over faults, streams, both dialects, callers who leave, and reloads in between."""
    paired.write("hedged.yaml", HEDGED)
    kinds = itertools.cycle(itertools.product(PATHS, (False, True), PAIRS))
    waves = len(FAULTS) + 1
    sent = 0
    for wave, fault in enumerate(FAULTS):
        await paired.clear()
        if fault == "stall":
            await paired.fault(UPSTREAM["nano"], fault)
        elif fault is not None:
            for name in ("nano", "haiku", "sonnet") if wave % 2 else ("nano", "haiku"):
                await paired.fault(UPSTREAM[name], fault)
        async with asyncio.TaskGroup() as tasks:
            for kind in itertools.islice(kinds, REQUESTS // waves):
                tasks.create_task(one(paired, *kind, hedged=fault in HEDGED_FAULTS))
                sent += 1
            paired.write("noise.yaml", NOISE.format(wave=wave))
            await paired.reloader.reload()
    await paired.clear()
    await paired.fault("*", "slow", per_token_s=30)
    left = REQUESTS - sent
    surfaces = itertools.islice(itertools.cycle(("chat", "messages")), left)
    await asyncio.gather(*(leave(paired, surface) for surface in surfaces))
    data = paired.data / "simulated"

    async def written() -> bool | None:
        return len(rows_of(data)) >= REQUESTS or None

    await until(written, f"set of {REQUESTS} rows")
    rows, metrics = rows_of(data), await paired.metrics()
    assert len({row["id"] for row in rows}) == len(rows) == REQUESTS
    ends: Counter[object] = Counter()
    for key, value in metrics.items():
        if key[0] == "rulegate_requests_total":
            ends[key[1]] += int(value)
    assert +ends == Counter(row["outcome"] for row in rows)
    assert {"answered", "answered_after_fallback", "failed", "interrupted", "cancelled"} <= set(+ends)
    assert len({row["generation"] for row in rows}) >= len(FAULTS) // 2

    async def booked() -> bool | None:
        return ledger_of(data) == sums_of_rows(data) or None

    await until(booked, "ledger that is the sum of the rows")
    ledger = ledger_of(data)
    nano_usd = sum(amounts.nano_usd for amounts in ledger.values())
    assert nano_usd == sum(int(str(row["cost_nano_usd"])) for row in rows) == money(metrics, "rulegate_cost_usd_total")
    for spend in (SpendKind.FAILED, SpendKind.HEDGE):
        there = [amounts for account, amounts in ledger.items() if account.kind is spend]
        extra = {
            name: of_kind(metrics, f"rulegate_extra_{name}_total", spend) for name in ("cost_usd", "tokens", "seconds")
        }
        assert round(extra["cost_usd"] * 10**9) == sum(amounts.nano_usd for amounts in there) > 0
        assert extra["tokens"] == sum(sum(amounts[1:5]) for amounts in there)
        assert round(extra["seconds"] * 1000) == sum(delays_ms(rows, spend)) > 0
    assert 0 < sum(amounts.estimated_nano_usd for amounts in ledger.values()) < nano_usd
    assert sum(amounts.output_tokens for amounts in ledger.values()) == sum(
        value for key, value in metrics.items() if key[0] == "rulegate_tokens_total" and key[2] == "output"
    )


def of_kind(metrics: dict[tuple[str, ...], float], name: str, kind: SpendKind) -> float:
    return sum(value for key, value in metrics.items() if key[:2] == (name, kind.value))


def delays_ms(rows: Sequence[Mapping[str, object]], kind: SpendKind) -> Iterator[int]:
    """Give by how much each attempt of a kind delayed its answer, as the rows have it."""
    for row in rows:
        for event in json.loads(str(row["attempts"])):
            if event.get("kind", "failed" if event.get("failure") else "answer") == kind.value:
                yield event.get("extra_ms", 0)


def money(metrics: dict[tuple[str, ...], float], name: str) -> int:
    return sum(round(value * 10**9) for key, value in metrics.items() if key[0] == name)


async def one(
    paired: Daemon,
    surface: str,
    stream: bool,  # noqa: FBT001 - a kind
    pair: tuple[str, str],
    *,
    hedged: bool,
) -> None:
    headers = {"x-pair": "-".join(pair), "x-rulegate-tags": surface} | ({"x-hedged": "yes"} if hedged else {})
    async with paired.ask(surface, headers=headers, stream=stream and surface != "execute") as response:
        await response.read()


async def leave(paired: Daemon, surface: str) -> None:
    """Begin a stream and leave it after its first bytes."""
    response = await paired.ask(surface, stream=True).__aenter__()
    await response.content.readany()
    response.close()


RULES = """\
providers:
  one: {{kind: openai, base_url: "{url}/one/v1", api_key: none}}
  two: {{kind: anthropic, base_url: "{url}/two/v1", api_key: none}}
models:
  mute: {{provider: one, model: mute-1, price: {{input: 3, output: 7}}}}
  quick: {{provider: one, model: quick-1, price: {{input: 0.1, output: 0.3}}}}
  sound: {{provider: two, model: sound-1, price: {{input: 1, output: 11}}}}
rules:
  - {{name: paid-twice, priority: 2, when: {{header.x-way: twice}}, route: [mute, sound], tags: [twice]}}
  - {{name: all, route: [quick, sound]}}
"""


@asynccontextmanager
async def providers() -> AsyncIterator[str]:
    """Run simulated providers without delays; one model uses tokens and says nothing."""
    faults = Faults({"mute-1": Script(SimulatorFault.EMPTY)})
    runner, port = await start_simulator(build_simulator(faults, speed=0.0))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.mark.timeout(240)
async def test_a_daemon_that_is_killed_under_load_books_every_row_once(tmp_path: Path) -> None:
    """U-79 U-99 U-100: killed twenty times, it starts clean each time; answers that callers had for longer than a batch
    takes have their rows, no id is there twice, and the ledger is the sum of the rows to the nano-dollar; also when it
    was locked, so that all rows of a run were written and not booked."""
    chance = random.Random(7)
    data = tmp_path / "data"
    known: set[str] = set()
    caught_up = 0
    loop = asyncio.get_running_loop()
    async with providers() as url:
        (tmp_path / "rules.d").mkdir()
        (tmp_path / "rules.d" / "rules.yaml").write_text(RULES.format(url=url))
        for kill in range(KILLS):
            async with serving(directory=tmp_path) as daemon:
                assert "ERROR" not in daemon.words
                assert known <= consistent(data)
                caught_up += NOT_BOOKED_YET in daemon.words
                trouble = locked(data / "state.db") if kill % 2 else nullcontext()
                busy_s = (BATCH_EVERY_S + 2 * SLACK_S, 2 * BATCH_EVERY_S, 0.0, 2 * BATCH_EVERY_S)[kill % 4]
                with trouble:
                    async with under_load(daemon.url, chance.randrange(50, 200), busy_s) as answered:
                        killed_s = loop.time()
                        daemon.process.kill()
            if not kill % 2:
                known |= {row_id for row_id, at_s in answered.items() if at_s < killed_s - BATCH_EVERY_S - SLACK_S}
        async with serving(directory=tmp_path) as daemon:
            assert known <= consistent(data)
            assert await daemon.end(signal.SIGTERM) == 0
    assert known
    assert caught_up >= KILLS // 4, "with the ledger locked, rows alone were written"
    assert {account.kind for account in ledger_of(data)} == {SpendKind.ANSWER, SpendKind.FAILED}
    for path in (data / "state.db", *(data / "log").glob("*.db")):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("pragma integrity_check").fetchall() == [("ok",)]


def consistent(data: Path) -> set[str]:
    """Give the ids of all rows, where the ledger is their sum and each is there once."""
    rows = rows_of(data)
    ids = {str(row["id"]) for row in rows}
    assert len(ids) == len(rows)
    assert ledger_of(data) == summed(posting for row in rows for posting in postings_of_row(row))
    return ids


@asynccontextmanager
async def under_load(url: str, count: int, seconds: float) -> AsyncIterator[dict[str, float]]:
    """Keep a daemon busy until it is gone; goes on when it has given a number of answers and been busy for a time.

    Gives the answers by their ids, each with the moment when it was read.
    """
    answered: dict[str, float] = {}
    loop, enough = asyncio.get_running_loop(), asyncio.Event()
    began_s = loop.time()
    kinds = itertools.cycle(itertools.product(("chat", "messages", "execute"), (False, True), ("", "twice")))

    async def ask(http: aiohttp.ClientSession) -> None:
        while True:
            surface, stream, way = next(kinds)
            body = body_of(surface, stream=stream, prompt=f"Question {len(answered)}")
            try:
                async with http.post(url + PATHS[surface], json=body, headers={"x-way": way}) as response:
                    assert response.status == 200, await response.text()
                    await response.read()
            except aiohttp.ClientError:
                return
            answered[response.headers["x-rulegate-request-id"]] = loop.time()
            if len(answered) >= count and loop.time() >= began_s + seconds:
                enough.set()

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(ask(http))
        await enough.wait()
        yield answered
