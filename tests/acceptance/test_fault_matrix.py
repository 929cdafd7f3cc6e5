"""Every fault that the simulator knows, at each place of a chain, on each surface, streamed and whole, in each dialect.

The cells are made from the faults themselves: a fault of which nothing is expected here fails the first test. All
cells of a fault are asked at once, each of models at accounts of its own, so that none rests for another's sake.
"""

import asyncio
import itertools
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.simulator.faults import Fault
from tests.fakes.daemon import Daemon, daemon

UPSTREAM: Final = {"openai": "gpt-5-nano", "anthropic": "claude-haiku-4-5"}
OTHER: Final = {"openai": "anthropic", "anthropic": "openai"}
OWN: Final = {"chat": "openai", "responses": "openai", "messages": "anthropic"}
PLACES: Final = ("first", "middle", "last")
LIMITS: Final = "timeout: {connect: 1s, headers: 500ms, first_content: 500ms, idle: 1s, total: 1500ms}"
WELL: Final = ""
"""No failure: the step answers."""
BROKEN: Final = "!"
"""A mark before a failure that comes after content: the answer breaks off, and no other model takes over."""


@dataclass(frozen=True)
class Expected:
    """The failure of a step with a fault, of whole answers and of streams, where OpenAI's differ also of those."""

    whole: str
    stream: str
    openai_stream: str | None = None

    def of(self, kind: str, *, stream: bool) -> str:
        if not stream:
            return self.whole
        return self.openai_stream if self.openai_stream is not None and kind == "openai" else self.stream


def alike(failure: str) -> Expected:
    return Expected(failure, failure)


EXPECTED: Final = {
    "rate_limited": alike("rate_limited"),
    "quota": alike("quota"),
    "server_error": alike("server_error"),
    "overloaded": alike("overloaded"),
    "auth": alike("auth"),
    "not_found": alike("not_found"),
    "bad_request": alike("bad_request"),
    "context_length": alike("context_length"),
    "content_filter": alike(WELL),
    "refuse": alike("connect"),
    "stall": alike("timeout"),
    "stall_after_headers": alike("timeout"),
    "cut": Expected("truncated", BROKEN + "truncated"),
    "error_in_stream": Expected("overloaded", "overloaded", openai_stream="server_error"),
    "error_in_200": alike("server_error"),
    "empty": alike("empty"),
    "malformed_line": alike("malformed"),
    "no_terminal": Expected(WELL, BROKEN + "truncated"),
    "no_marker": Expected(WELL, BROKEN + "truncated"),
    "headers_slowly": alike("timeout"),
    "pings_only": alike("timeout"),
    "endless": Expected("timeout", BROKEN + "timeout"),
    "endless_event": alike("timeout"),
    "gzip_bomb": alike("malformed"),
    "half_closed": Expected("truncated", BROKEN + "truncated"),
    "slow": alike(WELL),
    "usage_missing": alike(WELL),
    "usage_cached": alike(WELL),
    "usage_wrong": alike(WELL),
    "usage_split": alike(WELL),
}
SMALLER: Final = "anthropic"
"""The kind here whose models have the smaller window: what is too long for one may go on to the other."""
STATUS: Final = {
    "rate_limited": {429},
    "overloaded": {503, 529},
    "timeout": {504},
    "bad_request": {400},
    "context_length": {400},
}
"""What the caller gets where this is the failure of the last step; 502 for all others."""
COOLS: Final = {"rate_limited", "auth", "quota"}
"""What makes a model rest after a single failure."""


@dataclass(frozen=True)
class Cell:
    """One request: on which surface, at which kind of provider, and at which place the fault is."""

    surface: str
    stream: bool
    kind: str
    place: str

    @property
    def name(self) -> str:
        return f"{self.surface}-{'stream' if self.stream else 'whole'}-{self.kind}-{self.place}"

    @property
    def at(self) -> int:
        return PLACES.index(self.place)

    @property
    def steps(self) -> tuple[str, ...]:
        """The kinds of the providers of its chain: the one with the fault, and others after and before it."""
        kinds = [self.kind, OTHER[self.kind], self.kind]
        return tuple(kinds if self.at != 1 else [OTHER[self.kind], self.kind, OTHER[self.kind]])


CELLS: Final = [
    Cell(surface, stream, kind, place)
    for surface, stream, kind, place in itertools.product(OWN, (False, True), UPSTREAM, PLACES)
]


def rules() -> str:
    """Give a rule, a chain and accounts of its own for each cell; `n.0` is the first step of cell n."""
    providers, models, made = ["providers:"], ["models:"], ["rules:"]
    for number, cell in enumerate(CELLS):
        for step, kind in enumerate(cell.steps):
            name = f"c{number}s{step}"
            providers.append(f"  {name}: {{kind: {kind}, api_key: none}}")
            models.append(f"  {name}: {{provider: {name}, model: {UPSTREAM[kind]}}}")
        route = ", ".join(f"c{number}s{step}" for step in range(3))
        made.append(f"  - {{name: {cell.name}, when: {{header.x-cell: {cell.name}}}, route: [{route}]}}")
    return "\n".join([*providers, *models, *made, f"defaults: {{affinity: none, {LIMITS}}}", ""])


