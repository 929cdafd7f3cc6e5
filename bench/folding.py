"""Measure what folding five minutes of spend does to everybody else: `python bench/folding.py`. See README.md.

One gateway under a steady load, and in turn, round after round, the same one that folds one bucket after the other
meanwhile, of a firm with many teams, callers, rules and models, and keeps what it knows in `state.db` each time. A
gateway does that once in five minutes.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.chaos import Chaos, measure, text
from bench.run import tools
from gateway.adapters.shifts_sqlite import Shifts
from gateway.adapters.state_sqlite import State
from gateway.app import loop_factory, running
from gateway.config.settings import Address, Settings
from gateway.domain.shift import SpendEvent
from gateway.engine.shifts import buckets
from gateway.engine.shifts.fold import Fold
from gateway.engine.shifts.terms import DAY_S, Terms

CASE = "folding"
KNOWN_DAYS, A_DAY = 8, 12
"""Of what the fold knows before it is measured, and in how many buckets of each day there were requests."""
CALLS = 2
"""Requests in each cell of a bucket."""
MOST_CELLS = 20_000


class Folding(Chaos):
    """A gateway that folds when it is told to."""

    def program(self) -> list[str]:
        """Give the command that serves."""
        return [__file__, "--serve", "--cells", str(self.cells)]

    def __init__(self, work: Path, stack: ExitStack, cells: int) -> None:
        self.cells = cells
        self.folded: list[tuple[int, float]] = []
        super().__init__(work, tools(), stack)
        self.cases: Mapping[str, Callable[[], Any]] = {CASE: self.folding}

    @contextmanager
    def folding(self) -> Iterator[None]:
        """Have it fold bucket after bucket, and see that it did."""
        os.kill(self._gateway.pid, signal.SIGUSR1)
        yield
        os.kill(self._gateway.pid, signal.SIGUSR2)
        seen = len(self.folded)
        self.settled(lambda: len(self._said()) > seen, "word of what was folded")
        self.folded = self._said()
        if not self.folded[-1][0]:
            raise RuntimeError("nothing was folded")

    def _said(self) -> list[tuple[int, float]]:
        lines = re.findall(r"folded (\d+) buckets in ([0-9.]+) s", self._gateway.last_words())
        return [(int(number), float(seconds)) for number, seconds in lines]


def cells_of(count: int, bucket: int, chance: random.Random) -> buckets.Cells:
    """Give the cells of a bucket in which so many kinds of requests came."""
    cells: buckets.Cells = {}
    for number in range(count):
        who, rule = (f"team-{number % 20}", f"caller-{number % 250}"), f"rule-{number // 250 % 40}"
        values = (*who, rule, f"category-{number // 250 % 9}", f"model-{number // 1_000 % 11}", "provider")
        for _ in range(CALLS):
            event = SpendEvent(bucket * 300.0, values, int(chance.lognormvariate(7, 0.5)), 0, 200, 1_000_000)
            buckets.add(cells, event)
    return cells


def known(count: int, chance: random.Random) -> tuple[Fold, int]:
    """Give a fold that knows such requests of some days, and its next bucket."""
    fold, a_day = Fold(Terms()), DAY_S // Terms().bucket_s
    for day in range(KNOWN_DAYS):
        for number in range(A_DAY):
            fold.add_cells(day * a_day + number * a_day // A_DAY, cells_of(count, day, chance))
    last = KNOWN_DAYS * a_day
    fold.advance(float(last * Terms().bucket_s))
    return fold, last


async def serve(rules: Path, data: Path, cells: int) -> None:
    """Serve, and fold as `ShiftWatch` does from the one signal to the other."""
    chance = random.Random(1)
    fold, bucket = known(cells, chance)
    samples = [cells_of(cells, bucket, chance) for _ in range(5)]
    apart = data.parent / "folded.db"
    State(apart).close()
    store = Shifts(apart)

    def keep() -> None:
        store.save(fold.to_plain(), ())

    def close(number: int) -> None:
        fold.add_cells(number, samples[number % len(samples)])
        fold.advance((number + 1.0) * Terms().bucket_s)

    going, loop, done = asyncio.Event(), asyncio.get_running_loop(), asyncio.Event()
    async with running(Settings(rules, data, Address("127.0.0.1", 0))) as daemon:
        loop.add_signal_handler(signal.SIGUSR1, going.set)
        loop.add_signal_handler(signal.SIGUSR2, going.clear)
        loop.add_signal_handler(signal.SIGTERM, done.set)
        print(f"listens on {daemon.address}", flush=True)

        async def work() -> None:
            nonlocal bucket
            while True:
                await going.wait()
                first, began_s = bucket, time.monotonic()
                while going.is_set():
                    await asyncio.to_thread(close, bucket)
                    await asyncio.to_thread(keep)
                    bucket += 1
                print(f"folded {bucket - first} buckets in {time.monotonic() - began_s:.3f} s", flush=True)

        async with asyncio.TaskGroup() as tasks:
            folding = tasks.create_task(work())
            await done.wait()
            folding.cancel()


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/folding.py", description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=2_000, help="kinds of requests in each five minutes [2000]")
    parser.add_argument("--rounds", type=int, default=7, help="how often it is measured [7]")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each part of a round is measured [2]")
    parser.add_argument("--connections", type=int, default=8, help="connections of the load [8]")
    parser.add_argument("--out", type=Path, help="write all figures here as JSON")
    parser.add_argument("--quick", action="store_true", help="one short round: a look, not a measurement")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rules", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--listen", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not 1 <= options.cells <= MOST_CELLS:
        parser.error(f"--cells is from 1 to {MOST_CELLS}")
    options.cases, options.warmup, options.rest = [CASE], 0.3, 0.5
    if options.quick:
        options.rounds, options.seconds, options.warmup = 1, min(options.seconds, 0.4), 0.1
    return options


def main(arguments: Sequence[str]) -> None:
    """Run it and print the table."""
    options = options_of(arguments)
    if options.serve:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(options.rules, options.data, options.cells))
        return
    with tempfile.TemporaryDirectory(prefix="rulegate-folding-") as work, ExitStack() as stack:
        try:
            folding = Folding(Path(work), stack, options.cells)
            rounds = measure(folding, options)
        except RuntimeError as error:
            sys.exit(f"bench: {error}")
    print(text(rounds, options))
    each_ms = median(1000 * seconds / number for number, seconds in folding.folded)
    print(f"a bucket of {options.cells} cells took {each_ms:.0f} ms under this load; a gateway folds one in 300 s")
    if options.out:
        options.out.write_text(json.dumps(rounds, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
