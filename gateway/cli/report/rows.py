"""The rows behind a report: each answer priced again, for the days whose rows are all there."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date

import click

from gateway.adapters.ledger_sqlite import Booked
from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.spent_rows import spent_on
from gateway.cli.prices.listing import Listed
from gateway.domain.ledger import Amounts, amounts_of
from gateway.engine.report import NOTHING, By, Compared, Key, Label, added, compared, day_of, grouped, keys_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """Spend against a baseline. `missing` has the ledger's nano-dollars of days (UTC) that are not compared."""

    baseline: Listed
    lines: Mapping[Key, Compared]
    total: Compared
    missing: Mapping[date, int]


def comparison(
    baseline: Listed, log: LogReader, booked: Booked, quarters: tuple[int, int], by: By, label: Label
) -> Comparison:
    """Compare the days (UTC) of some quarter hours whose rows add up to the ledger in everything it counts."""
    first, last = quarters
    days = grouped(((day_of(quarter).isoformat(),), amounts) for quarter, amounts in booked.quarters.items())
    lines: dict[Key, Compared] = {}
    total, missing = Compared(), dict[date, int]()
    with _progress(sorted(days.items())) as every:
        for (name,), expected in every:
            day = date.fromisoformat(name)
            found, of_day, parts = NOTHING, Compared(), dict[Key, Compared]()
            for spent in spent_on(log, day, booked.numbers.get(day, 0)):
                if first <= spent.account.quarter <= last:
                    found = added(found, amounts_of(spent.usage, spent.nano_usd))
                    part = compared(spent, baseline.prices)
                    of_day = added(of_day, part)
                    for key in keys_of(spent.account, by, label):
                        parts[key] = added(parts.get(key, Compared()), part)
            if found != expected:
                missing[day] = expected.nano_usd
                continue
            total = added(total, of_day)
            lines = grouped([*lines.items(), *parts.items()])
    return Comparison(baseline, lines, total, missing)


def _progress(days: Sequence[tuple[Key, Amounts]]) -> AbstractContextManager[Iterable[tuple[Key, Amounts]]]:
    """Show on a terminal how far the reading is."""
    if not sys.stderr.isatty():
        return nullcontext(days)
    return click.progressbar(days, label="reading rows", file=sys.stderr)
