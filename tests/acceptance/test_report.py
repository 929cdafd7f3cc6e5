"""`rulegate report` beside a running gateway: what it says is what the metrics and the rows say."""

import asyncio
import json
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from tests.adapters.journals import ledger_of, rows_of
from tests.fakes.daemon import body_of, samples, until
from tests.fakes.process import GATEWAY, environment, serving

PROMPTS = ("Write a Python function", "Translate into French: good morning", "Prove that the square root is irrational")
ROUNDS = 3


async def report(directory: Path, *arguments: str) -> dict[str, Any]:
    """Run the command as its users do."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *GATEWAY, "report", "--data", "data/simulated", "--from", "2d", "--json", *arguments),
        cwd=directory,
        env=environment({}),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found


async def test_a_report_agrees_with_the_metrics_and_the_rows_to_the_nano_dollar(tmp_path: Path) -> None:
    """U-65 U-75: while the gateway runs and after it stopped; what a failed attempt cost is in it, and apart in what
    routing saved."""
    asked = len(PROMPTS) * ROUNDS
    async with serving("--simulate", directory=tmp_path) as gateway, aiohttp.ClientSession(gateway.url) as http:

        async def said() -> str | None:
            found = re.search(r"faults +(http\S+)", gateway.words)
            return found and found[1]

        faults = await until(said, "line about faults")
        async with http.post(faults, json={"model": "*", "fault": "empty", "count": 1}) as response:
            assert response.status == 200
        for place in range(asked):
            body = body_of("chat", prompt=PROMPTS[place % len(PROMPTS)])
            tags = {"x-rulegate-tags": f"round-{place // len(PROMPTS)}"}
            async with http.post("/v1/chat/completions", json=body, headers=tags) as response:
                assert response.status == 200, await response.text()
                await response.read()

        async def booked() -> bool | None:
            ledger = ledger_of(tmp_path / "data/simulated").values()
            return sum(amounts.attempts for amounts in ledger) > asked or None

        await until(booked, f"ledger of {asked} answers and a failure")
        async with http.get("/metrics") as response:
            metrics = samples(await response.text())
        during = await report(tmp_path, "--by", "rule", "--baseline", "opus")
        assert await gateway.end(signal.SIGTERM) == 0
    after = await report(tmp_path, "--by", "rule", "--baseline", "opus")
    assert after == during
    by_rule: Counter[str] = Counter()
    for key, value in metrics.items():
        if key[0] == "rulegate_cost_usd_total":
            by_rule[key[2]] += round(value * 10**9)
    assert {line["rule"]: line["cost_nano_usd"] for line in after["lines"]} == +by_rule
    rows = rows_of(tmp_path / "data/simulated")
    money = sum(int(str(row["cost_nano_usd"])) for row in rows)
    whole = after["baseline"]["total"]
    assert after["simulated"] is True
    assert after["total"]["cost_nano_usd"] == whole["cost_nano_usd"] == money > 0
    extra = sum(round(value * 10**9) for key, value in metrics.items() if key[0] == "rulegate_extra_cost_usd_total")
    assert whole["unanswered_nano_usd"] == extra > 0
    assert (whole["answers"], after["baseline"]["missing_days"]) == (asked, {})
    by_tag = await report(tmp_path, "--by", "tag")
    assert sorted(line["attempts"] for line in by_tag["lines"]) == [len(PROMPTS), len(PROMPTS), len(PROMPTS) + 1]
    assert sum(line["cost_nano_usd"] for line in by_tag["lines"]) == money
