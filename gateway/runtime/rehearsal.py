"""Runs the `tests` sections of a snapshot, hermetically: no provider, no clock but the test's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from gateway.dialects.base import CallerDialect
from gateway.domain.decision import Decided, Decision, Locked, Unroutable
from gateway.domain.health import HealthState
from gateway.domain.problem import Problem
from gateway.domain.refusal import Refusal
from gateway.domain.snapshot import RuleTest, Snapshot
from gateway.domain.words import Surface
from gateway.engine.capable import can_serve
from gateway.engine.decide import decide_request
from gateway.engine.features import Live

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""The moment of a test that gives none: a Monday."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one test: `failed` holds a line for each expectation that was not met.

    `rule` decided, `shadows` would have; both are empty where the request was refused before any rule was asked.
    """

    test: RuleTest
    rule: str
    failed: tuple[str, ...]
    shadows: tuple[str, ...] = ()

    @property
    def problem(self) -> Problem:
        """Give the failure as a Problem at the test's place."""
        mark, words = self.test.mark, f"test '{self.test.name}' failed: {'; '.join(self.failed)}"
        return Problem(self.test.file, mark.line, mark.column, words, "rulegate explain shows why")


def rehearse(snapshot: Snapshot, surfaces: Mapping[Surface, CallerDialect]) -> tuple[Verdict, ...]:
    """Run every test of a snapshot, in the order of the files."""
    return tuple(_verdict(test, snapshot, surfaces[test.surface]) for test in snapshot.tests)


def failures_of(verdicts: tuple[Verdict, ...]) -> tuple[Problem, ...]:
    """Give the failed tests that gate a reload: all but the advisory ones."""
    return tuple(verdict.problem for verdict in verdicts if verdict.failed and not verdict.test.advisory)


def _verdict(test: RuleTest, snapshot: Snapshot, dialect: CallerDialect) -> Verdict:
    request = dialect.read_request(test.body, test.headers)
    if isinstance(request, Refusal):
        expected = test.expect == {"refused": True}
        return Verdict(test, "", () if expected else (f"the request is refused: {request.message}",))
    request = request.asked_by(snapshot.callers.named(test.caller))
    live = Live(lambda model: test.health.get(model, HealthState.OK), lambda budget: test.budgets.get(budget, 0.0))
    features, decision = decide_request(snapshot, request, test.at or NOON, live)
    got: dict[str, Any] = {"category": features["category@user"], "refused": not _is_served(decision)}
    match decision:
        case Decision():
            models = [step.model for step in decision.chain.steps]
            got |= {"rule": decision.rule, "model": decision.model, "chain": decision.chain_name or models}
            if isinstance(test.expect.get("chain"), list):
                got["chain"] = models
        case Locked():
            got |= {"rule": decision.decision.rule, "model": "no model", "chain": "no chain"}
        case Unroutable():
            got |= {"rule": "no rule", "model": "no model", "chain": "no chain"}
        case _:
            assert_never(decision)
    failed = tuple(
        f"{name} is {_words(got[name])}, expected {_words(wanted)}"
        for name, wanted in test.expect.items()
        if got[name] != wanted
    )
    return Verdict(test, str(got["rule"]), failed, decision.shadows if isinstance(decision, Decision) else ())


def _is_served(decided: Decided) -> bool:
    return isinstance(decided, Decision) and can_serve(decided.chain, decided.unfit)


def _words(value: object) -> str:
    return (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
