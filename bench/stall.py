"""What callers wait for when one of two providers stops answering: `python bench/stall.py`. See README.md.

A real `rulegate serve`, and a simulated provider of its own behind each of two models, all in processes of their own.
Streams come at an even rate, whether the last ones have answered or not. After a while the first provider takes
requests and says nothing more.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from operator import itemgetter
from pathlib import Path

import aiohttp

from bench.processes import Process, ask, cores, pause

SPEED = 0.4
"""Of the simulated providers: their first word comes after about a tenth of a second."""
LIMIT_S = 1.0
HEDGE_S = 0.3
PATIENT_S = 20.0
"""A limit that nothing reaches: what a hedge does alone."""
SETTLED_S, SETTLED_LATE_S = 3.0, 6.0
"""After so long a model whose attempts time out is left alone, so that all is well from then on; later where hedges
keep attempts from timing out until the budget is used up.
"""
MODEL = "gpt-5-nano"
RULES = """\
providers:
  first: {{kind: openai, api_key: none, base_url: "{first}/v1"}}
  second: {{kind: openai, api_key: none, base_url: "{second}/v1"}}
models:
  first: {{provider: first, model: {model}, price: {{input: 0.05, output: 0.4}}}}
  second: {{provider: second, model: {model}, price: {{input: 0.05, output: 0.4}}}}
rules:
  - name: all
    route: [first, second]
    timeout: {{headers: {limit}s, first_content: {limit}s}}
{more}
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How the rule deals with slow models, and what may be waited: over the whole stall, and once it has settled."""

    name: str
    limit_s: float
    more: str = ""
    delay_s: float | None = None
    learns: bool = False
    settled_s: float = SETTLED_S

    def most_s(self, healthy_s: float) -> float:
        """Give the bound on the 99th percentile while the provider stalls, from what it is while all are well."""
        if self.learns or self.delay_s is not None:
            return (healthy_s if self.delay_s is None else self.delay_s) + 1.2 * healthy_s
        return 1.2 * self.limit_s


ROOM = "defaults: {retry_budget: {share: 100%}}"
WAYS = (
    Way("no hedge", LIMIT_S),
    Way("hedge after 300ms", PATIENT_S, f"    hedge: {{after: {HEDGE_S}s}}\n{ROOM}", HEDGE_S),
    Way("hedge after p95", PATIENT_S, f"    hedge: {{after: p95}}\n{ROOM}", learns=True),
    Way("hedge after 300ms, default budget", LIMIT_S, f"    hedge: {{after: {HEDGE_S}s}}", settled_s=SETTLED_LATE_S),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was sent, in seconds since the load began, and how long its first content took."""

    sent_s: float
    first_s: float
    attempts: int
    status: int


@contextmanager
def provider(stack: ExitStack, work: Path, name: str) -> Iterator[str]:
    """Run a simulated provider; gives its address."""
    command = ["-m", "gateway", "simulate", "--listen", "127.0.0.1:0", "--speed", str(SPEED)]
    process = Process.of_python(command, work / f"{name}.log", cores()[1], {})
    stack.callback(process.stop)
    for _ in range(600):
        if found := re.search(r"listen on (http://[0-9.]+:[0-9]+)", process.last_words()):
            yield found[1]
            return
        pause(0.05)
    raise RuntimeError(f"{name} did not start:\n{process.last_words()}")


async def load(port: int, rate: float, seconds: float, stall_s: float, stall: str) -> list[Answer]:
    """Send streams at an even rate; let a provider stall from a moment on. Gives all answers."""
    answers: list[Answer] = []
    began_s = time.monotonic()

    async def one(http: aiohttp.ClientSession, number: int) -> None:
        due_s = began_s + number / rate
        await asyncio.sleep(due_s - time.monotonic())
        body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": f"Question {number}"}]}
        async with http.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as response:
            await response.content.readany()
            first_s = time.monotonic() - due_s
            await response.read()
            attempts = int(response.headers["x-rulegate-attempts"])
            answers.append(Answer(number / rate, first_s, attempts, response.status))

    async def fault(http: aiohttp.ClientSession) -> None:
        await asyncio.sleep(stall_s)
        async with http.post(f"{stall}/faults", json={"model": MODEL, "fault": "stall_after_headers"}) as response:
            response.raise_for_status()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
        tasks.create_task(fault(http))
        for number in range(round(rate * seconds)):
            tasks.create_task(one(http, number))
    return answers


