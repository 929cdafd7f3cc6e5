"""The entries of `receivers` and `alerts`: whom to tell, with where their secrets are, and what is watched."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.alert import AlertKind, Receiver, Severity
from gateway.domain.budget import Dimension
from gateway.domain.problem import Mark
from gateway.domain.registry import Secret


@dataclass(frozen=True, slots=True)
class Destination:
    """An entry of `receivers`: the receiver, and where the parts of its Address are found, which are all secrets.

    `file` and `mark` say where it stands.
    """

    receiver: Receiver
    url: Secret
    routing_key: Secret
    signing_secrets: tuple[Secret, ...]
    file: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class OfBudgets:
    """Budgets at shares of their limits, ascending, and where their forecast passes it. `names` None is all of them."""

    names: frozenset[str] | None
    levels: tuple[float, ...]
    forecast: bool


@dataclass(frozen=True, slots=True)
class OfRates:
    """A share of requests over the last `window_s`, where there were `minimum` of them at the least.

    `by` None is all requests together; otherwise each of the rules or models in `names` on its own.
    """

    share: float
    window_s: float
    minimum: int
    by: Dimension | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfMetric:
    """Each series of a metric above, or below, a bound.

    `window_s` is for counters: not the value counts but by how much it grew in that time. `labels` has the values that
    a series must have one of.
    """

    metric: str
    bound: float
    below: bool = False
    window_s: float | None = None
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class OfRules:
    """Whether the rule files on disk are those that run."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two stretches of time, in whole seconds: what is spent in both must be more than `factor` times the even rate.

    The long one tells that it matters, the short one that it still goes on. `severity` is that of an incident.
    """

    short_s: int
    long_s: int
    factor: float
    severity: Severity


@dataclass(frozen=True, slots=True)
class OfBurning:
    """How fast budgets are spent. `names` None is all of them, `pairs` None those that go with a budget's period.

    What was spent in the long stretch of a pair is at least `at_least_nano_usd`.
    """

    names: frozenset[str] | None
    pairs: tuple[Pair, ...] | None
    at_least_nano_usd: int


@dataclass(frozen=True, slots=True)
class OfPrices:
    """Prices of models in use that change; those that are known to change, from so many days before."""

    ahead_days: int


@dataclass(frozen=True, slots=True)
class OfShifts:
    """Spend that leaves what was to be expected, where it comes to `at_least_nano_usd` a day."""

    at_least_nano_usd: int


Terms = OfBudgets | OfRates | OfMetric | OfRules | OfBurning | OfPrices | OfShifts


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An entry of `alerts`: what is watched, in which terms, and who is told, by names under `receivers`.

    `severity` None leaves it to the kind. The condition must hold for `for_s`; a standing one is told again after
    `repeat_s`, None for never. `file` and `mark` say where it stands.
    """

    name: str
    kind: AlertKind
    terms: Terms
    notify: tuple[str, ...]
    severity: Severity | None
    for_s: float
    repeat_s: float | None
    file: str
    mark: Mark
