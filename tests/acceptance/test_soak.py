"""A daemon under mixed traffic for minutes: nothing is wrong, lost, counted twice, or held for ever.

`pytest --soak-minutes 60 tests/acceptance/test_soak.py` does that for an hour.
"""

import asyncio
import itertools
import json
import logging
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp
import pytest

from gateway.simulator.faults import Fault, Faults, Script
from gateway.simulator.server import build_app, start
from tests.adapters.journals import ledger_of, rows_of, sums_of_rows
from tests.fakes.daemon import PATHS, body_of, samples, until
from tests.fakes.process import Serving, serving

AT_ONCE = 6
PAUSE_S = 0.05
"""Between two requests of one caller: other tests run beside this one."""
RELOAD_EVERY_S = 5.0
LEAVES = 0.05
"""The share of streams whose callers leave."""
GROWTH_BYTES = 800
"""What a request may leave in memory, once the daemon is warm: less than anything that would be kept of it."""
GROWTH_FILES = 1.0
"""What a thousand requests may leave open."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FAULTS = {
    "empty-1": Script(Fault.EMPTY),
    "cut-1": Script(Fault.CUT),
    "limited-1": Script(Fault.SERVER_ERROR),
    "slow-1": Script(Fault.SLOW, first_content_s=0.5),
}
WAYS = ("plain", "empty", "cut", "limited", "slow", "early")
RULES = """\
providers:
  one: {{kind: openai, base_url: "{url}/one/v1", api_key: none}}
  two: {{kind: anthropic, base_url: "{url}/two/v1", api_key: none}}
models:
  quick: {{provider: one, model: quick-1, price: {{input: 0.1, output: 0.3}}}}
  sound: {{provider: two, model: sound-1, price: {{input: 1, output: 11}}}}
  empty: {{provider: one, model: empty-1, price: {{input: 3, output: 7}}}}
  cut: {{provider: two, model: cut-1, price: {{input: 3, output: 7}}}}
  limited: {{provider: one, model: limited-1, price: {{input: 3, output: 7}}}}
  slow: {{provider: two, model: slow-1, price: {{input: 3, output: 7}}}}
rules:
  - {{name: empty, when: {{header.x-way: empty}}, route: [empty, sound]}}
  - {{name: cut, when: {{header.x-way: cut}}, route: [cut, quick]}}
  - {{name: limited, when: {{header.x-way: limited}}, route: [limited, sound]}}
  - {{name: slow, when: {{header.x-way: slow}}, route: [slow, quick], hedge: {{after: 50ms}}}}
  - {{name: early, when: {{header.x-way: early}}, route: [slow, quick], commit_after: 100ms, keepalive: 100ms}}
  - {{name: all, route: [quick, sound]}}
defaults: {{affinity: none}}
"""


@dataclass
class Seen:
    """What the callers saw: how many requests they sent, the answers that were wrong, and how requests ended.

    `held` has, again and again, the requests sent by then, the bytes of memory and the files of the daemon.
    """

    sent: int = 0
    wrong: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    held: list[tuple[int, int, int]] = field(default_factory=list)


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--soak-minutes"))


@pytest.mark.timeout(7_200)
async def test_minutes_of_mixed_traffic_leave_nothing_wrong_and_nothing_behind(tmp_path: Path, minutes: float) -> None:
    """U-95, U-105: over surfaces, streams, faults, hedges, callers who leave, and a reload every five seconds."""
    seen, data = Seen(), tmp_path / "data"
    async with providers() as url:
        (tmp_path / "rules.d").mkdir()
        (tmp_path / "rules.d" / "rules.yaml").write_text(RULES.format(url=url))
        async with serving(directory=tmp_path) as daemon, aiohttp.ClientSession() as http:
            await traffic(daemon, http, tmp_path / "rules.d", seen, minutes * 60)
            metrics = await settled(daemon, http)
            assert await daemon.end(signal.SIGTERM) == 0
            assert "Traceback" not in daemon.words
    assert seen.wrong == []
    assert {"answered", "broken", "left"} <= set(seen.ends)
    rows = rows_of(data)
    assert len({row["id"] for row in rows}) == len(rows) == seen.sent
    counted = sum(int(value) for key, value in metrics.items() if key[0] == "rulegate_requests_total")
    assert counted == seen.sent
    assert ledger_of(data) == sums_of_rows(data)
    nano_usd = sum(int(str(row["cost_nano_usd"])) for row in rows)
    assert nano_usd == sum(amounts.nano_usd for amounts in ledger_of(data).values())
    assert nano_usd == sum(round(v * 10**9) for key, v in metrics.items() if key[0] == "rulegate_cost_usd_total")
    warm = seen.held[len(seen.held) // 3 :]
    growth = slope([(sent, memory) for sent, memory, _ in warm])
    files = slope([(sent, files) for sent, _, files in warm])
    shown = f"{seen.sent} requests, {growth:.0f} bytes and {files * 1000:.2f} files a request or a thousand, {warm}"
    logging.getLogger(__name__).info(shown)
    assert growth < GROWTH_BYTES, shown
    assert files * 1000 < GROWTH_FILES, shown


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Give the median of the slopes between any two points, which single jumps do not move (Theil and Sen)."""
    pairs = itertools.combinations(points, 2)
    return median((late - early) / (then - before) for (before, early), (then, late) in pairs if then > before)


