"""What was spent, for charts: buckets that hold what the ledger has, to the nano-dollar, and what moved beside them."""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.adapters.ledger_sqlite import LedgerReader
from gateway.domain.ledger import Amounts
from tests.fakes.caller_files import bearer, callers
from tests.fakes.daemon import Daemon, daemon

RULES = """\
providers:
  openai: {kind: openai, api_key: none}
models:
  mini: {provider: openai, model: gpt-5-mini}
  nano: {provider: openai, model: gpt-5-nano}
budgets:
  growth: {limit: 50 USD, per: month, scope: {team: growth}, timezone: Europe/Berlin}
  tagged: {limit: 50 USD, per: day, scope: {tag: b}}
rules:
  - {name: code, priority: 5, when: {header.x-code: "yes"}, route: [mini]}
  - {name: rest, route: [nano]}
"""
CALLERS = callers(one="team: growth, tags: [a, b]", two="team: growth, tags: [b]", three="")
NAMES = ("one", "two", "three")
FILES = {"a.yaml": RULES, "callers.yaml": CALLERS}


async def traffic(running: Daemon) -> None:
    for place in range(12):
        headers = {**bearer(NAMES[place % 3]), "x-code": "yes" if place % 2 else "no"}
        async with running.ask("chat", headers=headers, prompt="Why? " * (place + 1)) as response:
            assert response.status == 200, await response.text()


def amounts(of: Mapping[str, Any]) -> Amounts:
    return Amounts(**{name: of[name] for name in Amounts._fields})


def added(rows: list[Mapping[str, Any]]) -> Amounts:
    return Amounts._make(sum(amounts(row)[place] for row in rows) for place in range(len(Amounts._fields)))


async def ledger_of(running: Daemon) -> Amounts:
    reader = LedgerReader(running.data / "simulated" / "state.db")
    return (await asyncio.to_thread(reader.spend, -(2**40), 2**40))[()]


async def test_the_buckets_hold_what_the_ledger_has_to_the_nano_dollar(tmp_path: Path) -> None:
    """U-79: by any dimensions, in any steps; what is asked right after a request is in the answer."""
    async with daemon(tmp_path, FILES) as running:
        await traffic(running)
        first = await running.get("/api/spend?by=team,model")
        ledger = await ledger_of(running)
        assert (amounts(first["total"]), first["complete"], ledger.attempts) == (ledger, True, 12)
        assert first["total"]["nano_usd"] == sum(row["cost_nano_usd"] for row in await running.rows(12))
        for query in (
            "",
            "by=team",
            "by=caller,rule,category",
            "by=kind,provider",
            "step=15m&by=model",
            "step=1d&by=team&from=7d",
        ):
            answer = await running.get(f"/api/spend?{query}")
            rows = [row for bucket in answer["buckets"] for row in bucket["rows"]]
            assert added(rows) == added([bucket["total"] for bucket in answer["buckets"]]) == ledger, query
            edges = [(bucket["start"], bucket["end"]) for bucket in answer["buckets"]]
            assert [end for _, end in edges[:-1]] == [start for start, _ in edges[1:]]
            assert (answer["from"], answer["to"]) == (edges[0][0], edges[-1][1])
        by_tag = await running.get("/api/spend?by=tag")
        rows = [row for bucket in by_tag["buckets"] for row in bucket["rows"]]
        assert amounts(by_tag["total"]) == ledger
        assert {row["tag"]: row["attempts"] for row in rows} == {"a": 4, "b": 8, "": 4}
        assert [row["nano_usd"] for row in rows] == sorted((row["nano_usd"] for row in rows), reverse=True)


ALONE = {
    "team=growth": 8,
    "team=": 4,
    "team=growth&team=": 12,
    "team=growth&model=mini": 4,
    "caller=one&caller=two&by=caller": 8,
    "tag=b": 8,
    "tag=a&by=tag": 4,
    "budget=growth": 8,
    "budget=growth&caller=one": 4,
    "budget=tagged&by=team": 8,
    "budget=growth&team=other": 0,
    "rule=nowhere": 0,
}


async def test_what_is_asked_for_alone_is_in_the_answer(tmp_path: Path) -> None:
    """Values of one dimension are either-or, dimensions go together; what has several tags counts once."""
    async with daemon(tmp_path, FILES) as running:
        await traffic(running)
        for query, attempts in ALONE.items():
            answer = await running.get(f"/api/spend?{query}")
            rows = [row["attempts"] for bucket in answer["buckets"] for row in bucket["rows"]]
            assert (answer["total"]["attempts"], sum(rows)) == (attempts, attempts), query


async def test_a_budget_is_asked_for_in_its_own_window_and_time_zone(tmp_path: Path) -> None:
    async with daemon(tmp_path, FILES) as running:
        answer = await running.get("/api/spend?budget=growth&step=1d")
        (standing,) = (each for each in (await running.get("/api/budgets"))["budgets"] if each["name"] == "growth")
        assert answer["budget"] == {"name": "growth", "limit_nano_usd": 50_000_000_000}
        assert (answer["from"], answer["timezone"]) == (standing["window"]["start"], "Europe/Berlin")
        assert answer["where"] == {"team": ["growth"]}


async def test_a_question_that_cannot_be_answered_is_said_so(tmp_path: Path) -> None:
    async with daemon(tmp_path, FILES) as running:
        for query in ("by=colour", "step=5m", "from=3000d&step=15m", "budget=none", "shape=round"):
            async with running.http.get(f"{running.url}/api/spend?{query}") as response:
                said = (await response.json())["error"]["message"]
                assert (response.status, "there is no" in said or "more than 2,000 buckets" in said) == (400, True)


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")


async def test_the_questions_of_the_page_are_answered(tmp_path: Path) -> None:
    """U-125: as they stand there; the body has the fields that the page shows, and no others."""
    asked = re.findall(r'curl -s "\$URL(/api/spend[^"]*)"', PAGE)
    (example,) = (
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if '"shifts"' in block
    )
    async with daemon(tmp_path, FILES) as running:
        await traffic(running)
        assert len(asked) >= 3
        for path in asked:
            answer = await running.get(path)
            assert list(answer) == list(example), answer
            assert all(list(bucket) == list(example["buckets"][0]) for bucket in answer["buckets"])
