"""What alerts on spend shifts say, to people and to programs, of what the fold over spend has found."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.domain.alert import AlertKind, Severity
from gateway.domain.alerting import OfShifts
from gateway.domain.shift import Cause, Channel, Direction, Edit, Finding, Notice, Parts, Status
from gateway.domain.window import Calendar
from gateway.engine.alert_shifts import looks
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import Sights
from tests.fakes.alert_rules import USD, Stand, alert_rule, standing

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW = NOON.timestamp()
CAUSE = Cause("team", "growth", Channel.CHOICE)
NOTICE = Notice(
    number=3,
    ts=NOW,
    status=Status.FIRING,
    severity=Severity.CRITICAL,
    direction=Direction.UP,
    cause=CAUSE,
    since=NOW - 5_400,
    finding=Finding(CAUSE, 9.0, 4.5, 1.0, 0.4, 600.0, 0.02, 0.32, "large"),
    nano_usd=2 * USD,
    nano_usd_per_day=20 * USD,
    sentence="It moved.",
    parts=Parts(whole=2 * USD + 7, volume=USD, mix=USD, price=21, tokens=-14),
    edit=Edit(NOW - 5_400, "chat", "1-aaa -> 2-bbb", "rules.yaml:6"),
    unchanged=(Channel.PRICE, Channel.VOLUME),
    suspects=(Cause("model", "large", Channel.TOKENS_OUT),),
)
OVER = replace(NOTICE, status=Status.RESOLVED, finding=replace(NOTICE.finding, before=0.0, after=0.0), suspects=())


def read(notice: Notice, *budgets: Stand, at_least: int = USD) -> Reading:
    (look,) = looks(
        alert_rule(AlertKind.SPEND_SHIFT, OfShifts(at_least)),
        OfShifts(at_least),
        Sights(NOON, budgets=budgets, shifts=(notice,)),
    )
    return look.reading


def facts(reading: Reading) -> dict[str, str]:
    return {fact.label: fact.value for fact in reading.facts}


def test_a_shift_is_told_with_all_that_is_known_of_it() -> None:
    """U-81: since when, what it costs, against which budget, what did not change, who is suspected next."""
    reading = read(NOTICE, standing(10 * USD, NOON, limit=50 * USD))
    assert (reading.level, reading.severity, reading.summary) == (Level.FIRING, Severity.CRITICAL, "It moved.")
    assert facts(reading) == {
        "Began about": "2026-11-23 10:30 UTC",
        "So far": "2.00 USD more",
        "A day": "20.00 USD more",
        "A month": "600.00 USD more",
        "Budget": "'growth' has spent 10.00 of 50.00 USD this month (20 %); a day of this is 40 % of it more",
        "Edited": "rules.yaml:6, generation 1-aaa -> 2-bbb",
        "Against the day before": "+2.00 USD: volume +1.00, mix +1.00, price +0.00, tokens +0.00",
        "Unchanged": "prices, how much is asked",
        "Next suspects": "model=large",
        "Defined at": "alerts.yaml:7",
    }


def test_a_program_is_told_the_same() -> None:
    """U-81: exact where the words are rounded."""
    assert read(NOTICE, standing(10 * USD, NOON, limit=50 * USD)).data == {
        "shift": 3,
        "cause": "team=growth",
        "dimension": "team",
        "value": "growth",
        "channel": "model_choice",
        "direction": "up",
        "since": "2026-11-23T10:30:00+00:00",
        "before": 0.02,
        "after": 0.32,
        "unit": "share_of_calls",
        "detail": "large",
        "nano_usd": 2 * USD,
        "day_nano_usd": 20 * USD,
        "month_nano_usd": 600 * USD,
        "rule": "chat",
        "place": "rules.yaml:6",
        "generation": "1-aaa -> 2-bbb",
        "parts_nano_usd": {"whole": 2 * USD + 7, "volume": USD, "mix": USD, "price": 21, "tokens": -14},
        "budget": {
            "name": "growth",
            "period": "month",
            "limit_nano_usd": 50 * USD,
            "spent_nano_usd": 10 * USD,
            "share_a_day": 0.4,
        },
        "unchanged": ["price", "volume"],
        "suspects": ["model=large"],
    }


def test_what_is_over_is_told_with_how_long_and_how_much_it_was() -> None:
    """U-80: and no longer with what it would come to, or with figures that are known no more."""
    reading = read(OVER, standing(10 * USD, NOON))
    assert reading.level is Level.OK
    told = facts(reading)
    assert (told["Lasted"], told["In all"]) == ("1 h", "2.00 USD more")
    assert not {"So far", "A day", "A month", "Budget", "Next suspects"} & told.keys()
    assert (reading.data["before"], reading.data["after"]) == (None, None)


def test_it_is_held_against_the_tightest_budget_that_counts_the_cause() -> None:
    """U-81: fifty dollars a month are tighter than three a day; another team's budget is not asked."""
    monthly, daily = standing(0, NOON, name="monthly"), standing(0, NOON, limit=3 * USD, name="d", per=Calendar.DAY)
    yearly = standing(0, NOON, limit=40 * USD, name="yearly", per=Calendar.YEAR)
    assert facts(read(NOTICE, monthly, daily))["Budget"].startswith("'monthly'")
    assert facts(read(NOTICE, monthly, daily, yearly))["Budget"].startswith("'yearly'")
    other = replace(NOTICE, cause=replace(CAUSE, value="core"))
    assert "Budget" not in facts(read(other, monthly))
    assert read(other, monthly).data["budget"] is None


