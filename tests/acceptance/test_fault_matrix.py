"""Every fault that the simulator knows, at each place of a chain, on each surface, streamed and whole, in each dialect.

The cells are made from the faults themselves: a fault of which nothing is expected here fails the first test. All
cells of a fault are asked at once, each of models at accounts of its own, so that none rests for another's sake.
"""

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.simulator.faults import Fault
from tests.fakes.answers import read, told
from tests.fakes.cells import CELLS, COOLS, EXPECTED, OURS, STATUS, Cell, Fate, fate
from tests.fakes.daemon import EMBEDDINGS, PATHS, Daemon, body_of, daemon
from tests.fakes.truth import Truth, Used, truths

PRICES: Final = (1000, 100, 1250, 5000)
"""What a token costs, in nano-dollars, at every model here: fresh input, from a cache, into a cache, output."""
COLUMNS: Final = ("fresh_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "output_tokens")
BENT: Final = {"usage_missing", "usage_cached", "usage_wrong"}
"""Faults that bend what is said of usage."""
ANTHROPICS: Final = {
    400: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The type of an error by its status, for a caller of messages; else `api_error`."""
OPENAIS: Final = {400: ("invalid_request_error", None), 429: ("rate_limit_error", "rate_limit_exceeded")}
"""The type and the code of an error by its status where its provider has none, for all other callers."""
OURS_ALONE: Final = ("server_error", None)

Got = tuple[int, Mapping[str, str], bytes]
"""Status, headers by their names in lower case, and body."""
Seen = tuple[str, object, object]
"""What is looked at, how it is, and how it must be."""


def rules(fault: str) -> str:
    """Give a rule, a chain and accounts of its own for each cell; `c4s0` is the first step of the fifth."""
    price = "{input: 1, output: 5, cache_read: 0.1, cache_write: 1.25}"
    providers, models, made = ["providers:"], ["models:"], ["rules:"]
    for number, cell in enumerate(CELLS):
        names = [f"c{number}s{step}" for step in range(3)]
        for step, name in enumerate(names):
            providers.append(f"  {name}: {{kind: {cell.steps[step]}, api_key: none}}")
            models.append(f"  {name}: {{provider: {name}, model: {cell.upstream(step)}, price: {price}}}")
        route = ", ".join(f"{{model: {name}{cell.limits(step, fault)}}}" for step, name in enumerate(names))
        surface = ", surface: embeddings" if cell.surface == "embeddings" else ""
        made.append(f"  - {{name: {cell.name}, when: {{header.x-cell: {cell.name}{surface}}}, route: [{route}]}}")
    return "\n".join([*providers, *models, *made, "defaults: {affinity: none}", ""])


@dataclass(frozen=True)
class Case:
    """A cell with what must come of it, what its caller got, its row, and what the simulator was sent for it."""

    number: int
    cell: Cell
    must: Fate
    status: int
    headers: Mapping[str, str]
    body: bytes
    row: Mapping[str, Any]
    truths: Mapping[int, Sequence[Truth]]

    def name(self, step: int) -> str:
        return f"c{self.number}s{step}"

    def sent(self, step: int) -> Truth | None:
        """Give what the simulator was sent at a step."""
        return self.truths[step][0] if self.truths[step] else None

    @property
    def truth(self) -> Truth | None:
        return None if self.must.served is None else self.sent(self.must.served)

    @property
    def booked(self) -> dict[int, tuple[str, Used]]:
        """What must be booked of each step, and for what: an answer is one even if it broke off."""
        guess: int = self.row["facts"]["estimated_tokens"]
        found: dict[int, tuple[str, Used]] = {}
        for step, failure in self.must.tried:
            truth = self.sent(step)
            if truth is None:
                continue
            if step == self.must.served:
                heard = read(self.cell.surface, self.body, stream=self.cell.stream).text
                found[step] = "answer", truth.broke_off(heard, guess) if failure else truth.answered(guess)
            elif (used := truth.failed()) is not None:
                found[step] = "failed", used
        return found


def test_of_each_fault_it_is_said_what_must_come_of_it() -> None:
    assert set(EXPECTED) == {fault.value for fault in Fault}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", EXPECTED)
async def test_what_comes_of_a_fault_wherever_it_is(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-01 to U-14, U-16, U-21, U-23, U-26, U-31 to U-35, U-61 to U-65, U-105: the next step answers as long as there
    is no content; after it comes an error event, and no other voice; the caller, the row, the ledger, the metrics and
    the wire agree on what was tried, what it used and what that cost."""
    caplog.set_level(logging.WARNING)
    async with daemon(tmp_path, {"a.yaml": rules(fault)}) as running:
        await asyncio.gather(*scripted(running, fault))
        answers, sent = await all_asked(running)
        rows = {row["id"]: row for row in await running.rows(len(CELLS))}
        metrics = await running.metrics()
        ledger = ledger_of(await running.get("/api/spend?by=model,kind&from=1h&step=15m"))
    rested = set(re.findall(r"model '(\w+)' is left alone", caplog.text))
    cases = [
        Case(number, cell, fate(cell, fault), *got, rows[got[1]["x-rulegate-request-id"]], sent_for(number, sent))
        for number, (cell, got) in enumerate(zip(CELLS, answers, strict=True))
    ]
    wrong = [
        f"{case.cell.name}: {what} is {is_!r}, not {must!r}"
        for case in cases
        for look in (as_tried, as_told, as_said, as_failed, as_used, as_booked(ledger), as_counted(metrics, rested))
        for what, is_, must in look(case)
        if is_ != must
    ]
    assert wrong == []
    assert len(rows) == len(CELLS)


def scripted(running: Daemon, fault: str) -> Iterator[Any]:
    for number, cell in enumerate(CELLS):
        for step in range(3):
            if here := cell.fault_of(step, fault):
                per_token_s = 0.001 if here == "slow" else None
                yield running.fault(f"c{number}s{step}/{cell.upstream(step)}", here, per_token_s=per_token_s)


async def all_asked(running: Daemon) -> tuple[list[Got], dict[str, list[Truth]]]:
    """Ask in every cell, half of them at a time: more requests than these the simulator does not remember."""
    answers: list[Got] = []
    sent: dict[str, list[Truth]] = {}
    for half in (CELLS[: len(CELLS) // 2], CELLS[len(CELLS) // 2 :]):
        answers += await asyncio.gather(*(asked(running, cell) for cell in half))
        journal = await running.upstream()
        assert (journal["total"], journal["open_requests"]) == (len(journal["requests"]), 0)
        sent |= truths(journal)
        async with running.http.delete(f"{running.simulator}/requests") as response:
            assert response.status == 200
    return answers, sent


async def asked(running: Daemon, cell: Cell) -> Got:
    path = EMBEDDINGS if cell.surface == "embeddings" else PATHS[cell.surface]
    body = body_of(cell.surface, stream=cell.stream, prompt=cell.name)
    async with running.http.post(running.url + path, json=body, headers={"x-cell": cell.name}) as response:
        named = {name.lower(): value for name, value in response.headers.items()}
        return response.status, named, await response.read()


def sent_for(number: int, sent: Mapping[str, Sequence[Truth]]) -> dict[int, Sequence[Truth]]:
    return {step: sent.get(f"c{number}s{step}", ()) for step in range(3)}


Ledger = dict[tuple[str, str], tuple[tuple[int, ...], int, int]]
"""By model and kind: attempts with fresh input, cache reads and writes, and output; nano-dollars; those guessed."""


def ledger_of(spend: Mapping[str, Any]) -> Ledger:
    """Read the answer of `/api/spend`; a test may run over the edge of a quarter hour."""
    names = ("attempts", "fresh_input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    rows = [row for bucket in spend["buckets"] for row in bucket["rows"]]
    keys = [(row["model"], row["kind"]) for row in rows]
    assert len(set(keys)) == len(keys), "each model is asked once"
    return {
        key: (tuple(row[name] for name in names), row["nano_usd"], row["estimated_nano_usd"])
        for key, row in zip(keys, rows, strict=True)
    }


def cost(used: Used) -> int:
    return sum(count * price for count, price in zip(used.counters, PRICES, strict=True))


def as_tried(case: Case) -> Iterator[Seen]:
    """Look at the steps of the row, those that were passed over among them, and at what went over the wire."""
    row, must = case.row, case.must
    steps = [(each["model"], each.get("failure", each.get("skip"))) for each in row["attempts"]]
    yield "steps", steps, [(case.name(step), failure or None) for step, failure in must.steps]
    failures, statuses = dict(must.tried), {each["model"]: each.get("status") for each in row["attempts"]}
    for step, sent in case.truths.items():
        failure = failures.get(step)
        if failure == "connect":  # a kept connection that is closed without a byte is made anew, once
            yield f"sent to step {step}", len(sent) <= 2, True
            continue
        yield f"sent to step {step}", len(sent), int(step in failures)
        if sent and failure != "timeout":
            yield f"status of step {step}", statuses.get(case.name(step)), sent[0].status


def as_told(case: Case) -> Iterator[Seen]:
    """Look at the headers and the row, which say the same of what happened."""
    cell, must, row, headers = case.cell, case.must, case.row, case.headers
    served = "" if must.served is None else case.name(must.served)
    yield "outcome", (row["outcome"], row["stream"], row["surface"]), (must.outcome, cell.stream, cell.surface)
    yield "rule", (headers["x-rulegate-rule"], row["rule"]), (cell.name, cell.name)
    yield "model", (headers.get("x-rulegate-model", ""), row["model"]), (served, served)
    yield "provider", (headers.get("x-rulegate-provider", ""), row["provider"]), (served, served)
    yield "attempts", headers["x-rulegate-attempts"], str(len(must.tried))
    yield "generation", headers["x-rulegate-generation"], f"{row['generation']}-{row['fingerprint'][:7]}"
    at_once = must.served is not None and not cell.stream
    yield "told cost", headers.get("x-rulegate-cost-usd"), f"{row['cost_nano_usd'] / 1e9:.9f}" if at_once else None


def as_said(case: Case) -> Iterator[Seen]:
    """Look at the answer: whole in the caller's own dialect or broken off, and one voice in it."""
    cell, must, truth = case.cell, case.must, case.truth
    said = read(cell.surface, case.body, stream=cell.stream)
    yield "whole", said.whole, truth is not None and not must.broken
    yield "error", said.error is not None, truth is None or must.broken
    if truth is None or must.served is None:
        yield "text", (case.status == 200, said.text), (False, "")
        return
    yield "model of the body", said.model, case.name(must.served) if cell.surface == "execute" else truth.question.model
    heard = said.text.rstrip() if must.broken else said.text
    endless = truth.fault == "endless" and must.broken
    if endless:
        heard = heard.removeprefix(truth.text).replace(" and", "")
    yield "text", heard, "" if endless else truth.text[: len(heard)] if must.broken else truth.text
    if must.broken or truth.text:
        yield "silence", bool(said.text), True
    yield "voice", set(re.findall(r"\(simulated ([^)]+)\)", said.text)) - {truth.question.model}, set()


def as_failed(case: Case) -> Iterator[Seen]:
    """Look at the error: honest, in the caller's own dialect, with the words that its provider has for the caller."""
    cell, must = case.cell, case.must
    error = read(cell.surface, case.body, stream=cell.stream).error
    status, retry_after = (200, None) if must.served is not None else status_of(case)
    yield "status", (case.status, case.headers.get("retry-after")), (status, retry_after)
    if error is None:
        return
    tried = [each for each in case.row["attempts"] if "skip" not in each]
    listed = [{name: each.get(name) for name in ("model", "status", "failure")} for each in tried]
    shown = [each for each in error["rulegate"]["attempts"] if "skip" not in each]
    yield "listed", [{name: each.get(name) for name in ("model", "status", "failure")} for each in shown], listed
    step, failure = must.tried[-1] if must.broken else must.decisive
    ours = failure in OURS
    yield "blame", error["rulegate"]["blame"], "gateway" if ours else "provider"
    sent = None if ours else case.sent(step)
    kind, code, message = (sent.words if sent else None) or (None, None, None)
    if message is not None:
        yield "message", error["message"], message
    else:
        yield "message", (bool(error["message"]), not ours or case.name(step) in error["message"]), (True, True)
    if cell.surface == "messages":
        yield "type", error["type"], ANTHROPICS.get(status, "api_error")
    else:
        usual = OPENAIS.get(status, OURS_ALONE)
        yield "type", (error["type"], error["code"]), (kind or usual[0], code or usual[1])


def status_of(case: Case) -> tuple[int, str | None]:
    """Say which status is due where no step answered, and when to come again: what a provider said of it."""
    step, failure = case.must.decisive
    status = STATUS.get(failure, 502)
    sent = case.sent(step)
    as_it_is = case.cell.surface == "messages" and sent is not None and sent.status == 529
    return 529 if as_it_is else status, "1" if failure == "rate_limited" else None


def as_used(case: Case) -> Iterator[Seen]:
    """Look at what the row says was used, in all and by each attempt, and at what the caller is told of it."""
    row, booked = case.row, case.booked
    total = sum((used for _, used in booked.values()), Used())
    source = "none" if not booked else "estimated" if total.estimated else "reported"
    yield "used", (*(row[name] for name in COLUMNS), row["usage_source"]), (*total.counters, source)
    yield "cost", row["cost_nano_usd"], cost(total)
    alone = len(booked) == 1 and case.must.served in booked
    for each in row["attempts"]:
        step = int(each["model"][-1])
        kind, used = booked.get(step, ("failed", None))
        if used is None or alone:
            yield f"use of step {step}", each.get("usage"), None  # that of the row, if any
            continue
        usage = each.get("usage") or {}
        counters = tuple(usage.get(name, 0) for name in COLUMNS)
        yield f"use of step {step}", (counters, usage.get("estimated", False)), (used.counters, used.estimated)
        plain = "failed" if each["failure"] else "answer"
        yield f"cost of step {step}", (each.get("kind") or plain, each.get("cost_nano_usd", 0)), (kind, cost(used))
    truth = case.truth
    if truth is not None and not case.must.broken and truth.fault not in BENT and case.cell.surface != "execute":
        yield "told use", *told_use(case, truth)


def told_use(case: Case, truth: Truth) -> tuple[object, object]:
    """Compare what the caller is told was used with what was; a stream of chat did not ask for the chunk with it."""
    if case.cell.surface == "chat" and case.cell.stream:
        return b'"choices":[]' in case.body, False
    counters = told(case.body, stream=case.cell.stream)
    names = ("input_tokens", "output_tokens")
    if case.cell.surface in ("chat", "embeddings"):
        names = ("prompt_tokens", "completion_tokens")
    return tuple(counters.get(name, 0) for name in names), (truth.plain.fresh, truth.plain.output)


def as_booked(ledger: Ledger) -> Any:  # noqa: ANN401 - a look
    """Look at the ledger: what each attempt cost, and for what; nothing of those that cost nothing."""

    def look(case: Case) -> Iterator[Seen]:
        due = {
            (case.name(step), kind): ((1, *used.counters), cost(used), cost(used) if used.estimated else 0)
            for step, (kind, used) in case.booked.items()
        }
        names = {case.name(step) for step in range(3)}
        yield "ledger", {key: each for key, each in ledger.items() if key[0] in names}, due

    return look


def as_counted(metrics: Mapping[tuple[str, ...], float], rested: set[str]) -> Any:  # noqa: ANN401 - a look
    """Look at the counters, and at who rests for it."""

    def look(case: Case) -> Iterator[Seen]:
        cell, must = case.cell, case.must
        outcomes = {key[1]: count for key, count in requests.get(cell.name, ()) if count}
        yield "requests", outcomes, {must.outcome: 1}
        names = [case.name(step) for step in range(3)]
        counted = {key[1:]: count for name in names for key, count in attempts.get(name, ()) if count}
        yield "counted", counted, {(failure or "none", case.name(step)): 1 for step, failure in must.tried}
        rest = {step for step, name in enumerate(names) if name in rested}
        yield "rests", rest, {step for step, failure in must.steps if failure in COOLS}

    requests = by_label(metrics, "rulegate_requests_total")
    attempts = by_label(metrics, "rulegate_attempts_total")
    return look


def by_label(metrics: Mapping[tuple[str, ...], float], name: str) -> dict[str, list[tuple[tuple[str, ...], float]]]:
    """Give the samples of a counter by its second label: rule of requests, model of attempts."""
    found: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for key, count in metrics.items():
        if key[0] == name:
            found.setdefault(key[2], []).append((key, count))
    return found
