"""What alerts on burn rates promise: silence while money lasts, one incident when it will not, and its end once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.alert import Alert, AlertKind, Fact, Phase, Severity
from gateway.domain.alerting import OfBurning, Pair
from gateway.domain.budget import Scope
from gateway.domain.ledger import quarter_of, unix_seconds
from gateway.domain.window import Calendar, Period, Rolling, RollingUnit
from gateway.engine.alert_burn import PAIRS, default_pairs, lengths, looks
from gateway.engine.incidents import Level
from gateway.engine.looks import Sights, Spent, Stretch
from gateway.runtime.paces import Pace
from tests.fakes.alert_rules import USD, Folder, Stand, alert_rule, standing

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TERMS = OfBurning(None, None, USD)
RULE = alert_rule(AlertKind.BURN_RATE, TERMS, "burning")
LIMIT = 7_200 * USD
EVEN_AN_HOUR = 10 * USD
"""What a budget of LIMIT a month may spend in an hour of November, if it is to last."""


@dataclass
class Spending:
    """A budget of 7,200 dollars a month, whose alert is looked at as the daemon does it, and all that is said."""

    at: datetime = NOON
    spent: int = 3_000 * USD
    limit: int = LIMIT
    per: Period = Calendar.MONTH
    terms: OfBurning = TERMS
    folder: Folder = field(default_factory=Folder)

    def __post_init__(self) -> None:
        lengths_s = lengths([(self.terms, self.stands.budget)])["growth"]
        self.lengths_s = sorted(lengths_s)
        self.pace = Pace(Scope(), self.lengths_s[-1], 0, known=True)

    @property
    def stands(self) -> Stand:
        return standing(self.spent, self.at, limit=self.limit, per=self.per)

    def before(self, times: float, span: timedelta) -> "Spending":
        """Have spent evenly, at so many times the even rate, for a time that ends now; it counts for no limit."""
        for quarter in range(1, int(span.total_seconds()) // 900 + 1):
            at = self.at - quarter * 15 * MINUTE
            self.pace.quarters[quarter_of(at)] = int(times * EVEN_AN_HOUR / 4)
        return self

    def spend(self, nano_usd: int) -> None:
        self.pace.add(quarter_of(self.at), unix_seconds(self.at), nano_usd)
        self.spent += nano_usd

    def sights(self) -> Sights:
        now_s = unix_seconds(self.at)
        stretches = {("growth", each): self.pace.stretch(each, now_s) for each in self.lengths_s}
        return Sights(self.at, budgets=[self.stands], stretches=stretches)

    def look(self) -> list[Alert]:
        return self.folder.see(looks(replace(RULE, terms=self.terms), self.terms, self.sights()), self.at)

    def go_on(self, times: float, span: timedelta, step: timedelta = MINUTE) -> list[Alert]:
        """Spend at so many times the even rate, and look at each step; give what is news."""
        news, end = [], self.at + span
        while self.at < end:
            self.spend(int(times * EVEN_AN_HOUR * (step / HOUR)))
            self.at += step
            news += self.look()
        return news


def phases(news: Sequence[Alert]) -> list[tuple[Phase, Severity]]:
    return [(alert.phase, alert.severity) for alert in news]


# -- any spending


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.1),
    st.integers(1, 7 * 60),
    st.integers(0, 29 * 24 * 60 - 1),
    st.sampled_from([Calendar.WEEK, Calendar.MONTH, Calendar.QUARTER, Calendar.YEAR, Rolling(30, RollingUnit.DAYS)]),
)
def test_what_is_spent_at_the_even_rate_or_below_is_never_too_fast(
    times: float, share: float, every_s: int, minutes: int, per: Period
) -> None:
    """U-80: at any moment of any period, whatever was spent of it before, however many requests it is made of."""
    at = datetime(2026, 11, 1, 2, tzinfo=UTC) + minutes * MINUTE
    stands = standing(0, at, per=per, limit=10**7 * USD)
    length_s = per.length_s if isinstance(per, Rolling) else (stands.window.end - stands.window.start).total_seconds()
    a_second = times * stands.limit_nano_usd / length_s
    spent = max(share * stands.limit_nano_usd, a_second * (at - stands.window.start).total_seconds())
    stands = replace(stands, spent_nano_usd=int(spent))
    now_s = unix_seconds(at)
    stretches = {}
    for length in lengths([(TERMS, stands.budget)])["growth"]:
        grain = 60 if length < 3_600 else 900
        first = (now_s - length) // grain * grain
        requests = now_s // every_s - (first - 1) // every_s  # those within, both ends included
        stretches["growth", length] = Stretch(int(requests * every_s * a_second), now_s - first)
    levels = [look.level for look in looks(RULE, TERMS, Sights(at, budgets=[stands], stretches=stretches))]
    assert Level.FIRING not in levels


@settings(max_examples=40, deadline=None)
@given(st.floats(16, 400), st.floats(0, 1), st.integers(0, 59))
def test_what_is_spent_many_times_too_fast_is_told_within_minutes(times: float, usual: float, minutes: int) -> None:
    """U-80: at 14.4 times the even rate and more, an hour's worth of that, at the latest, is what it takes to tell."""
    spending = Spending(NOON + minutes * MINUTE).before(usual, 4 * DAY)
    longest = (75 * 14.4 / times + 2) * MINUTE  # the stretch of an hour begins with a quarter hour
    news = spending.go_on(times, longest)
    assert (Phase.FIRING in {alert.phase for alert in news}, news[-1].severity) == (True, Severity.CRITICAL)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 60), st.integers(1, 60)), min_size=1, max_size=10))
