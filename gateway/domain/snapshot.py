"""The Snapshot: everything that the rule files say, compiled, frozen, and swapped by one assignment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.alerting import AlertRule, Destination
from gateway.domain.budget import Budget
from gateway.domain.caller import NO_CALLERS, Callers
from gateway.domain.category import Table
from gateway.domain.health import HealthState
from gateway.domain.load import Capacity, Patience
from gateway.domain.plan import Plan
from gateway.domain.problem import Mark, Problem
from gateway.domain.registry import Model, Provider
from gateway.domain.rule import COURTESY, Courtesy, RetryBudget, Rule, Timeouts
from gateway.domain.words import DEFAULT_FALL_BACK_ON, Affinity, Failure, Prefer, Surface

FINGERPRINT_SHOWN = 7
"""Hex digits of a fingerprint that people are shown."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The `defaults` section; bytes, seconds and days."""

    prefer: Prefer = Prefer.BALANCED
    timeouts: Timeouts = field(default_factory=Timeouts)
    deadline_s: float = 600.0
    fall_back_on: frozenset[Failure] = DEFAULT_FALL_BACK_ON
    strict_params: bool = False
    courtesy: Courtesy = COURTESY
    max_body_bytes: int = 32_000_000
    retention_days: int = 30
    retention_bytes: int = 5_000_000_000
    allow_empty: bool = False
    drain_timeout_s: float = 30.0
    retry_budget: RetryBudget = field(default_factory=RetryBudget)
    capacity: Capacity = field(default_factory=Capacity)
    patience: Patience = field(default_factory=Patience)
    affinity: Affinity = Affinity.CONVERSATION


@dataclass(frozen=True, slots=True)
class RuleTest:
    """An entry of a `tests` section: a request, and what its Decision must say.

    `caller` is who asks, empty for nobody. `at` is the clock of the test, None for a fixed Monday noon UTC. `health`
    has the state of models that are not well, `budgets` the share that is used of those that are not untouched.
    `expect` holds rule, category, model, chain and refused as written. An advisory test warns and never gates.
    """

    name: str
    surface: Surface
    headers: Mapping[str, str]
    body: bytes
    caller: str
    at: datetime | None
    health: Mapping[str, HealthState]
    budgets: Mapping[str, float]
    expect: Mapping[str, Any]
    advisory: bool
    file: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The bytes of one rule file, as they were compiled."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A compiled set of rule files. It holds nothing that changes and nothing to close.

    `rules` are in the order in which they are tried, without those that are off. `by_upstream` gives the registry
    name for an upstream id that exactly one entry has. `warnings` are Problems that do not keep a set from running.
    `generation` is 0 until the set is accepted; a number is kept over restarts. `plan` is that of the rules,
    `embedding_plan` that of those that are for embeddings; without one every rule is looked at for every request.
    """

    fingerprint: str
    files: tuple[RuleFile, ...]
    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    by_upstream: Mapping[str, str]
    rules: tuple[Rule, ...]
    table: Table
    defaults: Defaults
    tests: tuple[RuleTest, ...]
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    receivers: Mapping[str, Destination] = field(default_factory=dict)
    alerts: Mapping[str, AlertRule] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = field(default=())
    generation: int = 0
    callers: Callers = NO_CALLERS
    plan: Plan | None = field(default=None, compare=False, repr=False)
    embedding_plan: Plan | None = field(default=None, compare=False, repr=False)
    embedding_rules: tuple[Rule, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "embedding_rules", tuple(rule for rule in self.rules if rule.for_embeddings))

    def rules_for(self, surface: str) -> tuple[tuple[Rule, ...], Plan | None]:
        """Give the rules that see the requests of a surface, with their plan; of embeddings those that ask for them."""
        if surface == Surface.EMBEDDINGS:
            return self.embedding_rules, self.embedding_plan
        return self.rules, self.plan

    @property
    def label(self) -> str:
        """Generation and fingerprint as they appear together, `12-3f9a1c2`."""
        return f"{self.generation}-{self.fingerprint[:FINGERPRINT_SHOWN]}"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A set of rule files that cannot run, with all of its Problems."""

    fingerprint: str
    problems: tuple[Problem, ...]
