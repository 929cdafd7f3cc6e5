"""What the alert rules read at a moment: a function of the rule and of all there is to see, for each kind of alert."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, assert_never

from gateway.domain.alert import AlertKind, Fact, Severity
from gateway.domain.alerting import AlertRule, OfBudgets, OfBurning, OfMetric, OfPrices, OfRates, OfRules, OfShifts
from gateway.engine import alert_budgets, alert_burn, alert_metrics, alert_prices, alert_rates, alert_shifts
from gateway.engine.incidents import Level, Reading, Watch
from gateway.engine.looks import Look, Sights, defined_at, watch_of

PROBLEMS_SHOWN: Final = 5


def looks(rule: AlertRule, sights: Sights) -> Iterator[Look]:
    """Read everything that an alert rule watches: one look an instance, the same instances as long as the rules are."""
    match rule.terms:
        case OfBudgets():
            return alert_budgets.looks(rule, rule.terms, sights)
        case OfRates():
            return alert_rates.looks(rule, rule.terms, sights)
        case OfMetric():
            return alert_metrics.looks(rule, rule.terms, sights)
        case OfBurning():
            return alert_burn.looks(rule, rule.terms, sights)
        case OfPrices():
            return alert_prices.looks(rule, rule.terms, sights)
        case OfShifts():
            return alert_shifts.looks(rule, rule.terms, sights)
        case OfRules():
            level = Level.FIRING if sights.rejected else Level.OK if sights.looked else Level.HOLD
            return iter((Look(watch_of(rule, {}), level, partial(_rules, rule, sights, level)),))
        case _:
            assert_never(rule.terms)


def is_blind(rule: AlertRule, sights: Sights) -> bool:
    """Say whether nothing can be said of what a rule watches: its incidents stay as they are."""
    unknown = {OfPrices: sights.changes is None, OfShifts: sights.shifts is None}
    return unknown.get(type(rule.terms), False)


def _rules(rule: AlertRule, sights: Sights, level: Level) -> Reading:
    """Read whether the rules on disk run; before anybody has looked there, nothing can be said."""
    count = len(sights.rejected)
    shown = [
        Fact(f"{each.file}:{each.line}", f"{each.message} ({each.hint})" if each.hint else each.message)
        for each in sights.rejected[:PROBLEMS_SHOWN]
    ]
    if count > PROBLEMS_SHOWN:
        shown.append(Fact("Problems", f"{count - PROBLEMS_SHOWN} more: rulegate check"))
    problems = "1 problem" if count == 1 else f"{count} problems"
    rejected = f"The rules on disk are rejected ({problems}): generation {sights.running} goes on running"
    return Reading(
        level=level,
        severity=rule.severity or Severity.WARNING,
        summary=rejected if count else f"The rules on disk run: generation {sights.running}",
        facts=(*shown, defined_at(rule)),
        data={"running": sights.running, "problems": count},
    )


def gone(alert: str, kind: AlertKind, scope: Mapping[str, str]) -> Look:
    """Read what is watched no longer: it ends what goes on, at once."""
    reading = Reading(Level.OK, Severity.WARNING, f"Alert {alert} is not watched any more")
    return Look(Watch(alert, kind, scope), Level.OK, lambda: reading)
