"""Alert rules, budgets that stand somehow, and the folding of looks, for tests of what alerts read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.domain.alert import Alert, AlertKind
from gateway.domain.alerting import AlertRule, Terms
from gateway.domain.budget import Block, Budget, Dimension, Rung, Scope
from gateway.domain.problem import Mark
from gateway.domain.window import Calendar, Period, Window
from gateway.engine.incidents import Quiet, Said, State, fold
from gateway.engine.looks import Look
from gateway.engine.windows import forecast, window_at

BERLIN = ZoneInfo("Europe/Berlin")
USD = 1_000_000_000


def alert_rule(kind: AlertKind, terms: Terms, name: str = "it") -> AlertRule:
    """Give a rule without a severity or a reminder of its own."""
    return AlertRule(name, kind, terms, ("ops",), None, 0.0, None, "alerts.yaml", Mark(7, 3))


@dataclass(frozen=True)
class Stand:
    """How a budget stands."""

    budget: Budget
    window: Window
    limit_nano_usd: int
    spent_nano_usd: int
    forecast_nano_usd: int | None
    unread: bool = False


def standing(
    spent: int, at: datetime, *, limit: int = 50 * USD, name: str = "growth", per: Period = Calendar.MONTH
) -> Stand:
    """Give how a budget of a team stands that has spent so many nano-dollars at a moment."""
    scope = Scope(((Dimension.TEAM, "growth"),))
    rungs = (Rung(1.0, Block()),)
    budget = Budget(name, scope, limit, per, BERLIN, False, rungs, None, None, "budgets.yaml", Mark(3, 3))
    window = window_at(per, BERLIN, at)
    return Stand(budget, window, limit, spent, forecast(spent, window, at))


@dataclass
class Folder:
    """Folds looks into incidents as the daemon does, and keeps what was said."""

    states: dict[str, State] = field(default_factory=dict)
    said: list[Alert] = field(default_factory=list)

    def see(self, looks: Iterable[Look], now: datetime) -> list[Alert]:
        """Fold some looks in; give what is news."""
        news = []
        for look in looks:
            key = str(sorted(look.watch.scope.items()))
            taken = fold(look.watch, self.states.get(key, Quiet()), look.reading, Said(), now, f"id-{len(self.said)}")
            self.states[key] = taken.state
            for event in taken.events:
                news.append(event.alert)
                self.said.append(event.alert)
        return news
