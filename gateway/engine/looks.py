"""What an alert rule looks at, and what a look gives: the values that go in, and the readings that come out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from gateway.domain.alert import Fact
from gateway.domain.alerting import AlertRule
from gateway.domain.budget import Budget
from gateway.domain.metric import Sample
from gateway.domain.price_change import Change
from gateway.domain.problem import Problem
from gateway.domain.shift import Notice
from gateway.domain.window import Window
from gateway.engine.incidents import Level, Reading, Watch

CENT_NANO_USD: Final = 10_000_000
HOUR_S: Final = 3_600
DAY_S: Final = 86_400


class Stands(Protocol):
    """How a budget stands, in nano-dollars; the forecast None while nothing can be said."""

    @property
    def budget(self) -> Budget:
        """The budget."""
        ...

    @property
    def window(self) -> Window:
        """Its present window."""
        ...

    @property
    def limit_nano_usd(self) -> int:
        """What may be spent."""
        ...

    @property
    def spent_nano_usd(self) -> int:
        """What is spent."""
        ...

    @property
    def forecast_nano_usd(self) -> int | None:
        """What the window's end will see if it goes on like this."""
        ...

    @property
    def unread(self) -> bool:
        """Whether more may be spent than is said, because the ledger could not be read."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, or attempts at a model, in a stretch of time: how many, how many failed, and how many fell back.

    `failures` counts what went wrong with which model: `gpt: timeout`.
    """

    requests: int = 0
    errors: int = 0
    fallbacks: int = 0
    failures: Mapping[str, int] = field(default_factory=dict, hash=False)


NO_COUNTS: Final = Counts()
Named = tuple[str, str]
"""A dimension and a name in it, such as `("rule", "code")`; both empty for everything together."""
EVERYTHING: Final[Named] = ("", "")


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was spent in the last `seconds`, more than 0, in nano-dollars.

    It may be more where it is not `whole`: of its beginning nothing is known.
    """

    nano_usd: int
    seconds: int
    whole: bool = True

    @property
    def nano_usd_per_hour(self) -> int:
        """The rate, rounded down."""
        return self.nano_usd * HOUR_S // self.seconds


@dataclass(frozen=True, slots=True)
class Spent:
    """What a name of a dimension has spent of a budget, in nano-dollars, and of how much that is a part."""

    dimension: str
    name: str
    nano_usd: int
    of_nano_usd: int


Stretches = Mapping[tuple[str, int], Stretch]
"""By the name of a budget and the length that was asked for, in seconds, which the stretch has at the least."""


@dataclass(frozen=True, slots=True)
class Sights:
    """All there is to see at one moment.

    `counts` are by the length of their window in seconds, then by whose they are. `samples` are those of each alert
    that watches a metric, by its name: values of a gauge, or by how much a counter grew. `rejected` holds the Problems
    of the rules on disk where they do not run; `looked` once the disk was looked at. `running` names what runs.
    `unpriced` has, by the model that was to answer, the id of the one that did and whose price is not known.
    `stretches` is how fast budgets are spent, `spenders` who spends most of those that are spent too fast. `changes`
    are changes of prices that were and that are to come, None while they are not known. `shifts` has the last that was
    said of each shift of spend, None while that is not known.
    """

    now: datetime
    budgets: Sequence[Stands] = ()
    counts: Mapping[float, Mapping[Named, Counts]] = field(default_factory=dict)
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    rejected: tuple[Problem, ...] = ()
    looked: bool = True
    running: str = ""
    unpriced: Mapping[str, str] = field(default_factory=dict)
    stretches: Stretches = field(default_factory=dict)
    spenders: Mapping[str, Sequence[Spent]] = field(default_factory=dict)
    changes: Sequence[Change] | None = ()
    shifts: Sequence[Notice] | None = ()


@dataclass(frozen=True, slots=True)
class Look:
    """One alert instance and how it is now; `read` puts it into words, which most looks have no need of."""

    watch: Watch
    level: Level
    read: Callable[[], Reading]

    @property
    def reading(self) -> Reading:
        """How it is now, in words."""
        return self.read()


def watch_of(
    rule: AlertRule, scope: Mapping[str, str], clear_for_s: float = 0.0, not_before: datetime | None = None
) -> Watch:
    """Give the instance of an alert for a scope."""
    return Watch(rule.name, rule.kind, scope, rule.for_s, clear_for_s, rule.repeat_s, not_before)


def defined_at(rule: AlertRule) -> Fact:
    """Say where an alert stands in the rule files."""
    return Fact("Defined at", f"{rule.file}:{rule.mark.line}")


def percent(share: float) -> str:
    """Give a share for people: `5 %`, `82.4 %`, `1,230 %`."""
    hundredths = 100 * share
    return f"{hundredths:,.0f} %" if hundredths >= 100 else f"{hundredths:.1f} %".replace(".0 %", " %")


def roughly(seconds: float) -> str:
    """Give a length of time for people in its largest unit, rounded down: `12 days`, `5 h`, `40 min`."""
    for unit, length in (("days", DAY_S), ("h", HOUR_S), ("min", 60)):
        if seconds >= 2 * length or (length == HOUR_S and seconds >= length):
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def number(value: float) -> str:
    """Give a number for people, without a tail of zeros."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"


def span(seconds: float) -> str:
    """Give a length of time for people: `5 min`, `1 h`, `36 h`, `3 days`, `90 s`."""
    if seconds > DAY_S and not seconds % DAY_S:
        return f"{seconds / DAY_S:.0f} days"
    for unit, length in (("h", HOUR_S), ("min", 60)):
        if seconds >= length and not seconds % length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:g} s"


def dollars(nano_usd: int) -> str:
    """Give money for people: to the cent, and below a cent to three digits."""
    if nano_usd >= CENT_NANO_USD or not nano_usd:
        cents = (nano_usd + CENT_NANO_USD // 2) // CENT_NANO_USD
        return f"{cents // 100:,}.{cents % 100:02}"
    digits = len(str(nano_usd))
    return f"{nano_usd / 10**9:.{12 - digits}f}".rstrip("0")
