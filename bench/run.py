"""Measure the gateway beside a bare aiohttp proxy, in turn and interleaved: `make bench`. See README.md.

The gateway is a real `rulegate serve` with a rules directory, a data directory, log and metrics; the floor, called b,
is `proxy.py`. Both run alone on one core, the upstream and the driver on another.
"""

import argparse
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench import report, workload
from bench.processes import Process, ask, cores, pause

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"
RULES = 20
TARGETS = ("gateway", "b")
SECRET = {"RULEGATE_BENCH_KEY": "sk-of-the-bench"}


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured at a time: a request body, where it goes, and over how many connections at once."""

    name: str
    path: str
    body: str
    connections: int


CELLS = {
    cell.name: cell
    for cell in (
        Cell("chat-1", "/v1/chat/completions", "chat", 1),
        Cell("chat-64", "/v1/chat/completions", "chat", 64),
        Cell("stream-1", "/v1/chat/completions", "chat.stream", 1),
        Cell("stream-64", "/v1/chat/completions", "chat.stream", 64),
        Cell("messages-64", "/v1/messages", "messages", 64),
        Cell("translated-64", "/v1/chat/completions", "chat.other", 64),
        Cell("translated-stream-64", "/v1/chat/completions", "chat.other.stream", 64),
    )
}


@dataclass(frozen=True, slots=True)
class Tools:
    """The commands of driver and upstream; `kind` is c or python."""

    kind: str
    drive: tuple[str, ...]
    upstream: tuple[str, ...]


class Bench:
    """The processes of one run, in a folder of its own."""

    def __init__(self, work: Path, tools: Tools, options: argparse.Namespace) -> None:
        self._work = work
        self._tools = tools
        self._options = options
        self._core, self._other_core = cores()
        self._live: dict[str, Process] = {}
        self._ports: dict[str, int] = {}
        self._sent = 0
        workload.write_answers(work / "answers")
        workload.write_bodies(work / "bodies")
        (work / "rules.d").mkdir()

    @contextmanager
    def running(self, starts: int) -> Iterator[dict[str, Any]]:
        """Start everything, the targets `starts` times over and in turn; give how long they took to answer first."""
        with ExitStack() as stack:
            command = [*self._tools.upstream, str(self._work / "answers")]
            upstream = Process(command, self._work / "upstream.log", self._other_core, {})
            stack.callback(upstream.stop)
            self._ports["direct"] = upstream.port()
            for name, text in workload.rule_files(RULES, f"http://127.0.0.1:{self._ports['direct']}").items():
                (self._work / "rules.d" / name).write_text(text)
            first_answer_s: dict[str, list[float]] = {name: [] for name in TARGETS}
            for start in range(starts):
                for name in TARGETS:
                    process = self._started(name, start)
                    stack.callback(process.stop)
                    self._live[name] = process
                    first_answer_s[name].append(self._first_answer(name, process))
                    if start < starts - 1:
                        process.stop()
            pause(0.5)
            memory_mb = {name: self._live[name].memory_mb() for name in TARGETS}
            yield {"first_answer_s": {n: median(s) for n, s in first_answer_s.items()}, "idle_memory_mb": memory_mb}

    def _started(self, name: str, start: int) -> Process:
        log = self._work / f"{name}-{start}.log"
        if name == "b":
            upstream = f"http://127.0.0.1:{self._ports['direct']}"
            return Process.of_python([str(HERE / "proxy.py"), upstream], log, self._core, {})
        folders = ["--rules", str(self._work / "rules.d"), "--data", str(self._data(start))]
        arguments = ["-m", "gateway", "serve", "--listen", "127.0.0.1:0", *folders]
        return Process.of_python(arguments, log, self._core, SECRET)

    def _data(self, start: int) -> Path:
        return self._work / f"data-{start}"

    def _first_answer(self, name: str, process: Process) -> float:
        port = self._ports[name] = process.port("listens on" if name == "gateway" else "")
        self._expect(process, port, "chat-1")
        elapsed_s = process.since_start_s()
        for cell in reversed(workload.ROUTES):
            self._expect(process, port, cell)
        return elapsed_s

    def _expect(self, process: Process, port: int, cell: str) -> None:
        """Ask once; RuntimeError unless the answer is a good one, of the model and by the rule that it should be."""
        asked = CELLS[cell]
        status, headers, body = ask(port, asked.path, (self._work / "bodies" / asked.body).read_bytes())
        by = tuple(headers.get(name, "none") for name in ("x-rulegate-rule", "x-rulegate-model"))
        if status != 200 or by != (workload.ROUTES[cell] if process is self._live.get("gateway") else ("none", "none")):
            raise RuntimeError(f"{process.name} answered {status} by {by}: {body[:300]!r}\n{process.last_words()}")

    def drive(self, target: str, cell: Cell, seconds: float) -> dict[str, float]:
        """Drive one cell against one target; give what the driver saw, and the CPU milliseconds per request."""
        process = self._live.get(target)
        before_s = process.cpu_s() if process else 0.0  # idle since it last settled
        body = str(self._work / "bodies" / cell.body)
        load = [cell.path, body, str(cell.connections), str(self._options.warmup), str(seconds)]
        command = [*self._tools.drive, str(self._ports[target]), *load]
        driver = Process(command, self._work / "drive.log", self._other_core, {})
        seen: dict[str, float] = json.loads(driver.output(seconds + 30))
        if process:
            seen["cpu_ms"] = (process.settled_cpu_s() - before_s) * 1e3 / max(seen["all"], 1)
        self._sent += int(seen["all"]) if target == "gateway" else 0
        return seen

    def check_that_all_was_done(self) -> dict[str, int]:
        """Stop the gateway and count: every answer has its row and its place in the counters. Else RuntimeError."""
        _, _, metrics = ask(self._ports["gateway"], "/metrics")
        lines = [line.rpartition(" ") for line in metrics.decode().splitlines() if not line.startswith("#")]
        counted = round(sum(float(value) for name, _, value in lines if name.startswith("rulegate_requests_total")))
        self._live["gateway"].stop()
        rows = 0
        for path in self._data(self._options.starts - 1).glob("log/requests-*.db"):
            database = sqlite3.connect(path)
            rows += database.execute("select count(*) from requests").fetchone()[0]
            database.close()
        if min(rows, counted) < self._sent:
            raise RuntimeError(f"of {self._sent} answers {counted} were counted and {rows} logged: not the whole job")
        return {"answers": self._sent, "counted": counted, "rows": rows}

    def decisions(self, repeats: int) -> dict[str, Any]:
        """Measure decisions alone, on the core of the targets."""
        results = {}
        for rules in (100, 1000):
            log = self._work / f"decision-{rules}.log"
            process = Process.of_python([str(HERE / "decision.py"), str(rules), str(repeats)], log, self._core, {})
            results[str(rules)] = json.loads(process.output())
        return results


def tools() -> Tools:
    """Compile driver and upstream where there is a C compiler, else take the slow ones."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None or shutil.which(compiler) is None:
        slow = (sys.executable, str(HERE / "slow.py"))
        return Tools("python", (*slow, "drive"), (*slow, "upstream"))
    BUILD.mkdir(exist_ok=True)
    for name in ("drive", "upstream"):
        source, target = HERE / "src" / f"{name}.c", BUILD / name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            subprocess.run([compiler, "-O2", "-o", target, source], check=True)
    return Tools("c", (str(BUILD / "drive"),), (str(BUILD / "upstream"),))


