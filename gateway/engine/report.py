"""Reports: sums by what a user asks for, and what the same answers would have cost at one model's price.

Pure, and in whole nano-dollars. The ledger's sums and the rows' attempts go through the same keys, so that the two
kinds of lines fall into the same groups.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from operator import add
from typing import Final, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from gateway.domain.ledger import Account, Amounts, Spent
from gateway.domain.price import PriceHistory
from gateway.domain.window import Calendar
from gateway.domain.words import SpendKind
from gateway.engine.pricing import cost_nano_usd, price_at
from gateway.engine.windows import window_at

Period = Literal["day", "week", "month"]
Dimension = Literal["kind", "team", "caller", "rule", "category", "model", "provider", "tag"]
By = Sequence[Period | Dimension]
Key = tuple[str, ...]
"""The values of the dimensions that were asked for, in their order."""
Label = Callable[[Period, int], str]
"""Names the day, week or month that a quarter hour is in."""

PERIODS: Final[Mapping[str, Period]] = {"day": "day", "week": "week", "month": "month"}
NOTHING: Final = Amounts(0, 0, 0, 0, 0, 0, 0)


class Compared(NamedTuple):
    """What routing cost, and what the baseline would have; counts and nano-dollars, all of which add up.

    `nano_usd` is everything that was paid, `unanswered_nano_usd` the part of it that gave nobody an answer. `answers`
    are those that the baseline is of, `estimated` those of them whose usage was guessed, `unpriced` those of them by
    another model than the one whose price was charged; `unmeasured` are those without a usage, which have no baseline.
    """

    answers: int = 0
    estimated: int = 0
    unpriced: int = 0
    unmeasured: int = 0
    nano_usd: int = 0
    unanswered_nano_usd: int = 0
    baseline_nano_usd: int = 0

    @property
    def saved_nano_usd(self) -> int:
        """What routing saved; below zero where the baseline would have been cheaper."""
        return self.baseline_nano_usd - self.nano_usd

    @property
    def saved_permille(self) -> int | None:
        """The saving in thousandths of the baseline's cost, rounded half up; None where that is nothing."""
        whole = self.baseline_nano_usd
        return (2000 * self.saved_nano_usd + whole) // (2 * whole) if whole else None


Sums = TypeVar("Sums", Amounts, Compared)


def labels(zone: ZoneInfo) -> Label:
    """Give the names of days (`2026-11-25`), weeks (`2026-W48`) and months (`2026-11`) by the wall clock of a zone."""

    @cache
    def label(period: Period, quarter: int) -> str:
        at = datetime.fromtimestamp(quarter, UTC)
        begun = window_at(Calendar(period), zone, at).start.astimezone(zone).date()
        if period == "week":
            year, week, _ = begun.isocalendar()
            return f"{year}-W{week:02}"
        return begun.isoformat() if period == "day" else f"{begun:%Y-%m}"

    return label


def keys_of(account: Account, by: By, label: Label) -> list[Key]:
    """Give the keys that an account counts for: one, or with `tag` one for each of its tags, or for none of them."""
    tags = (account.tags or ("",)) if "tag" in by else ("",)
    return [tuple(_value(account, name, tag, label) for name in by) for tag in tags]


def _value(account: Account, name: Period | Dimension, tag: str, label: Label) -> str:
    if name == "tag":
        return tag
    if name in PERIODS:
        return label(PERIODS[name], account.quarter)
    return str(getattr(account, name))


def ledger_key(values: Sequence[str | int], by: By, label: Label) -> Key:
    """Give the key of a sum of the ledger, whose quarter hours stand where a period is asked for."""
    return tuple(
        label(PERIODS[name], int(value)) if name in PERIODS else str(value)
        for name, value in zip(by, values, strict=True)
    )


def added(first: Sums, second: Sums) -> Sums:
    """Add two sums."""
    return type(first)(*map(add, first, second))


def grouped(parts: Iterable[tuple[Key, Sums]]) -> dict[Key, Sums]:
    """Add up parts by key."""
    groups: dict[Key, Sums] = {}
    for key, part in parts:
        groups[key] = added(groups[key], part) if key in groups else part
    return groups


def compared(spent: Spent, baseline: PriceHistory) -> Compared:
    """Say what an attempt cost and what the baseline would have cost in its place, at the price of the day (UTC).

    An answer would have been one of the same tokens in the same service tier. Whatever gave no answer (failures,
    hedges, shadows, judges) is a cost of routing alone: without routing it would not have been.
    """
    account, usage, nano_usd, unpriced = spent
    if account.kind is not SpendKind.ANSWER:
        return Compared(nano_usd=nano_usd, unanswered_nano_usd=nano_usd)
    if not usage.anything:
        return Compared(unmeasured=1, nano_usd=nano_usd)
    price = price_at(baseline, day_of(account.quarter))
    return Compared(1, int(usage.estimated), int(unpriced), 0, nano_usd, 0, cost_nano_usd(usage, price))


def day_of(quarter: int) -> date:
    """Give the day (UTC) of a quarter hour."""
    return datetime.fromtimestamp(quarter, UTC).date()


def by_cost(lines: Mapping[Key, Sums]) -> list[tuple[Key, Sums]]:
    """Give lines in the order in which they are shown: the dearest first, ties by name."""
    return sorted(lines.items(), key=lambda line: (-line[1].nano_usd, line[0]))