@pytest.mark.parametrize(
    ("channel", "before", "after", "unit"),
    [
        (Channel.VOLUME, 6.0, 30.0, "calls_an_hour"),
        (Channel.CATEGORY, 1.0, 5.0, "times_the_usual"),
        (Channel.RULE, 1.0, 5.0, "times_the_usual"),
        (Channel.CHOICE, 2.0, 10.0, "share_of_calls"),
        (Channel.FALLBACK, 2.0, 10.0, "share_of_calls"),
        (Channel.PRICE, 2.0, 10.0, "times_the_price"),
        (Channel.CACHE, 2.0, 10.0, "share_of_prompt_tokens_beyond_usual"),
        (Channel.TOKENS_IN, 2.0, 10.0, "times_the_usual"),
        (Channel.TOKENS_OUT, 2.0, 10.0, "times_the_usual"),
        (Channel.TOKENS, 2.0, 10.0, "times_the_usual"),
    ],
)
def test_from_what_to_what_has_a_unit(channel: Channel, before: float, after: float, unit: str) -> None:
    """U-81: each channel its own, and every channel has one."""
    cause = replace(CAUSE, channel=channel)
    found = replace(NOTICE.finding, cause=cause, before=2.0, after=10.0)
    data = read(replace(NOTICE, cause=cause, finding=found)).data
    assert (data["before"], data["after"], data["unit"]) == (before, after, unit)


def test_nobody_else_suspected_is_said_and_a_saving_is_information() -> None:
    saving = replace(NOTICE, direction=Direction.DOWN, nano_usd=-USD, nano_usd_per_day=-20 * USD, suspects=())
    reading = read(saving, standing(0, NOON))
    assert reading.severity is Severity.INFO
    told = facts(reading)
    assert (told["Next suspects"], told["A day"]) == ("none", "20.00 USD less")
    assert told["Budget"].endswith("40 % of it less")


def test_what_comes_to_too_little_is_not_looked_at_but_its_end_is() -> None:
    """U-81: `at_least` a day."""
    rule = alert_rule(AlertKind.SPEND_SHIFT, OfShifts(30 * USD))
    assert list(looks(rule, OfShifts(30 * USD), Sights(NOON, shifts=(NOTICE,)))) == []
    assert read(OVER, at_least=30 * USD).level is Level.OK


def test_parts_that_are_all_less_than_a_cent_are_told_in_full() -> None:
    tiny = replace(NOTICE, parts=Parts(whole=-3_000, volume=0, mix=-3_000, price=0, tokens=0))
    told = facts(read(tiny))["Against the day before"]
    assert told == "-0.000003 USD: volume +0.00, mix -0.000003, price +0.00, tokens +0.00"
