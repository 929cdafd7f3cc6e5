"""Measure what a helper that hangs does to everybody else: `make chaos`. See README.md.

One gateway under a steady load, undisturbed and disturbed in turn, round after round of one run: the log's file locked
by another process, a disk that takes nothing more, a webhook that never answers, a thousand callers that do not move
on. What is read are ratios: the latency of requests while it goes on, to that of the same round without it.
"""

import argparse
import json
import os
import platform
import resource
import socket
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench import workload
from bench.processes import Process, ask, cores, pause
from bench.run import SECRET, Tools, tools

RULES = 20
SLOW_CALLERS = 1_000
ALERTS = 8
"""Alerts that fire at once: more than are sent at a time."""
SHOWN = ("whole_p50_us", "whole_p99_us")
PATIENCE_S = 20.0


class Stalled:
    """A receiver that takes connections, and what they say, and never answers; counts them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def taken(self) -> int:
        """How many have come."""
        return len(self._taken)

    def _take(self) -> None:
        while True:
            self._taken.append(self._listener.accept()[0])


class Chaos:
    """A gateway in a folder of its own, and what can be done to it."""

    def __init__(self, work: Path, chosen: Tools, stack: ExitStack) -> None:
        self._work = work
        self._tools = chosen
        core, self._other_core = cores()
        workload.write_answers(work / "answers")
        workload.write_bodies(work / "bodies")
        self._rules = work / "rules.d"
        self._rules.mkdir()
        upstream = Process([*chosen.upstream, str(work / "answers")], work / "upstream.log", self._other_core, {})
        stack.callback(upstream.stop)
        for name, text in workload.rule_files(RULES, f"http://127.0.0.1:{upstream.port()}").items():
            (self._rules / name).write_text(text)
        self._stalled = Stalled()
        folders = ["--rules", str(self._rules), "--data", str(work / "data")]
        arguments = [*self.program(), "--listen", "127.0.0.1:0", *folders]
        hook = {"RULEGATE_BENCH_HOOK": f"http://127.0.0.1:{self._stalled.port}/"}
        self._gateway = Process.of_python(arguments, work / "gateway.log", core, {**SECRET, **hook})
        stack.callback(self._gateway.stop)
        self._port = self._gateway.port("listens on")
        self.cases: Mapping[str, Callable[[], Any]] = {
            "log store stalled": self.log_stalled,
            "disk full": self.disk_full,
            "webhook stalled": self.webhook_stalled,
            "1,000 slow callers": self.slow_callers,
        }

    def program(self) -> list[str]:
        """Give the command that serves."""
        return ["-m", "gateway", "serve"]

    def drive(self, connections: int, warmup_s: float, seconds: float) -> dict[str, float]:
        """Give what the driver saw of a steady load; RuntimeError where a request was not answered."""
        body = str(self._work / "bodies" / "chat")
        load = ["/v1/chat/completions", body, str(connections), str(warmup_s), str(seconds)]
        driver = Process([*self._tools.drive, str(self._port), *load], self._work / "drive.log", self._other_core, {})
        seen: dict[str, float] = json.loads(driver.output(seconds + 30))
        if seen["bad"]:
            raise RuntimeError(f"{seen['bad']:.0f} requests were not answered\n{self._gateway.last_words()}")
        return seen

    def metric(self, name: str) -> float:
        """Give the sum of the samples of a metric."""
        _, _, page = ask(self._port, "/metrics")
        lines = (line.rpartition(" ") for line in page.decode().splitlines() if not line.startswith("#"))
        return sum(float(value) for series, _, value in lines if series.partition("{")[0] == name)

    def settled(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds. Raises RuntimeError where it does not come."""
        for _ in range(round(PATIENCE_S / 0.05)):
            if holds():
                return
            pause(0.05)
        raise RuntimeError(f"there was no {what}\n{self._gateway.last_words()}")

    @contextmanager
    def log_stalled(self) -> Iterator[None]:
        """Hold the lock on writes of the log's day file and of the ledger, as a stuck process would."""
        files = [*(self._work / "data").glob("log/requests-*.db"), self._work / "data" / "state.db"]
        with ExitStack() as stack:
            for path in files:
                holder = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_S)
                stack.callback(holder.close)
                holder.execute("begin immediate")
            with self._store_fails():
                yield

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """Let the process write no file beyond a size that all have: as with a full disk, each write fails."""
        before = resource.prlimit(self._gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._gateway.pid, resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            with self._store_fails():
                yield
        finally:
            resource.prlimit(self._gateway.pid, resource.RLIMIT_FSIZE, before)

    @contextmanager
    def _store_fails(self) -> Iterator[None]:
        """See that a write fails meanwhile: without one, nothing was measured."""
        before = self.metric("rulegate_store_failures_total")
        yield
        self.settled(lambda: self.metric("rulegate_store_failures_total") > before, "write that failed")

    @contextmanager
    def webhook_stalled(self) -> Iterator[None]:
        """Let alerts fire that are told to a receiver which never answers."""
        before = self._stalled.taken
        rules = self._rules / "900-alerts.yaml"
        watched = "kind: threshold, metric: rulegate_build_info, above: 0, notify: [hook]"
        alerts = "".join(f"  alert-{number}: {{{watched}}}\n" for number in range(ALERTS))
        rules.write_text(
            f"receivers: {{hook: {{kind: generic, url: {{env: RULEGATE_BENCH_HOOK}}}}}}\nalerts:\n{alerts}"
        )
        try:
            self.settled(lambda: self._stalled.taken > before, "message to the receiver")
            yield
        finally:
            rules.unlink()

    @contextmanager
    def slow_callers(self) -> Iterator[None]:
        """Have callers that began a request and do not go on."""
        with ExitStack() as stack:
            for _ in range(SLOW_CALLERS):
                caller = stack.enter_context(socket.create_connection(("127.0.0.1", self._port)))
                caller.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{")
            self.settled(lambda: self.metric("rulegate_connections") >= SLOW_CALLERS, "crowd")
            yield


def measure(chaos: Chaos, options: argparse.Namespace) -> dict[str, list[dict[str, dict[str, float]]]]:
    """Measure each case in turn, undisturbed and disturbed next to each other, round after round."""
    load = (options.connections, options.warmup, options.seconds)
    chaos.drive(options.connections, 0.0, options.warmup + 1.0)  # the first requests load code and open files
    rounds: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in options.cases}
    for place in range(options.rounds):
        for name in options.cases:
            calm = chaos.drive(*load)
            with chaos.cases[name]():
                disturbed = chaos.drive(*load)
            pause(options.rest)
            rounds[name].append({"calm": calm, "disturbed": disturbed})
        print(f"round {place + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return rounds


def ratios(rounds: Sequence[Mapping[str, Mapping[str, float]]], figure: str) -> list[float]:
    """Give disturbed to calm, by round."""
    return [seen["disturbed"][figure] / seen["calm"][figure] for seen in rounds]


def text(rounds: Mapping[str, Sequence[Mapping[str, Mapping[str, float]]]], options: argparse.Namespace) -> str:
    """Give the table as a person reads it."""
    about = f"Python {platform.python_version()}, rulegate {version('rulegate')}, {options.connections} connections"
    lines = [
        f"\n{about}; {options.rounds} rounds of twice {options.seconds:g} s; every request was answered",
        f"{'case':20}{'p50 us':>8}{'then':>8}{'x':>6}{'p99 us':>9}{'then':>8}{'x':>6}  x p99 by round",
    ]
    for name, seen in rounds.items():
        line = f"{name:20}"
        for figure, width in zip(SHOWN, (8, 9), strict=True):
            calm, disturbed = (median(each[part][figure] for each in seen) for part in ("calm", "disturbed"))
            line += f"{calm:{width}.0f}{disturbed:8.0f}{median(ratios(seen, figure)):6.2f}"
        by_round = " ".join(f"{ratio:.2f}" for ratio in ratios(seen, SHOWN[1]))
        lines.append(f"{line}  {by_round}")
    return "\n".join(lines)


CASES = ("log store stalled", "disk full", "webhook stalled", "1,000 slow callers")


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/chaos.py", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="how often all cases are measured [7]")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each part of a round is measured [2]")
    parser.add_argument("--connections", type=int, default=8, help="connections of the load [8]")
    parser.add_argument("--cases", default=";".join(CASES), help="which cases, with semicolons between [all]")
    parser.add_argument("--out", type=Path, help="write all figures here as JSON")
    parser.add_argument("--quick", action="store_true", help="one short round: a look, not a measurement")
    options = parser.parse_args(arguments)
    options.cases = options.cases.split(";")
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there is {'; '.join(CASES)}")
    options.warmup, options.rest = 0.3, 1.5
    if options.quick:
        options.rounds, options.seconds, options.warmup = 1, min(options.seconds, 0.4), 0.1
    return options


def main(arguments: Sequence[str]) -> None:
    """Run the cases and print the table."""
    options = options_of(arguments)
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("the bench pins processes and limits them from outside: it needs Linux")
    chosen = tools()
    if chosen.kind != "c":
        print("no C compiler (cc): the driver is in Python and slow; ratios hide more than they show", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="rulegate-chaos-") as work, ExitStack() as stack:
        try:
            rounds = measure(Chaos(Path(work), chosen, stack), options)
        except RuntimeError as error:
            sys.exit(f"bench: {error}")
    print(text(rounds, options))
    if options.out:
        options.out.write_text(json.dumps(rounds, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
