"""What is asked of the ledger for a chart: sums by dimensions in buckets of time, the answer, and marks beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from gateway.domain.alert import AlertKind, Severity
from gateway.domain.ledger import Amounts, LedgerDimension
from gateway.domain.window import Window

Key = tuple[str, ...]
"""The values of the dimensions that were asked for, in their order."""


class Step(StrEnum):
    """How long a bucket is; hours are those of UTC, days those of a time zone."""

    QUARTER_HOUR = "15m"
    HOUR = "1h"
    DAY = "1d"


@dataclass(frozen=True, slots=True)
class SpendAsked:
    """A question about what was spent.

    `spans` are the buckets, one after the other; each begins and ends with a quarter hour. `where` are the values, any
    of which a dimension must have; of `tag` it is one.
    """

    spans: tuple[Window, ...]
    step: Step
    zone: ZoneInfo
    by: tuple[LedgerDimension, ...] = ()
    where: Mapping[LedgerDimension, frozenset[str]] = field(default_factory=dict, hash=False)
    budget: str = ""

    @property
    def window(self) -> Window:
        """All of the time that is asked for."""
        return Window(self.spans[0].start, self.spans[-1].end)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was spent in a span: all of it, and by the values of the dimensions.

    With `tag` among these, what has several tags is in the row of each, so that rows come to more than the whole.
    """

    span: Window
    total: Amounts
    rows: Mapping[Key, Amounts]

    def by_cost(self) -> list[tuple[Key, Amounts]]:
        """Give the rows, the dearest first, ties by name."""
        return sorted(self.rows.items(), key=lambda row: (-row[1].nano_usd, row[0]))


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent in all of the time that was asked for, and bucket by bucket."""

    total: Amounts
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """An incident that stands beside a chart.

    `summary` is its first message's, `severity` its worst; `ended_at` is None while it goes on.
    """

    id: str
    alert: str
    kind: AlertKind
    scope: Mapping[str, str] = field(hash=False)
    severity: Severity
    summary: str
    started_at: datetime
    ended_at: datetime | None = None