@asynccontextmanager
async def providers() -> AsyncIterator[str]:
    runner, port = await start(build_app(Faults(FAULTS), speed=0.0))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def traffic(daemon: Serving, http: aiohttp.ClientSession, rules: Path, seen: Seen, seconds: float) -> None:
    """Ask for so long, reload again and again, and look at what the daemon holds."""
    loop = asyncio.get_running_loop()
    end_s, chance = loop.time() + seconds, random.Random(11)
    kinds = itertools.cycle(itertools.product(PATHS, (False, True), WAYS))

    async def caller() -> None:
        while loop.time() < end_s:
            surface, stream, way = next(kinds)
            seen.sent += 1
            leaves = stream and surface != "execute" and chance.random() < LEAVES
            await one(daemon.url, http, surface, way, seen, stream=stream and surface != "execute", leaves=leaves)
            await asyncio.sleep(PAUSE_S)

    async def reloads() -> None:
        for number in itertools.count():
            noise = f"rules: [{{name: noise-{number}, when: {{words: {{gt: 9999}}}}, route: [quick]}}]\n"
            (rules / "noise.yaml").write_text(noise)
            seen.held.append((seen.sent, *held_by(daemon.process.pid)))
            if loop.time() + RELOAD_EVERY_S > end_s:
                return
            await asyncio.sleep(RELOAD_EVERY_S)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reloads())
        for _ in range(AT_ONCE):
            tasks.create_task(caller())


async def one(
    url: str, http: aiohttp.ClientSession, surface: str, way: str, seen: Seen, *, stream: bool, leaves: bool
) -> None:
    """Send one request with a number of its own, and look whether the answer is to it."""
    number = str(seen.sent)
    body = body_of(surface, stream=stream, prompt=f"number {number} please")
    async with http.post(url + PATHS[surface], json=body, headers={"x-way": way}) as response:
        if leaves:
            await response.content.readany()
            response.close()
            seen.ends["left"] += 1
            return
        said = (await response.read()).decode()
        breaks = stream and response.headers.get("x-rulegate-model") == "cut"  # until it rests
        whole = any(mark in said for mark in ENDS) if stream else json.loads(said).get("error") is None
        if response.status != 200 or whole is breaks:
            seen.wrong.append(f"{surface} {way} {stream}: {response.status} {said[-300:]}")
        elif others := [word for word in numbers(said) if word != number]:
            seen.wrong.append(f"{number}: the answer is to {others}")
        seen.ends["broken" if breaks else "answered"] += 1


ENDS = ("data: [DONE]", "event: response.completed", "event: message_stop")


def numbers(said: str) -> list[str]:
    """Give the numbers of requests that an answer quotes."""
    words = said.replace('\\"', " ").replace('"', " ").split()
    return [after for word, after in itertools.pairwise(words) if word == "number" and after.isdigit()]


def held_by(pid: int) -> tuple[int, int]:
    """Give the bytes of memory and the open files of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE_BYTES, len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def settled(daemon: Serving, http: aiohttp.ClientSession) -> dict[tuple[str, ...], float]:
    """Give the metrics once nothing is in flight."""

    async def look() -> dict[tuple[str, ...], float] | None:
        async with http.get(f"{daemon.url}/metrics") as response:
            found = samples(await response.text())
        return found if found["rulegate_in_flight_requests",] == 0 else None

    return await until(look, "end of all requests")