def measure(bench: Bench, cells: Sequence[Cell], options: argparse.Namespace) -> dict[str, Any]:
    """Measure every cell against every target, in turn, round after round."""
    rounds: dict[str, list[dict[str, dict[str, float]]]] = {cell.name: [] for cell in cells}
    for place in range(options.rounds):
        for cell in cells:
            turn = TARGETS if place % 2 else TARGETS[::-1]
            seen = {target: bench.drive(target, cell, options.seconds) for target in turn}
            if cell.connections == 1:
                seen["direct"] = bench.drive("direct", cell, options.seconds / 4)
            rounds[cell.name].append(seen)
        print(f"round {place + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return {name: report.summary(seen) for name, seen in rounds.items()}


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4, help="how often all cells are measured [4]")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a cell is measured at a time [1]")
    parser.add_argument("--cells", default=",".join(CELLS), help="which cells, with commas between [all]")
    parser.add_argument("--out", type=Path, help="write all figures here as JSON")
    parser.add_argument("--quick", action="store_true", help="one short round: a look, not a measurement")
    options = parser.parse_args(arguments)
    unknown = set(options.cells.split(",")) - CELLS.keys()
    if unknown:
        parser.error(f"there is no cell {', '.join(sorted(unknown))}; there is {', '.join(CELLS)}")
    options.warmup, options.starts, options.repeats = 0.3, 3, 40
    if options.quick:
        options.rounds, options.seconds, options.warmup = 1, min(options.seconds, 0.4), 0.1
        options.starts, options.repeats = 1, 2
    return options


def main(arguments: Sequence[str]) -> None:
    """Run the bench and print its tables."""
    options = options_of(arguments)
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("the bench pins processes and reads /proc: it needs Linux")
    chosen = tools()
    if chosen.kind != "c":
        print("no C compiler (cc): the driver is in Python and slow; read the CPU ratios alone", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="rulegate-bench-") as work:
        bench = Bench(Path(work), chosen, options)
        try:
            with bench.running(options.starts) as processes:
                cells = measure(bench, [CELLS[name] for name in options.cells.split(",")], options)
                done = bench.check_that_all_was_done()
            decisions = bench.decisions(options.repeats)
        except RuntimeError as error:
            sys.exit(f"bench: {error}")
    result: dict[str, Any] = {
        "about": {
            "python": platform.python_version(),
            **{name: version(name) for name in report.VERSIONS},
            "cores": len(set(cores())),
            "driver": chosen.kind,
            "rounds": options.rounds,
            "seconds": options.seconds,
            "rules": RULES,
        },
        "cells": cells,
        "decisions": decisions,
        "processes": processes,
        "done": done,
    }
    result["aims"] = report.aims(result)
    print(report.text(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
