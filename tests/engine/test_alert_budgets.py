"""What alerts on budgets promise: each level is told once in a window, the highest at once, and so is the forecast."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.alert import Alert, AlertKind, Fact, Phase, Severity
from gateway.domain.alerting import OfBudgets
from gateway.domain.window import Calendar, Rolling, RollingUnit
from gateway.engine.alert_budgets import looks
from gateway.engine.incidents import Level
from gateway.engine.looks import Sights
from tests.fakes.alert_rules import USD, Folder, Stand, alert_rule, standing

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LEVELS = OfBudgets(None, (0.5, 0.8, 1.0), forecast=False)
FORECAST = OfBudgets(None, (), forecast=True)
RULE = alert_rule(AlertKind.BUDGET, LEVELS, "money")
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def see(folder: Folder, *stands: Stand, at: datetime, terms: OfBudgets = LEVELS) -> list[Alert]:
    return folder.see(looks(replace(RULE, terms=terms), terms, Sights(at, budgets=stands)), at)


def spend(folder: Folder, *cents: int, start: datetime = NOON) -> list[Alert]:
    """See a budget of 50 dollars that has spent so many cents, a minute apart."""
    for place, spent in enumerate(cents):
        at = start + place * MINUTE
        see(folder, standing(spent * USD // 100, at), at=at)
    return folder.said


def test_each_level_is_told_once_on_the_way_and_the_end_is_the_windows() -> None:
    """U-80: keyed by rule, scope and window; a new window begins anew."""
    folder = Folder()
    spend(folder, 100, 2600, 2700, 4000, 4100, 4999, 5000, 5001)
    first, second, third = folder.said
    assert [alert.phase for alert in folder.said] == [Phase.FIRING, Phase.ESCALATED, Phase.ESCALATED]
    assert [alert.severity for alert in folder.said] == [WARNING, WARNING, CRITICAL]
    assert len({alert.message_id for alert in folder.said}) == 3
    assert {alert.incident_id for alert in folder.said} == {first.incident_id}
    assert (first.summary, second.raised_from, third.raised_from) == (
        "Budget growth has spent 26.00 of 50.00 USD (52 %) this month",
        None,
        WARNING,
    )
    december = datetime(2026, 11, 30, 23, 0, 1, tzinfo=UTC)  # midnight in Berlin has passed
    (ended,) = see(folder, standing(0, december), at=december)
    assert (ended.phase, ended.incident_id) == (Phase.RESOLVED, first.incident_id)


def test_what_is_spent_at_once_is_told_at_once() -> None:
    (alert,) = spend(Folder(), 6000)
    assert (alert.severity, alert.stage, alert.phase) == (CRITICAL, 10_000, Phase.FIRING)


def test_the_next_window_begins_with_the_end_of_the_last_however_much_it_has_spent_already() -> None:
    """U-80: no look fell between the two, as when the daemon was not running."""
    folder = Folder()
    spend(folder, 4500)
    later = datetime(2026, 12, 4, tzinfo=UTC)
    ended, begun = see(folder, standing(45 * USD, later), at=later)
    assert (ended.phase, begun.phase) == (Phase.RESOLVED, Phase.FIRING)
    assert ended.incident_id != begun.incident_id


def test_what_wavers_about_a_level_is_told_once() -> None:
    """U-80: hysteresis, of five points of the limit; a limit that was raised ends it."""
    folder = Folder()
    spend(folder, 2500, 2400, 2500, 2300, 2600)
    assert len(folder.said) == 1
    at = NOON + 10 * MINUTE
    (ended,) = see(folder, standing(25 * USD, at, limit=100 * USD), at=at)
    assert ended.phase is Phase.RESOLVED


def test_ten_thousand_readings_are_one_firing() -> None:
    """U-80."""
    assert len(spend(Folder(), *[5100] * 10_000)) == 1


def test_budgets_are_told_apart_and_only_those_that_are_watched_are() -> None:
    terms = OfBudgets(frozenset({"a", "b"}), (0.5,), forecast=False)
    stands = [standing(30 * USD, NOON, name=name) for name in ("a", "b", "c")]
    assert [alert.scope for alert in see(Folder(), *stands, at=NOON, terms=terms)] == [{"budget": "a"}, {"budget": "b"}]


def test_a_severity_of_the_rule_is_the_rules() -> None:
    rule = replace(RULE, severity=Severity.INFO)
    (look,) = looks(rule, LEVELS, Sights(NOON, budgets=[standing(60 * USD, NOON)]))
    assert look.reading.severity is Severity.INFO


def test_the_message_says_how_much_of_what_by_when_and_where_it_stands() -> None:
    (alert,) = spend(Folder(), 4120)
    assert alert.facts == (
        Fact("Spent", "41.20 USD (82.4 %)"),
        Fact("Limit", "50.00 USD per month"),
        Fact("Counts", "team growth"),
        Fact("At the end", "79.53 USD if it goes on like this"),
        Fact("Begins anew", "2026-12-01 00:00 CET"),
        Fact("Budget at", "budgets.yaml:3"),
        Fact("Defined at", "alerts.yaml:7"),
    )
    assert alert.data == {
        "budget": "growth",
        "period": "month",
        "spent_nano_usd": 41_200_000_000,
        "limit_nano_usd": 50_000_000_000,
        "forecast_nano_usd": 79_528_150_134,
        "used": 0.824,
        "window_start": "2026-10-31T23:00:00+00:00",
        "window_end": "2026-11-30T23:00:00+00:00",
        "level": 0.8,
    }


@pytest.mark.parametrize(
    ("stand", "said"),
    [
        (standing(USD, NOON, per=Calendar.DAY), "Budget growth has spent 1.00 of 50.00 USD (2 %) today"),
        (standing(USD, NOON, per=Calendar.WEEK), "Budget growth has spent 1.00 of 50.00 USD (2 %) this week"),
        (
            standing(USD, NOON, per=Rolling(7, RollingUnit.DAYS)),
            "Budget growth has spent 1.00 of 50.00 USD (2 %) in the last 7 days",
        ),
    ],
)
def test_each_period_has_its_words(stand: Stand, said: str) -> None:
    (look,) = looks(RULE, LEVELS, Sights(NOON, budgets=[stand]))
    assert look.reading.summary == said


# -- forecasts


def foretold(folder: Folder, spent: float, at: datetime, terms: OfBudgets = FORECAST) -> list[Alert]:
    return see(folder, standing(round(spent * USD), at), at=at, terms=terms)


def test_a_budget_that_will_be_passed_is_told_before_the_money_is_gone() -> None:
    folder = Folder()
    assert not foretold(folder, 10, NOON)
    (alert,) = foretold(folder, 30, NOON + MINUTE)
    assert alert.scope == {"budget": "growth", "at": "forecast"}
    assert alert.summary == (
        "Budget growth is heading for 57.91 of 50.00 USD by 2026-12-01 00:00 CET; 30.00 USD are spent so far"
    )
    assert (alert.severity, alert.phase) == (WARNING, Phase.FIRING)


def test_in_the_first_tenth_of_a_window_nothing_is_foretold() -> None:
    assert not foretold(Folder(), 20, datetime(2026, 11, 2, tzinfo=UTC))


def test_a_forecast_must_be_good_for_a_while_to_be_over() -> None:
    folder = Folder()
    foretold(folder, 30, NOON)
    late = NOON + timedelta(days=8)
    assert not foretold(folder, 30, late)
    assert not foretold(folder, 30, late + 14 * MINUTE)
    (ended,) = foretold(folder, 30, late + 15 * MINUTE)
    assert ended.phase is Phase.RESOLVED


def test_once_the_limit_is_passed_the_level_tells_it_and_the_forecast_keeps_still() -> None:
    both = OfBudgets(None, (1.0,), forecast=True)
    assert [alert.scope for alert in foretold(Folder(), 51, NOON, both)] == [{"budget": "growth"}]
    assert [alert.scope for alert in foretold(Folder(), 51, NOON)] == [{"budget": "growth", "at": "forecast"}]


def test_of_a_rolling_window_nothing_is_foretold() -> None:
    stand = standing(60 * USD, NOON, per=Rolling(7, RollingUnit.DAYS))
    assert [look.watch.scope for look in looks(RULE, FORECAST, Sights(NOON, budgets=[stand]))] == []
    both = OfBudgets(None, (1.0,), forecast=True)
    (look,) = looks(RULE, both, Sights(NOON, budgets=[stand]))
    assert (look.watch.not_before, look.reading.level) == (None, Level.FIRING)


# -- any spending

levels = st.lists(st.integers(1, 150), min_size=1, max_size=5, unique=True).map(sorted)


@given(levels, st.lists(st.integers(0, 3_000), max_size=30))
def test_while_spending_grows_a_message_comes_exactly_when_a_new_highest_level_is_reached(
    percents: list[int], amounts: list[int]
) -> None:
    """U-80: with an oracle that knows no states."""
    terms = OfBudgets(None, tuple(each / 100 for each in percents), forecast=False)
    folder, spent, reached = Folder(), 0, 0
    for place, amount in enumerate(amounts):
        spent += amount
        at = NOON + place * MINUTE
        news = see(folder, standing(spent * USD // 100, at), at=at, terms=terms)
        highest = max((each for each in percents if spent * 100 >= each * 5_000), default=0)
        assert [round(alert.stage / 100) for alert in news] == ([highest] if highest > reached else [])
        reached = highest


def test_what_is_only_partly_known_fires_what_is_certain_and_ends_nothing() -> None:
    """U-72 U-80: after a restart without the ledger an incident goes on, and what is too much already is told."""
    terms = OfBudgets(None, (0.5,), forecast=True)
    levels = [
        [look.level for look in looks(RULE, terms, Sights(NOON, budgets=[replace(standing(spent, NOON), unread=True)]))]
        for spent in (0, 49 * USD)
    ]
    assert levels == [[Level.HOLD, Level.HOLD], [Level.FIRING, Level.HOLD]]