def test_whatever_is_spent_an_incident_has_one_beginning_one_end_and_grows_worse_once_a_severity(
    stretches: list[tuple[float, int]],
) -> None:
    """U-80: after a day of quiet nothing is open, and no message came twice."""
    spending = Spending().before(0.5, 4 * DAY)
    for times, minutes in stretches:
        spending.go_on(times, minutes * MINUTE)
    spending.go_on(0.0, 4 * DAY, 15 * MINUTE)
    said = spending.folder.said
    assert len({alert.message_id for alert in said}) == len(said)
    by_incident = {
        each.incident_id: [alert for alert in said if alert.incident_id == each.incident_id] for each in said
    }
    for of_one in by_incident.values():
        told = [alert.phase for alert in of_one]
        assert (told[0], told[-1]) == (Phase.FIRING, Phase.RESOLVED)
        assert told[1:-1] == [Phase.ESCALATED] * (len(told) - 2)
        assert len(told) <= 3


# -- one story


def test_ten_thousand_looks_at_a_rate_that_stays_are_one_firing() -> None:
    """U-80: it grows worse from the first pair that tells it to the worst, and is not said again."""
    spending = Spending().before(0.5, 4 * DAY)
    news = spending.go_on(20, 10_000 * timedelta(seconds=5), timedelta(seconds=5))
    assert [alert.phase for alert in news].count(Phase.FIRING) == 1
    assert len(news) <= 2
    assert {alert.incident_id for alert in news} == {news[0].incident_id}


def test_the_end_comes_once_and_only_when_it_has_been_slow_for_a_while() -> None:
    """U-80: hysteresis in the rate and in time."""
    spending = Spending().before(0.5, 4 * DAY)
    assert phases(spending.go_on(30, HOUR)) == [(Phase.FIRING, Severity.CRITICAL)]
    assert spending.go_on(5.7, 30 * MINUTE) == []  # the middle pair is near its factor still
    news = spending.go_on(0.5, 4 * DAY, 5 * MINUTE)
    assert phases(news) == [(Phase.RESOLVED, Severity.CRITICAL)]
    assert spending.go_on(0.5, DAY, 5 * MINUTE) == []


def test_a_pause_of_minutes_is_no_end() -> None:
    """U-80: each message would be followed by its end and by another one, as long as it comes and goes."""
    spending = Spending().before(0.5, 4 * DAY)
    assert len(spending.go_on(30, 40 * MINUTE)) == 1
    for _ in range(5):
        assert spending.go_on(0.0, 12 * MINUTE) == []
        assert spending.go_on(30, 12 * MINUTE) == []


def test_a_slow_leak_is_a_warning_and_grows_critical_in_the_same_incident() -> None:
    spending = Spending(spent=4_000 * USD).before(1.0, 4 * DAY)
    slow = spending.go_on(2.5, 3 * DAY, 15 * MINUTE)
    assert phases(slow) == [(Phase.FIRING, Severity.WARNING)]
    fast = spending.go_on(30, 2 * HOUR)
    assert phases(fast) == [(Phase.ESCALATED, Severity.CRITICAL)]
    assert fast[0].incident_id == slow[0].incident_id


def test_what_lasts_to_the_end_all_the_same_is_not_told() -> None:
    """Much is left late in the month: twice the even rate does not use it up."""
    late = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert Spending(late, spent=1_000 * USD).before(2.0, 4 * DAY).go_on(2.0, HOUR) == []
    assert Spending(late, spent=6_500 * USD).before(2.0, 4 * DAY).go_on(2.0, HOUR) != []


