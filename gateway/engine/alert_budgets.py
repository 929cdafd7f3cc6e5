"""What alerts on budgets read: how much is spent, by the levels of the alert, and where the window is heading."""

from collections.abc import Iterator
from datetime import UTC
from functools import partial
from typing import Final

from gateway.domain.alert import Fact, Severity
from gateway.domain.alerting import AlertRule, OfBudgets
from gateway.domain.window import Calendar, Period
from gateway.engine.budgets import HYSTERESIS
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import Look, Sights, Stands, defined_at, dollars, percent, watch_of

ALL: Final = 1.0
STAGES: Final = 10_000
"""Stages of an incident from nothing to all of a budget: a level is its share in hundredths of a percent."""
FORECAST_CLEAR_FOR_S: Final = 900.0
"""How long a forecast must be good again: it goes up and down with every quiet hour."""


def looks(rule: AlertRule, terms: OfBudgets, sights: Sights) -> Iterator[Look]:
    """Read each budget that is watched; one incident a budget and window, and one for its forecast.

    The windows of the calendar end incidents: what is spent in the next one is another matter. A rolling window has
    no end to look forward to, so that nothing is foretold of it.
    """
    for stands in sights.budgets:
        budget = stands.budget
        if terms.names is not None and budget.name not in terms.names:
            continue
        begins = stands.window.start if isinstance(budget.period, Calendar) else None
        if terms.levels:
            level = _certain(_level(terms, stands), stands)
            watch = watch_of(rule, {"budget": budget.name}, not_before=begins)
            yield Look(watch, level, partial(_spent, rule, terms, stands, level))
        if terms.forecast and isinstance(budget.period, Calendar):
            scope = {"budget": budget.name, "at": "forecast"}
            level = Level.HOLD if stands.unread else _forecast_level(terms, stands)
            watch = watch_of(rule, scope, FORECAST_CLEAR_FOR_S, begins)
            yield Look(watch, level, partial(_foretold, rule, stands, level))


def _certain(level: Level, stands: Stands) -> Level:
    """Judge by a part of what is spent only that it is too much."""
    return Level.HOLD if stands.unread and level is Level.OK else level


def _level(terms: OfBudgets, stands: Stands) -> Level:
    share = share_of(stands)
    if share >= terms.levels[0]:
        return Level.FIRING
    return Level.HOLD if share > terms.levels[0] - HYSTERESIS else Level.OK


def _spent(rule: AlertRule, terms: OfBudgets, stands: Stands, level: Level) -> Reading:
    share = share_of(stands)
    reached = [each for each in terms.levels if share >= each]
    highest = reached[-1] if reached else 0.0
    by_itself = Severity.CRITICAL if highest >= ALL else Severity.WARNING
    money = f"{dollars(stands.spent_nano_usd)} of {dollars(stands.limit_nano_usd)} USD ({percent(share)})"
    return Reading(
        level=level,
        severity=rule.severity or by_itself,
        summary=f"Budget {stands.budget.name} has spent {money} {when(stands.budget.period)}",
        stage=round(highest * STAGES),
        facts=_facts(rule, stands),
        data={**_data(stands), "level": highest or None},
    )


def _forecast_level(terms: OfBudgets, stands: Stands) -> Level:
    """Judge the forecast. Once the limit is passed there is nothing to foretell, where a level tells of that."""
    foretold, limit = stands.forecast_nano_usd, stands.limit_nano_usd
    if foretold is None or foretold <= limit * (1 - HYSTERESIS):
        return Level.OK
    if foretold <= limit or (stands.spent_nano_usd >= limit and ALL in terms.levels):
        return Level.HOLD
    return Level.FIRING


def _foretold(rule: AlertRule, stands: Stands, level: Level) -> Reading:
    foretold, limit = stands.forecast_nano_usd, stands.limit_nano_usd
    name, end = stands.budget.name, f"{stands.window.end.astimezone(stands.budget.zone):%Y-%m-%d %H:%M %Z}"
    heading = f"{dollars(foretold or stands.spent_nano_usd)} of {dollars(limit)} USD by {end}"
    return Reading(
        level=level,
        severity=rule.severity or Severity.WARNING,
        summary=f"Budget {name} is heading for {heading}; {dollars(stands.spent_nano_usd)} USD are spent so far",
        facts=_facts(rule, stands),
        data=_data(stands),
    )


def share_of(stands: Stands) -> float:
    """Give the share of its limit that a budget has spent."""
    return stands.spent_nano_usd / max(stands.limit_nano_usd, 1)


def when(period: Period) -> str:
    """Say in which time a budget counts: `this month`, `in the last 7 days`."""
    if isinstance(period, Calendar):
        return "today" if period is Calendar.DAY else f"this {period}"
    return f"in the last {period.count} {period.unit}"


def _facts(rule: AlertRule, stands: Stands) -> tuple[Fact, ...]:
    budget = stands.budget
    end = stands.window.end.astimezone(budget.zone)
    facts = [
        Fact("Spent", f"{dollars(stands.spent_nano_usd)} USD ({percent(share_of(stands))})"),
        Fact("Limit", f"{dollars(stands.limit_nano_usd)} USD per {budget.period}"),
        Fact("Counts", str(budget.scope)),
    ]
    if isinstance(budget.period, Calendar):
        if stands.forecast_nano_usd is not None:
            facts.append(Fact("At the end", f"{dollars(stands.forecast_nano_usd)} USD if it goes on like this"))
        facts.append(Fact("Begins anew", f"{end:%Y-%m-%d %H:%M %Z}"))
    return (*facts, Fact("Budget at", f"{budget.file}:{budget.mark.line}"), defined_at(rule))


def _data(stands: Stands) -> dict[str, str | int | float | None]:
    return {
        "budget": stands.budget.name,
        "period": str(stands.budget.period),
        "spent_nano_usd": stands.spent_nano_usd,
        "limit_nano_usd": stands.limit_nano_usd,
        "forecast_nano_usd": stands.forecast_nano_usd,
        "used": round(share_of(stands), 6),
        "window_start": stands.window.start.astimezone(UTC).isoformat(),
        "window_end": stands.window.end.astimezone(UTC).isoformat(),
    }
