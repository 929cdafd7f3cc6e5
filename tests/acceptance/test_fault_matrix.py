"""Every fault that the simulator knows, at each place of a chain, on each surface, streamed and whole, in each dialect.

The cells are made from the faults themselves: a fault of which nothing is expected here fails the first test. All
cells of a fault are asked at once, each of models at accounts of its own, so that none rests for another's sake.
"""

import asyncio
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.simulator.faults import Fault
from tests.fakes.answers import Said, read
from tests.fakes.cells import CELLS, COOLS, EXPECTED, Cell, Fate, fate
from tests.fakes.daemon import EMBEDDINGS, PATHS, Daemon, body_of, daemon
from tests.fakes.truth import Truth, truths

LIMITS: Final = "timeout: {connect: 1s, headers: 500ms, first_content: 500ms, idle: 1s, total: 1500ms}"
PRICE: Final = {"fresh_input": 1000, "cache_read": 100, "cache_write_5m": 1250, "output": 5000}
"""What a token costs, in nano-dollars, at every model here."""
BENT: Final = {"usage_missing", "usage_cached", "usage_wrong"}
"""Faults that bend what is said of usage: the row has not what was used, but what can be known of it."""


def rules() -> str:
    """Give a rule, a chain and accounts of its own for each cell; `c4s0` is the first step of the fifth."""
    providers, models, made = ["providers:"], ["models:"], ["rules:"]
    for number, cell in enumerate(CELLS):
        for step, kind in enumerate(cell.steps):
            name = f"c{number}s{step}"
            price = "{input: 1, output: 5, cache_read: 0.1, cache_write: 1.25}"
            providers.append(f"  {name}: {{kind: {kind}, api_key: none}}")
            models.append(f"  {name}: {{provider: {name}, model: {cell.upstream(step)}, price: {price}}}")
        route = ", ".join(f"c{number}s{step}" for step in range(3))
        surface = ", surface: embeddings" if cell.surface == "embeddings" else ""
        made.append(f"  - {{name: {cell.name}, when: {{header.x-cell: {cell.name}{surface}}}, route: [{route}]}}")
    return "\n".join([*providers, *models, *made, f"defaults: {{affinity: none, {LIMITS}}}", ""])


def test_of_each_fault_it_is_said_what_must_come_of_it() -> None:
    assert set(EXPECTED) == {fault.value for fault in Fault}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", EXPECTED)
async def test_what_comes_of_a_fault_wherever_it_is(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-01 to U-14, U-16, U-23, U-26, U-31, U-35, U-36, U-62, U-63: the next step answers as long as there is no
    content; after it comes an error event, and no other voice; the row, the headers, the attempts, what was used and
    what it cost agree."""
    caplog.set_level(logging.WARNING)
    async with daemon(tmp_path, {"a.yaml": rules()}) as running:
        for number, cell in enumerate(CELLS):
            for step in range(3):
                if here := cell.fault_of(step, fault):
                    per_token_s = 0.001 if here == "slow" else None
                    await running.fault(f"c{number}s{step}/{cell.upstream(step)}", here, per_token_s=per_token_s)
        answers = await asyncio.gather(*(asked(running, cell) for cell in CELLS))
        rows = {row["id"]: row for row in await running.rows(len(CELLS))}
        said = truths(await running.upstream())
        rested = set(re.findall(r"model '(\w+)' is left alone", caplog.text))
    wrong = []
    for number, (cell, got) in enumerate(zip(CELLS, answers, strict=True)):
        row, must = rows[got.headers["x-rulegate-request-id"]], fate(cell, fault)
        truth = said.get(f"c{number}s{must.served}")
        rest = {step for step in range(3) if f"c{number}s{step}" in rested}
        seen = {
            **as_told(number, must, got, row),
            **as_said(cell, must, got, truth),
            **as_used(fault, cell, must, got, row, truth),
            "rests": rest == {step for step, failure in must.steps if failure in COOLS},
        }
        shown = (got.status, row["attempts"], row["outcome"], got.body[-200:])
        wrong += [f"{cell.name}: {name}: {shown}" for name, right in seen.items() if not right]
    assert wrong == []
    assert len(rows) == len(CELLS)


@dataclass(frozen=True)
class Got:
    """What the caller got."""

    status: int
    headers: dict[str, str]
    body: bytes


async def asked(running: Daemon, cell: Cell) -> Got:
    path = EMBEDDINGS if cell.surface == "embeddings" else PATHS[cell.surface]
    body = body_of(cell.surface, stream=cell.stream, prompt=cell.name)
    async with running.http.post(running.url + path, json=body, headers={"x-cell": cell.name}) as response:
        named = {name.lower(): value for name, value in response.headers.items()}
        return Got(response.status, named, await response.read())


def as_told(number: int, must: Fate, got: Got, row: dict[str, Any]) -> dict[str, bool]:
    """Say whether the row and the headers tell what happened, and no step was passed over."""
    name = "" if must.served is None else f"c{number}s{must.served}"
    tried = [(each["model"], each.get("failure", each.get("skip"))) for each in row["attempts"]]
    return {
        "status": got.status in must.statuses,
        "steps": tried == [(f"c{number}s{step}", failure or None) for step, failure in must.steps],
        "outcome": (row["outcome"], row["model"]) == (must.outcome, name),
        "count": got.headers["x-rulegate-attempts"] == str(len(must.tried)),
        "model": got.headers.get("x-rulegate-model", "") == name,
        "when to come again": got.status != 429 or got.headers["retry-after"].isdecimal(),
    }


def as_said(cell: Cell, must: Fate, got: Got, truth: Truth | None) -> dict[str, bool]:
    """Say whether the caller got a whole answer or an error in his own dialect, and heard one voice."""
    said = read(cell.surface, got.body, stream=cell.stream)
    broken = must.outcome == "interrupted"
    voices = set(re.findall(r"\(simulated ([^)]+)\)", said.text))
    return {
        "whole": said.whole is (must.served is not None and not broken),
        "error": (said.error is not None) is (must.served is None or broken),
        "voice": voices == set() if must.served is None else voices <= {cell.upstream(must.served)},
        "text": is_text_of(said, truth, broken=broken),
    }


def is_text_of(said: Said, truth: Truth | None, *, broken: bool) -> bool:
    """Say whether a text is what was said; of an answer that broke off, that it began so."""
    if truth is None:
        return not said.text
    return bool(said.text) and said.text[:20] == truth.text[:20] if broken else said.text == truth.text


def as_used(fault: str, cell: Cell, must: Fate, got: Got, row: dict[str, Any], truth: Truth | None) -> dict[str, bool]:
    """Say whether the row has what was used, by whomever, what that cost, and the caller is told the same."""
    cost = sum(row[f"{kind}_tokens"] * nano_usd for kind, nano_usd in PRICE.items())
    told = got.headers.get("x-rulegate-cost-usd")
    plain = must.served is not None and must.outcome != "interrupted" and not must.paid_in_vain
    exact = plain and (fault not in BENT or cell.fault_of(must.served or 0, fault) == "")
    counted = (row["fresh_input_tokens"], row["output_tokens"], row["usage_source"])
    return {
        "cost": row["cost_nano_usd"] == cost,
        "paid": (cost > 0) is (must.served is not None or must.paid_in_vain),
        "told cost": told is None or round(float(told) * 1e9) == cost or cell.stream,
        "used": not exact or truth is None or counted == (truth.input_tokens, truth.output_tokens, "reported"),
    }