def p99_s(answers: Sequence[Answer]) -> float:
    """Give the 99th percentile of the waits for first content."""
    return sorted(each.first_s for each in answers)[ceil(len(answers) * 0.99) - 1]


def measured(way: Way, options: argparse.Namespace) -> tuple[float, list[str], bool]:
    """Measure one way; give the ratio to its bound, its line, and whether it kept within its bounds."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        (work / "rules.d").mkdir()
        first, second = (stack.enter_context(provider(stack, work, name)) for name in ("first", "second"))
        text = RULES.format(first=first, second=second, model=MODEL, limit=way.limit_s, more=way.more)
        (work / "rules.d" / "rules.yaml").write_text(text)
        folders = ["--rules", str(work / "rules.d"), "--data", str(work / "data")]
        command = ["-m", "gateway", "serve", "--listen", "127.0.0.1:0", *folders]
        gateway = Process.of_python(command, work / "gateway.log", cores()[0], {})
        stack.callback(gateway.stop)
        port = gateway.port("listens on")
        seconds = options.healthy + options.stall
        answers = asyncio.run(load(port, options.rate, seconds, options.healthy, first))
        states = {each["name"]: each["state"] for each in json.loads(ask(port, "/api/models")[2])["models"]}
    failed = sum(each.status != 200 for each in answers)
    well = [each for each in answers if 1.0 <= each.sent_s < options.healthy - 0.5]
    stalled = [each for each in answers if each.sent_s >= options.healthy]
    after = [each for each in stalled if each.sent_s >= options.healthy + way.settled_s]
    healthy_s, during_s, after_s = p99_s(well), p99_s(stalled), p99_s(after)
    left_alone = states["first"] in ("cooling", "half_open")
    most_s = way.most_s(healthy_s)
    # what is left alone costs nothing any more, but for the one request in ten seconds that looks whether it is back
    most_after_s = 1.2 * healthy_s if left_alone else most_s
    within = during_s <= most_s and after_s <= most_after_s and not failed
    line = [
        way.name,
        *(f"{seconds:.3f}" for seconds in (healthy_s, during_s, most_s)),
        f"{during_s / most_s:.2f}",
        f"{after_s:.3f}",
        f"{after_s / most_after_s:.2f}",
        f"{sum(each.attempts for each in stalled) / len(stalled):.2f}",
        states["first"],
        str(failed),
    ]
    return during_s / most_s, line, within


HEADS = ["way", "p99 well", "p99 stalled", "at most", "ratio", "p99 after", "ratio", "attempts", "model", "failed"]


def main() -> None:
    """Measure every way and print the table; exit 1 where one does not keep within its bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=25.0, help="streams per second")
    parser.add_argument("--healthy", type=float, default=5.0, help="seconds before the stall")
    parser.add_argument("--stall", type=float, default=8.0, help="seconds of the stall")
    parser.add_argument(
        "--rounds", type=int, default=1, help="of which the one in the middle is shown; for busy machines"
    )
    options = parser.parse_args()
    lines, good = [HEADS], True
    for way in WAYS:
        rounds = sorted((measured(way, options) for _ in range(options.rounds)), key=itemgetter(0))
        _, line, within = rounds[len(rounds) // 2]
        lines.append(line)
        good = good and within
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (each.rjust(width) for each, width in zip(line[1:], widths[1:], strict=True))
        print("  ".join([line[0].ljust(widths[0]), *cells]))
    print("seconds to first content; after: once the stall has lasted for some seconds; attempts: for each request")
    if not good:
        sys.exit("a wait is longer than it may be, or a request failed")


if __name__ == "__main__":
    main()