def test_a_new_month_at_the_same_rate_is_the_same_incident() -> None:
    """U-80: the limit is another one by then, what goes wrong is not."""
    spending = Spending(datetime(2026, 11, 25, 22, tzinfo=UTC), spent=5_000 * USD).before(10, 4 * DAY)
    told = phases(spending.go_on(10, HOUR))
    assert told == [(Phase.FIRING, Severity.WARNING), (Phase.ESCALATED, Severity.CRITICAL)]
    spending.at, spending.spent = datetime(2026, 11, 30, 23, 30, tzinfo=UTC), 0  # half an hour into December in Berlin
    spending.before(10, 5 * DAY)
    assert spending.go_on(10, HOUR) == []


def test_little_money_is_no_alarm_however_fast_it_goes() -> None:
    """The gate is in dollars, over the long window."""
    cheap = Spending(limit=72 * USD // 10, spent=0)
    cheap.spend(USD // 2)
    assert cheap.look() == []
    cheap.spend(USD // 2 + 1)
    assert [alert.phase for alert in cheap.look()] == [Phase.FIRING]


def test_another_limit_ends_it() -> None:
    spending = Spending().before(0.5, 4 * DAY)
    spending.go_on(30, HOUR)
    spending.limit *= 1_000
    news = spending.go_on(0.0, 20 * MINUTE)
    assert [alert.phase for alert in news] == [Phase.RESOLVED]


def test_what_is_known_in_part_begins_what_is_certain_and_ends_nothing() -> None:
    """U-72 U-80: after a restart, minutes are heard of anew, and more may have been spent than is known."""
    (level,) = {look.level for look in looks(RULE, TERMS, Spending().sights())}
    assert level is Level.OK
    spending = Spending()
    part = replace(
        spending.sights(),
        stretches={key: replace(each, whole=False) for key, each in spending.sights().stretches.items()},
    )
    assert [look.level for look in looks(RULE, TERMS, part)] == [Level.HOLD]
    assert [look.level for look in looks(RULE, TERMS, replace(part, stretches={}))] == [Level.HOLD]
    (look,) = looks(RULE, TERMS, replace(part, stretches={}))
    assert look.reading.summary.startswith("It is not known yet how fast budget growth is spent")
    unread = replace(spending.stands, unread=True)
    assert [look.level for look in looks(RULE, TERMS, replace(spending.sights(), budgets=[unread]))] == [Level.HOLD]
    spending.spend(500 * USD)
    certain = replace(spending.sights(), budgets=[replace(spending.stands, unread=True)])
    assert [look.level for look in looks(RULE, TERMS, certain)] == [Level.FIRING]


def test_what_is_used_up_already_is_said_so() -> None:
    spending = Spending(spent=7_000 * USD).before(0.5, 4 * DAY)
    spending.spend(400 * USD)
    (alert,) = spending.look()
    assert "all of it is used up; 7,400.00 of 7,200.00 USD are spent" in alert.summary


def test_the_message_says_how_fast_until_when_and_by_whom() -> None:
    spending = Spending().before(0.5, 4 * DAY)
    spending.spend(288 * USD)
    spenders = [
        Spent("team", "growth", 200 * USD, 288 * USD),
        Spent("rule", "code", 288 * USD, 288 * USD),
        Spent("model", "", 3 * USD, 288 * USD),
    ]
    sights = replace(spending.sights(), spenders={"growth": spenders})
    (look,) = looks(RULE, TERMS, sights)
    assert look.reading.summary == (
        "Budget growth is spent at 293.00 USD an hour, 29 times its even rate: all of it is used up by "
        "2026-11-17 02:21 CET, 13 days too early; 3,288.00 of 7,200.00 USD are spent"
    )
    assert look.reading.facts == (
        Fact("Spent", "3,288.00 of 7,200.00 USD per month"),
        Fact("Last 5 min", "288.00 USD, 3,456.00 USD an hour"),
        Fact("Last 1 h", "293.00 USD, 293.00 USD an hour"),
        Fact("Even rate", "10.00 USD an hour; alerts above 14.4 times that"),
        Fact("Used up", "2026-11-17 02:21 CET"),
        Fact("Most by team", "growth: 200.00 USD (69.4 %)"),
        Fact("Most by rule", "code: 288.00 USD (100 %)"),
        Fact("Most by model", "(none): 3.00 USD (1 %)"),
        Fact("Counts", "team growth"),
        Fact("Budget at", "budgets.yaml:3"),
        Fact("Defined at", "alerts.yaml:7"),
    )
    assert look.reading.data == {
        "budget": "growth",
        "period": "month",
        "spent_nano_usd": 3_288 * USD,
        "limit_nano_usd": 7_200 * USD,
        "nano_usd_per_hour": 293 * USD,
        "even_nano_usd_per_hour": 10 * USD,
        "times": 29.3,
        "above": 14.4,
        "short_s": 300,
        "short_nano_usd": 288 * USD,
        "long_s": 3_600,
        "long_nano_usd": 293 * USD,
        "used_up_at": "2026-11-17T01:21:05+00:00",
        "window_end": "2026-11-30T23:00:00+00:00",
        "most": [
            {"dimension": "team", "name": "growth", "nano_usd": 200 * USD},
            {"dimension": "rule", "name": "code", "nano_usd": 288 * USD},
            {"dimension": "model", "name": "", "nano_usd": 3 * USD},
        ],
    }


def test_the_words_of_the_end_say_how_fast_it_is_now() -> None:
    spending = Spending().before(0.5, 4 * DAY)
    spending.go_on(30, HOUR)
    (ended,) = spending.go_on(0.5, 4 * DAY, 5 * MINUTE)
    assert ended.summary.startswith("Budget growth is spent at 5.00 USD an hour; 3,")


# -- budgets and pairs


@pytest.mark.parametrize(
    ("per", "like"),
    [
        (Rolling(400, RollingUnit.DAYS), Calendar.YEAR),
        (Rolling(364, RollingUnit.DAYS), Calendar.QUARTER),
        (Rolling(30, RollingUnit.DAYS), Calendar.MONTH),
        (Rolling(14, RollingUnit.DAYS), Calendar.WEEK),
        (Rolling(24, RollingUnit.HOURS), Calendar.DAY),
        (Rolling(23, RollingUnit.HOURS), Calendar.HOUR),
        (Rolling(30, RollingUnit.MINUTES), Calendar.MINUTE),
    ],
)
def test_a_rolling_period_is_watched_like_one_of_the_calendar(per: Rolling, like: Calendar) -> None:
    assert default_pairs(per) == PAIRS[like]


def test_every_default_pair_is_told_by_what_is_kept() -> None:
    """Minutes below an hour and quarter hours from there on; what is shorter is worse, and told sooner."""
    for pairs in PAIRS.values():
        lengths_s = [length for pair in pairs for length in (pair.short_s, pair.long_s)]
        assert [length % (60 if length < 3_600 else 900) for length in lengths_s] == [0] * len(lengths_s)
        assert [pair.factor for pair in pairs] == sorted((pair.factor for pair in pairs), reverse=True)
        assert all(pair.short_s < pair.long_s for pair in pairs)


def test_budgets_are_told_apart_and_those_that_are_over_at_once_are_left_out() -> None:
    stands = [
        standing(0, NOON, name=name, per=per)
        for name, per in (("a", Calendar.DAY), ("b", Calendar.HOUR), ("c", Calendar.DAY))
    ]
    terms = replace(TERMS, names=frozenset({"a", "b"}))
    assert [look.watch.scope for look in looks(RULE, terms, Sights(NOON, budgets=stands))] == [{"budget": "a"}]
    own = replace(terms, pairs=(Pair(60, 600, 3.0, Severity.INFO),))
    assert [look.watch.scope for look in looks(RULE, own, Sights(NOON, budgets=stands))] == [
        {"budget": "a"},
        {"budget": "b"},
    ]


def test_of_a_rolling_window_what_falls_out_is_counted() -> None:
    """At the rate at which it is full it stays full; at twice that it takes as long as what is left lasts."""
    per, pair = Rolling(30, RollingUnit.DAYS), Pair(300, 3_600, 1.5, Severity.WARNING)
    terms = OfBurning(None, (pair,), 0)
    stands = standing(3_600 * USD, NOON, per=per, limit=LIMIT)
    stretches = {("growth", 300): Stretch(20 * USD // 12, 300), ("growth", 3_600): Stretch(20 * USD, 3_600)}
    (look,) = looks(RULE, terms, Sights(NOON, budgets=[stands], stretches=stretches))
    assert look.level is Level.FIRING
    assert look.reading.data["used_up_at"] == "2026-11-26T12:00:00+00:00"
    assert "too early" not in look.reading.summary


def test_a_severity_of_the_rule_is_the_rules() -> None:
    spending = Spending()
    spending.spend(500 * USD)
    (look,) = looks(replace(RULE, severity=Severity.INFO), TERMS, spending.sights())
    assert look.reading.severity is Severity.INFO
