"""A shift of spend from one end to the other: real requests, real files, real messages; only time is in a hurry."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.shift_rows import event_of_row
from gateway.adapters.shifts_sqlite import Shifts
from gateway.domain.shift import SpendEvent
from gateway.engine.shifts import buckets
from gateway.engine.shifts.fold import Fold
from gateway.engine.shifts.terms import DAY_S, Terms
from tests.acceptance.test_alerts import GENERIC, providers, secrets
from tests.fakes.clock import LeapingClock
from tests.fakes.daemon import Daemon, daemon, until
from tests.fakes.hooks import Got, Hooks, hooks

__all__ = ["secrets"]

BUCKET_S = 300
PER_BUCKET = 100
"""Twenty requests a minute."""
HISTORY_DAYS = 16
SAMPLE = 600
MODELS = """\
providers:
  local: {{kind: openai, base_url: "{simulator}/openai/v1", api_key: none}}
models:
  small: {{provider: local, model: gpt-5-nano, price: {{input: 1, output: 1}}}}
  large: {{provider: local, model: gpt-5-mini, price: {{input: 20, output: 20}}}}
defaults: {{affinity: none}}
receivers:
  ops: {ops}
alerts:
  shifts: {{kind: spend_shift, notify: [ops]}}
"""
CHAT = "rules:\n  - {name: chat, route: [small]}\n"
SPLIT = CHAT.replace("[small]", "[{split: {small: 70, large: 30}}]")
REST = "rules:\n  - {name: rest, priority: 5, when: {header.x-kind: rest}, route: [large]}\n"
CHEAPER = REST.replace("[large]", "[{split: {small: 80, large: 20}}]")


async def traffic(running: Daemon, chance: random.Random, count: int) -> None:
    """Ask so often; one of twenty requests is of another kind, and none is as long as the next."""

    async def ask() -> None:
        kind = "rest" if chance.random() < 0.05 else "chat"
        prompt = "why " * int(chance.lognormvariate(4, 0.5))
        async with running.ask("chat", headers={"x-kind": kind}, prompt=prompt) as response:
            assert response.status == 200, await response.text()

    for _ in range(0, count, 50):
        await asyncio.gather(*(ask() for _ in range(50)))


def remember(data: Path, sample: list[SpendEvent], until_s: float) -> None:
    """Have a daemon's state know weeks of such traffic: what it would have kept, had it seen them."""
    chance, fold = random.Random(7), Fold(Terms())
    last = int(until_s // BUCKET_S)
    for bucket in range(last - HISTORY_DAYS * DAY_S // BUCKET_S, last):
        cells: buckets.Cells = {}
        for event in chance.choices(sample, k=int(chance.gauss(PER_BUCKET, 10))):
            buckets.add(cells, event)
        fold.add_cells(bucket, cells)
    Shifts(data / "state.db").save(fold.to_plain(), ())


async def sampled(directory: Path, files: dict[str, str]) -> list[SpendEvent]:
    """Give what such requests use and cost, by the daemon's own log."""
    async with daemon(directory, files, simulate=False) as running:
        await traffic(running, random.Random(5), SAMPLE)
        rows = await running.rows(SAMPLE)
    events = [
        event_of_row(row | {name: json.dumps(row[name]) for name in ("chain", "attempts", "tags")}) for row in rows
    ]
    assert all(events)
    return [event for event in events if event is not None]


class Days:
    """A daemon over files and a clock, which can be left and begun again."""

    def __init__(self, directory: Path, files: dict[str, str], clock: LeapingClock, there: Hooks) -> None:
        self.clock = clock
        self.there = there
        self._directory = directory
        self._files = files
        self._chance = random.Random(6)

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[Daemon]:
        """Run the daemon over the files as they are now."""
        async with daemon(self._directory, self._files, simulate=False, clock=self.clock) as running:
            yield running

    async def edit(self, running: Daemon, name: str, text: str) -> int:
        """Write a rule file; give the generation that runs then."""
        before = (await running.status(lambda _: True, "status"))["generation"]
        self._files[name] = text
        running.write(name, text)
        return int((await running.generation(before))["generation"])

    async def five_minutes(self, running: Daemon) -> None:
        """Let a bucket pass with its requests, until the daemon has looked at it."""
        await traffic(running, self._chance, PER_BUCKET)
        await running.metrics()  # what has ended is noted by then, as it is before five minutes have passed
        number = int(self.clock.now().timestamp() // BUCKET_S)
        self.clock.leap(BUCKET_S)

        async def look() -> bool | None:
            kept, _ = await asyncio.to_thread(Shifts(running.data / "state.db").load)
            return True if kept is not None and kept["bucket"] > number else None

        await until(look, f"bucket {number} in state.db")

    def phases(self) -> list[str]:
        """Give what was told, but for escalations."""
        return [got.data["phase"] for got in self.there.of("ops") if got.data["phase"] != "escalated"]


@pytest.mark.timeout(180)
async def test_an_edit_that_moves_traffic_to_a_dearer_model_is_told_once_with_its_place_and_its_revert_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-80 to U-84: within a quarter of an hour of an edit that sends 30 % to a model of 20 times the price, over a
    restart, and once; a saving is information."""
    async with providers() as simulator, hooks() as there:
        monkeypatch.setenv("OPS", f"{there.url}/ops/canary-of-ops")
        models = MODELS.format(simulator=simulator, ops=GENERIC.format("OPS"))
        files = {"10-models.yaml": models, "20-rest.yaml": REST, "30-chat.yaml": CHAT}
        sample = await sampled(tmp_path, files)
        begins = (datetime.now(UTC).timestamp() // BUCKET_S + 12) * BUCKET_S  # noqa: TID251 - where the test begins
        remember(tmp_path / "data", sample, begins)
        clock = LeapingClock(datetime.fromtimestamp(begins, UTC) + timedelta(seconds=1))
        days = Days(tmp_path, files, clock, there)
        async with days.begun() as running:
            for _ in range(3):
                await days.five_minutes(running)
            assert there.of("ops") == []
            generation = await days.edit(running, "30-chat.yaml", SPLIT)
            for _ in range(3):
                await days.five_minutes(running)
            (got,) = await there.until("ops", 1)
            is_about_the_edit(got, generation)
            marks = (await running.get("/api/spend"))["shifts"]
            assert [(mark["id"], mark["kind"]) for mark in marks] == [(got.data["incident_id"], "spend_shift")]
        async with days.begun() as running:
            for _ in range(6):
                await days.five_minutes(running)
            assert days.phases() == ["firing"]
            await days.edit(running, "30-chat.yaml", CHAT)
            buckets_until_told = 0
            while days.phases() == ["firing"]:
                await days.five_minutes(running)
                buckets_until_told += 1
            assert days.phases() == ["firing", "resolved"]
            assert buckets_until_told * BUCKET_S <= 3600
            await days.edit(running, "20-rest.yaml", CHEAPER)
            for _ in range(24):
                await days.five_minutes(running)
            saving = there.of("ops")[-1]
            assert days.phases() == ["firing", "resolved", "firing"]
            assert (saving.data["severity"], saving.data["values"]["cause"]) == ("info", "rule=rest")


def is_about_the_edit(got: Got, generation: int) -> None:
    """See that a message names the rule, the file, the line and both generations, and what there is to know."""
    values: dict[str, Any] = got.data["values"]
    summary = got.data["summary"]
    assert (got.data["phase"], values["cause"]) == ("firing", "rule=chat")
    assert "rule 'chat'" in summary
    assert "30-chat.yaml:2" in summary
    assert f"{generation - 1}-" in summary
    assert f"-> {generation}-" in summary
    assert 0.2 < values["after"] < 0.4, "the share of calls that the edit moved, by the calls since"
    parts = values["parts_nano_usd"]
    assert parts["whole"] == parts["volume"] + parts["mix"] + parts["price"] + parts["tokens"]