def test_of_each_fault_it_is_said_what_must_come_of_it() -> None:
    assert set(EXPECTED) == {fault.value for fault in Fault}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", EXPECTED)
async def test_what_comes_of_a_fault_wherever_it_is(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-01 to U-14, U-16, U-23, U-26, U-35, U-36, U-62: the next step answers as long as there is no content; after it
    comes an error event; the row, the headers and the attempts agree."""
    caplog.set_level(logging.WARNING)
    async with daemon(tmp_path, {"a.yaml": rules()}) as running:
        for number, cell in enumerate(CELLS):
            for step in range(cell.at):
                await running.fault(f"c{number}s{step}/{UPSTREAM[cell.steps[step]]}", "server_error")
            faulty = f"c{number}s{cell.at}/{UPSTREAM[cell.kind]}"
            await running.fault(faulty, fault, per_token_s=0.001 if fault == "slow" else None)
        answers = await asyncio.gather(*(asked(running, cell) for cell in CELLS))
        rows = {row["id"]: row for row in await running.rows(len(CELLS))}
        rested = set(re.findall(r"model '(\w+)' is left alone", caplog.text))
        wrong = [
            f"{cell.name}: {problem}"
            for number, (cell, answer) in enumerate(zip(CELLS, answers, strict=True))
            for problem in problems(fault, number, cell, answer, rows, rested)
        ]
    assert wrong == []
    assert len(rows) == len(CELLS)


@dataclass(frozen=True)
class Got:
    """What the caller got."""

    status: int
    headers: dict[str, str]
    body: bytes


async def asked(running: Daemon, cell: Cell) -> Got:
    headers = {"x-cell": cell.name}
    async with running.ask(cell.surface, headers=headers, stream=cell.stream, prompt=cell.name) as response:
        named = {name.lower(): value for name, value in response.headers.items()}
        return Got(response.status, named, await response.read())


def problems(fault: str, number: int, cell: Cell, got: Got, rows: dict[str, Any], rested: set[str]) -> list[str]:
    """Say in what a cell is not as it must be."""
    failure = EXPECTED[fault].of(cell.kind, stream=cell.stream)
    breaks, failure = failure.startswith(BROKEN), failure.removeprefix(BROKEN)
    hopeless = fault == "bad_request" or (fault == "context_length" and cell.kind != SMALLER)
    goes_on = bool(failure) and not breaks and not hopeless and cell.at < 2
    attempts: list[tuple[str, str | None]] = [(f"c{number}s{step}", "server_error") for step in range(cell.at)]
    attempts.append((f"c{number}s{cell.at}", failure or None))
    if goes_on:
        attempts.append((f"c{number}s{cell.at + 1}", None))
    served = "" if failure and not goes_on and not breaks else attempts[-1][0]
    if breaks:
        outcome = "interrupted"
    elif not served:
        outcome = "failed"
    else:
        outcome = "answered" if len(attempts) == 1 else "answered_after_fallback"
    statuses = {200} if served else STATUS.get(failure, {502})
    row = rows[got.headers["x-rulegate-request-id"]]
    tried = [(each["model"], each["failure"]) for each in row["attempts"] if "failure" in each]
    seen = {
        "status": got.status in statuses,
        "row attempts": tried == attempts,
        "outcome": (row["outcome"], row["model"]) == (outcome, served),
        "count": got.headers["x-rulegate-attempts"] == str(len(attempts)),
        "model": got.headers.get("x-rulegate-model", "") == served,
        "body": is_right(cell, got, whole=bool(served) and not breaks, error=breaks or not served),
        "cooling": (f"c{number}s{cell.at}" in rested) is (failure in COOLS),
        "others rest": not any(f"c{number}s{step}" in rested for step in range(3) if step != cell.at),
    }
    shown = (got.status, tried, row["outcome"], got.body[-200:])
    return [f"{name}: {shown}" for name, right in seen.items() if not right]


ENDS: Final = {"chat": b"data: [DONE]", "responses": b"event: response.completed", "messages": b"event: message_stop"}


def is_right(cell: Cell, got: Got, *, whole: bool, error: bool) -> bool:
    """Say whether a body is in the caller's dialect: an answer to its end, or an error, never both."""
    if not cell.stream or got.status != 200:
        return ("error" in json.loads(got.body) and json.loads(got.body)["error"] is not None) is error
    ended = ENDS[cell.surface] in got.body or b"event: response.incomplete" in got.body
    failed = any(mark in got.body for mark in (b'"error":{', b"event: error", b"event: response.failed"))
    return ended is whole and failed is error
