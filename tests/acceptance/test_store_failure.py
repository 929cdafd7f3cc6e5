"""Budgets of a running daemon whose `state.db` fails: really locked, really broken, and mended while it runs."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.adapters.journals import ledger_of, locked, sums_of_rows
from tests.fakes.daemon import Daemon, daemon, until
from tests.fakes.rule_files import MODELS

RULES = (
    MODELS
    + """\
  free: {provider: openai, model: gpt-4o-mini, price: free}
rules:
  - {name: spare, priority: 9, when: {header.x-spare: 'yes'}, route: [nano, free]}
  - {name: all, route: [mini]}
"""
)
BUDGETS = """\
budgets:
  closed: {scope: {model: nano}, limit: 100 USD, per: day, hard: true}
  local: {scope: {model: mini}, limit: 100 USD, per: day}
  open: {scope: {model: haiku}, limit: 0.000000001 USD, per: day, hard: true, on_store_failure: open}
"""
MODELS_ASKED = ("nano", "mini", "haiku")


@contextmanager
def broken(path: Path) -> Iterator[None]:
    """Overwrite the page in which the ledger begins, as a bad disk does, and put it back in the end."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
        size: int = database.execute("pragma page_size").fetchone()[0]
        place: int = database.execute("select rootpage from sqlite_master where name = 'ledger'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((place - 1) * size)
        page = file.read(size)
        file.seek((place - 1) * size)
        file.write(b"\xff" * size)
    try:
        yield
    finally:
        with path.open("r+b") as file:
            file.seek((place - 1) * size)
            file.write(page)


async def asked(running: Daemon) -> dict[str, int]:
    """Ask each model; give the statuses."""
    statuses = {}
    for model in MODELS_ASKED:
        async with running.ask("chat", model=model) as response:
            await response.read()
            statuses[model] = response.status
    return statuses


async def standings(running: Daemon) -> dict[str, tuple[bool, int]]:
    """Give what each budget has spent, and whether that is known to be all."""
    found = (await running.get("/api/budgets"))["budgets"]
    return {each["name"]: (each["spent_known"], each["spent_nano_usd"]) for each in found}


async def all_known(running: Daemon) -> dict[str, tuple[bool, int]]:
    async def look() -> dict[str, tuple[bool, int]] | None:
        found = await standings(running)
        return found if all(known for known, _ in found.values()) else None

    return await until(look, "budget that is known again")


async def test_a_start_without_the_ledger_holds_what_each_budget_says_until_it_is_mended(tmp_path: Path) -> None:
    """U-72 U-79: `closed` is a 503 that says whose fault it is, `local` counts, `open` lets pass; once the ledger can
    be read, all stand as if nothing had been."""
    async with daemon(tmp_path, {"rules.yaml": RULES, "budgets.yaml": BUDGETS}) as running:
        assert await asked(running) == {"nano": 200, "mini": 200, "haiku": 402}
        await running.rows(3)
        before = await standings(running)
    assert before["closed"][1] > 0
    state = tmp_path / "data" / "simulated" / "state.db"
    with broken(state):
        async with daemon(tmp_path, {}) as running:
            assert await asked(running) == {"nano": 503, "mini": 200, "haiku": 200}
            async with running.ask("messages", model="nano") as response:
                error = (await response.json())["error"]
                assert (response.status, response.headers["Retry-After"]) == (503, "5")
            assert error["rulegate"]["blame"] == "gateway"
            assert "budget 'closed'" in error["message"]
            async with running.ask("chat", headers={"x-spare": "yes"}) as response:
                assert (response.status, response.headers["x-rulegate-model"]) == (200, "free")
            meanwhile = await standings(running)
            assert [known for known, _ in meanwhile.values()] == [False] * 3
            metrics = await running.metrics()
            assert metrics["rulegate_budget_unread_attempts_total", "closed"] == 3
            assert metrics["rulegate_budget_unread_attempts_total", "open"] == 1
            assert metrics["rulegate_store_failures_total", "ledger"] >= 1
            async with running.http.get(f"{running.url}/readyz") as response:
                assert "cannot be read" in await response.text()
            rows = await running.rows(8)
    async with daemon(tmp_path, {}) as running:
        after = await all_known(running)
        data = tmp_path / "data" / "simulated"
        assert ledger_of(data) == sums_of_rows(data)
        spent = {"closed": "nano", "local": "mini", "open": "haiku"}
        for budget, model in spent.items():
            assert after[budget] == (True, sum(row["cost_nano_usd"] for row in rows if row["model"] == model))
        assert await asked(running) == {"nano": 200, "mini": 200, "haiku": 402}


async def test_a_budget_that_a_reload_brings_is_known_as_soon_as_the_ledger_is_mended(tmp_path: Path) -> None:
    """U-72 U-77: while the daemon runs; what is spent meanwhile counts once."""
    state = tmp_path / "data" / "simulated" / "state.db"
    async with daemon(tmp_path, {"rules.yaml": RULES}) as running:
        assert await asked(running) == dict.fromkeys(MODELS_ASKED, 200)
        await running.rows(3)

        async def booked() -> bool | None:
            return len(ledger_of(state.parent)) >= 3 or None

        await until(booked, "sum of three requests")
        with broken(state):
            running.write("budgets.yaml", BUDGETS)
            await running.reloader.reload()
            assert await asked(running) == {"nano": 503, "mini": 200, "haiku": 200}
            await running.rows(6)
        after = await all_known(running)
        rows = await running.rows(6)
        for budget, model in {"closed": "nano", "local": "mini", "open": "haiku"}.items():
            assert after[budget] == (True, sum(row["cost_nano_usd"] for row in rows if row["model"] == model))
        assert await asked(running) == {"nano": 200, "mini": 200, "haiku": 402}


LIMITED = MODELS + ("budgets: {all: {limit: 100 USD, per: day, hard: true}}\nrules: [{name: all, route: [mini]}]\n")


async def test_a_ledger_that_cannot_be_written_closes_nothing_and_lets_nothing_past_a_hard_limit(
    tmp_path: Path,
) -> None:
    """U-72 U-99: what a running daemon has read it knows: it goes on from memory, and the ledger catches up."""
    data = tmp_path / "data" / "simulated"
    async with daemon(tmp_path, {"rules.yaml": LIMITED}) as running:
        with locked(data / "state.db"):
            async with asyncio.TaskGroup() as tasks:
                requests = [tasks.create_task(one(running)) for _ in range(20)]
            assert {each.result() for each in requests} == {200}
            (standing,) = (await running.get("/api/budgets"))["budgets"]
            rows = await running.rows(20)
            assert standing["spent_nano_usd"] == sum(row["cost_nano_usd"] for row in rows) > 0
            assert standing["spent_known"]
            spent = standing["spent_usd"]
            await running.status(lambda status: status["log"] == "degraded", "failure to write")
        running.write("rules.yaml", LIMITED.replace("100 USD", f"{spent:.9f} USD"))
        await running.reloader.reload()
        with locked(data / "state.db"):
            assert await one(running) == 402
        await running.status(lambda status: status["log"] == "written", "ledger that is written again")
        assert ledger_of(data) == sums_of_rows(data)


async def one(running: Daemon) -> int:
    async with running.ask("chat") as response:
        await response.read()
        return response.status
