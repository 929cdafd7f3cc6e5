"""A daemon whose time of day is set while it answers: a day forward, and two hours back.

What limits a wait goes by seconds that nobody sets; what belongs to a day or a window goes by the time of day.
"""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.log_sqlite import LogReader
from tests.adapters.journals import ledger_of, sums_of_rows
from tests.fakes.clock import SetClock
from tests.fakes.daemon import Daemon, daemon, until

NIGHT = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
"""Half an hour after midnight: two hours back is another day."""
DAY, BACK = timedelta(days=1), timedelta(hours=-2)
RULES = """
providers: {p: {kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}}
models: {m: {provider: p, model: up, price: {input: 1000, output: 1000}}}
rules: [{name: all, route: [{model: m, timeout: {total: 20s}}]}]
defaults: {affinity: none}
budgets:
  day: {limit: 1000000 USD, per: day, hard: true}
  lately: {limit: 1000000 USD, per: rolling 2 days}
alerts:
  errors: {kind: error_rate, above: 1%, notify: [ops]}
  burning: {kind: burn_rate, budget: day, notify: [ops]}
receivers:
  ops: {kind: generic, url: {env: OPS}}
"""


async def streamed(running: Daemon, begun: asyncio.Event) -> tuple[int, str]:
    """Ask for a stream; say when its first content is there."""
    async with running.ask("chat", stream=True) as response:
        said = await response.content.readany()
        begun.set()
        return response.status, (said + await response.read()).decode()


async def spent(running: Daemon) -> dict[str, int]:
    budgets: list[dict[str, Any]] = (await running.get("/api/budgets"))["budgets"]
    return {each["name"]: each["spent_nano_usd"] for each in budgets if each["spent_known"]}


async def test_requests_go_on_while_the_time_of_day_is_set_and_what_they_cost_stays_with_its_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-69 U-75 U-79 U-82 U-102: no request fails, none waits less, and rows, ledger, budgets and alerts agree."""
    monkeypatch.setenv("OPS", "http://127.0.0.1:9/")
    clock = SetClock(NIGHT)
    async with daemon(tmp_path, {"a.yaml": RULES}, clock=clock) as running:
        await running.fault("up", "slow", per_token_s=0.02, first_content_s=0.1)
        for leap in (DAY, BACK, BACK, DAY):
            begun = [asyncio.Event() for _ in range(4)]
            async with asyncio.TaskGroup() as tasks:
                streams = [tasks.create_task(streamed(running, each)) for each in begun]
                await asyncio.gather(*(each.wait() for each in begun))
                clock.set(leap)
                async with running.ask("messages") as response:
                    assert (response.status, (await response.json())["type"]) == (200, "message")
            for stream in streams:
                status, said = stream.result()
                assert (status, "data: [DONE]" in said, '"error"' in said) == (200, True, False)

        rows = await running.rows(20)
        assert len({row["id"] for row in rows}) == len(rows) == 20
        assert {(row["outcome"], len(row["attempts"])) for row in rows} == {("answered", 1)}
        for row in rows:
            assert (await running.row(row["id"]))["at"] == row["at"]
        days = Counter(datetime.fromisoformat(row["at"]).date() for row in rows)
        assert days == {date(2026, 11, 24): 14, date(2026, 11, 25): 6}

        async def known() -> dict[str, int] | None:
            found = await spent(running)
            return found if len(found) == 2 else None

        budgets = await until(known, "budget whose spend is known")
        today = [row for row in rows if datetime.fromisoformat(row["at"]).date() == clock.now().date()]
        assert budgets["day"] == sum(row["cost_nano_usd"] for row in today)
        assert (await running.get("/api/alerts"))["open"] == []
        metrics = await running.metrics()
        assert metrics["rulegate_requests_total", "answered", "all", "chat"] == 16
    data = tmp_path / "data" / "simulated"
    assert ledger_of(data) == sums_of_rows(data)
    assert {day: len(LogReader(data / "log").past(day, 0, 100)) for day in days} == days
