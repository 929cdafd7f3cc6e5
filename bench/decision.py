"""CPU of one decision in process, at a number of rules: `decision.py RULES REPEATS` prints a JSON object.

A decision is what `gateway.engine` does for a request: the features that the rules read, the category, and the walk
of the rules to the last. Reading the body before it and what the log row keeps after it are not part of it; the row's
part is measured beside it.
"""

import gc
import json
import sys
import time
from datetime import UTC, datetime
from statistics import quantiles
from typing import Any

from bench import workload
from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.domain.decision import Decision
from gateway.domain.refusal import Refusal
from gateway.domain.snapshot import RuleFile, Snapshot
from gateway.engine.decide import decide_request
from gateway.engine.recall import facts_of

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def compiled(rules: int) -> tuple[Snapshot, float]:
    """Give the snapshot of as many rules, and the seconds that it took to compile."""
    files = workload.rule_files(rules, "http://127.0.0.1:9")
    compiler = Compiler(catalogue.load())
    started_s = time.process_time()
    snapshot = compiler.compile(tuple(RuleFile(name, text.encode()) for name, text in files.items()))
    if not isinstance(snapshot, Snapshot):
        raise TypeError(f"the rules of the bench do not compile: {snapshot.problems[0]}")
    return snapshot, time.process_time() - started_s


def measure(rules: int, repeats: int) -> dict[str, Any]:
    """Decide for every prompt of the bench, `repeats` times over."""
    snapshot, compile_s = compiled(rules)
    count = len(workload.PROMPTS)
    decisions_us, facts_us = [], []
    gc.collect()
    gc.freeze()
    for number in range(count * (repeats + 1)):  # the first time around warms up, and is left out below
        body = workload.chat_body(workload.numbered(workload.PROMPTS[number % count], number))
        request = OpenAIChat().read_request(json.dumps(body).encode(), {})
        if isinstance(request, Refusal):
            raise TypeError(request.message)
        before = time.thread_time_ns()
        features, decision = decide_request(snapshot, request, AT)
        between = time.thread_time_ns()
        facts_of(snapshot, features, decision)
        after = time.thread_time_ns()
        if not isinstance(decision, Decision) or decision.rule != workload.CATCH_ALL:
            raise TypeError("a prompt of the bench did not come to the last rule")
        decisions_us.append((between - before) / 1e3)
        facts_us.append((after - between) / 1e3)
    return {
        "p50_us": _percentile(decisions_us[count:], 50),
        "p99_us": _percentile(decisions_us[count:], 99),
        "row_p50_us": _percentile(facts_us[count:], 50),
        "compile_s": compile_s,
    }


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
