"""What alerts on prices promise: each change of a price once, exact, with what it comes to and which way it goes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.alert import AlertKind, Fact, Phase, Severity
from gateway.domain.alerting import OfPrices
from gateway.domain.ledger import Amounts
from gateway.domain.price import RATE_NAMES, Band, DatedPrice, Price, PriceHistory, Rates, Tariff, always, rates_from
from gateway.domain.price_change import Change, Known, from_json, known_from_json, known_to_json, to_json
from gateway.domain.registry import Model
from gateway.domain.words import Prefer
from gateway.engine.alert_prices import (
    RateChange,
    changed,
    cost_nano_usd,
    effect_nano_usd,
    in_use,
    looks,
    prices_of,
    rate_changes,
    rises,
    upcoming,
)
from gateway.engine.incidents import Level
from gateway.engine.looks import Sights
from tests.fakes.alert_rules import USD, Folder, alert_rule

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = OfPrices(7)
RULE = alert_rule(AlertKind.PRICE_CHANGE, TERMS, "prices")
USED = Amounts(1_000, 70_000_000, 0, 0, 7_000_000, 0, 0)
"""What a model used in seven days: ten million tokens in and a million out a day."""


def price_of(**rates: int) -> Price:
    """Give a price in dollars per million tokens."""
    return Price(Tariff(rates_from({name: rate * USD for name, rate in rates.items()})))


OLD, NEW = price_of(fresh_input=2, output=10), price_of(fresh_input=1, output=8)
DEARER = price_of(fresh_input=3, output=10)


def model(price: Price | PriceHistory, upstream: str = "up-mini") -> Model:
    history = always(price) if isinstance(price, Price) else price
    return Model("mini", "local", upstream, Prefer.BALANCED, history, "2026-11-01")


def change(before: Price = OLD, after: Price = NEW, *, usage: Amounts = USED, in_force: bool = True) -> Change:
    known = Known("up-mini", before), Known("up-mini", after)
    return Change("mini", "12-3f9a1c2", NOON, *known, "rules", in_force, usage)


HISTORY = PriceHistory(
    (DatedPrice(date.min, OLD), DatedPrice(date(2026, 12, 1), NEW), DatedPrice(date(2027, 1, 1), DEARER))
)

rates = st.builds(Rates, *[st.integers(0, 10**12)] * len(RATE_NAMES))
tariffs = st.builds(
    Tariff,
    rates,
    st.lists(
        st.builds(Band, st.integers(1, 10**6), rates), max_size=2, unique_by=lambda band: band.above_input_tokens
    ).map(lambda bands: tuple(sorted(bands, key=lambda band: band.above_input_tokens))),
)
prices = st.builds(Price, tariffs, st.dictionaries(st.sampled_from(["flex", "priority"]), tariffs, max_size=2))
amounts = st.builds(Amounts, *[st.integers(0, 10**12)] * len(Amounts._fields))


# -- what has changed


def test_a_model_of_which_nothing_is_known_has_no_change_and_one_that_costs_the_same_neither() -> None:
    models = {"mini": model(NEW)}
    assert changed(models, {}, NOON, "2-b") == []
    assert changed(models, prices_of(models, NOON.date()), NOON, "2-b") == []
    assert changed({"mini": model(NEW, "up-other")}, {"mini": Known("up-mini", NEW)}, NOON, "2-b") == []


def test_another_price_is_a_change_that_came_with_its_generation() -> None:
    (found,) = changed({"mini": model(NEW)}, {"mini": Known("up-mini", OLD)}, NOON, "2-b")
    assert (found.model, found.change, found.at, found.in_force, found.source) == (
        "mini",
        "2-b",
        NOON,
        True,
        "2026-11-01",
    )
    assert (found.before.price, found.after.price) == (OLD, NEW)


def test_a_price_that_a_day_brought_is_named_by_the_day_whenever_it_is_noticed() -> None:
    """The daemon may have been stopped that day; what another model or another price went before came otherwise."""
    models, later = {"mini": model(HISTORY)}, datetime(2026, 12, 5, tzinfo=UTC)
    (found,) = changed(models, {"mini": Known("up-mini", OLD)}, later, "2-b")
    assert (found.change, found.after.price, found.at) == ("2026-12-01", NEW, later)
    for before in (Known("up-mini", DEARER), Known("up-other", OLD)):
        assert [each.change for each in changed(models, {"mini": before}, later, "2-b")] == ["2-b"]


def test_the_first_price_of_a_history_follows_none() -> None:
    (found,) = changed({"mini": model(HISTORY)}, {"mini": Known("up-mini", DEARER)}, NOON, "2-b")
    assert found.change == "2-b"


def test_the_next_day_that_brings_another_price_is_known_before() -> None:
    (found,) = upcoming({"mini": model(HISTORY), "other": model(NEW)}, NOON)
    assert (found.model, found.change, found.in_force) == ("mini", "2026-12-01", False)
    assert found.at == datetime(2026, 12, 1, tzinfo=UTC)
    assert [each.change for each in upcoming({"mini": model(HISTORY)}, datetime(2026, 12, 1, tzinfo=UTC))] == [
        "2027-01-01"
    ]
    assert upcoming({"mini": model(HISTORY)}, datetime(2027, 1, 1, tzinfo=UTC)) == []


def test_what_nobody_used_is_no_news() -> None:
    assert in_use([change(usage=Amounts(0, 0, 0, 0, 0, 0, 0))], {"other": USED}) == []
    (found,) = in_use([change(usage=Amounts(0, 0, 0, 0, 0, 0, 0))], {"mini": USED})
    assert found.usage == USED


# -- what it comes to


@given(prices, prices)
def test_rates_differ_exactly_where_prices_do(before: Price, after: Price) -> None:
    """Every rate of every tier and band that is told is another one, and prices without one cost the same."""
    found = rate_changes(before, after)
    assert all(each.before != each.after for each in found)
    assert len({(each.rate, each.tier, each.above) for each in found}) == len(found)
    assert rate_changes(before, before) == ()
    if not found:
        assert before.standard.rates == after.standard.rates


def test_a_rate_that_follows_another_is_not_told_twice() -> None:
    assert rate_changes(OLD, NEW) == (RateChange("fresh_input", 2 * USD, USD), RateChange("output", 10 * USD, 8 * USD))
    cached = price_of(fresh_input=2, output=10, cache_read=1)
    assert rate_changes(OLD, cached) == (RateChange("cache_read", 2 * USD, USD),)


def test_bands_and_tiers_are_told_by_name() -> None:
    long = Band(200_000, rates_from({"fresh_input": 4 * USD, "output": 10 * USD}))
    flex = Tariff(rates_from({"fresh_input": USD, "output": 5 * USD}))
    longer = Band(500_000, rates_from({"fresh_input": 6 * USD, "output": 10 * USD}))
    after = Price(Tariff(OLD.standard.rates, (long, longer)), {"flex": flex})
    assert [str(each) for each in rate_changes(OLD, after)] == [
        "input above 200,000 tokens 2 -> 4 (+100 %)",
        "input above 500,000 tokens 2 -> 6 (+200 %)",
        "flex input 2 -> 1 (-50 %)",
        "flex output 10 -> 5 (-50 %)",
    ]


@given(amounts, prices, prices)
def test_a_month_is_thirty_sevenths_of_the_week_and_the_way_back_costs_the_same(
    usage: Amounts, before: Price, after: Price
) -> None:
    there, back = change(before, after, usage=usage), change(after, before, usage=usage)
    week = cost_nano_usd(usage, after) - cost_nano_usd(usage, before)
    assert abs(7 * effect_nano_usd(there) - 30 * week) <= 7
    assert abs(effect_nano_usd(there) + effect_nano_usd(back)) <= 1
    if week:
        assert rises(there) is (week > 0)


def test_where_it_comes_to_nothing_any_rate_that_rises_is_for_the_worse() -> None:
    nothing = Amounts(5, 0, 0, 0, 0, 0, 0)
    assert [rises(change(OLD, each, usage=nothing)) for each in (DEARER, NEW)] == [True, False]


@given(prices, prices, amounts)
def test_a_change_is_kept_as_it_is(before: Price, after: Price, usage: Amounts) -> None:
    """Price has no hash of its tiers, but its equality sees them."""
    kept = change(before, after, usage=usage)
    assert from_json(to_json(kept)) == kept
    assert known_from_json(known_to_json(kept.before)) == kept.before


# -- what is said


def said(*changes: Change, at: datetime = NOON, terms: OfPrices = TERMS) -> Mapping[str, Level]:
    return {look.watch.scope["change"]: look.level for look in looks(RULE, terms, Sights(at, changes=changes))}


def test_a_change_is_told_for_a_day_and_ends_by_itself() -> None:
    """U-80: one message when it is found and one when it is no news any more, however often somebody looks."""
    folder = Folder()
    for hours in range(60):
        at = NOON + timedelta(hours=hours)
        folder.see(looks(RULE, TERMS, Sights(at, changes=[change()])), at)
    assert [(alert.phase, alert.severity) for alert in folder.said] == [
        (Phase.FIRING, Severity.INFO),
        (Phase.RESOLVED, Severity.INFO),
    ]
    assert folder.said[1].at == NOON + DAY


def test_one_that_is_to_come_is_told_some_days_before_and_again_when_it_is_there() -> None:
    """U-80: in one incident, which grows when the day has come."""
    folder = Folder()
    (coming,) = in_use(upcoming({"mini": model(HISTORY)}, NOON), {"mini": USED})
    for day in range(-10, 0):
        at = coming.at + day * DAY
        folder.see(looks(RULE, TERMS, Sights(at, changes=[coming])), at)
    (announced,) = folder.said
    assert (announced.at, announced.phase) == (coming.at - 7 * DAY, Phase.FIRING)
    assert announced.summary.startswith("Model mini will cost 40 % less from 2026-12-01 on: input 2 -> 1 (-50 %), ")
    there = replace(coming, in_force=True)
    for day in range(3):
        at = coming.at + day * DAY
        folder.see(looks(RULE, TERMS, Sights(at, changes=[there])), at)
    assert [alert.phase for alert in folder.said] == [Phase.FIRING, Phase.ESCALATED, Phase.RESOLVED]
    assert len({alert.incident_id for alert in folder.said}) == 1


def test_how_long_before_is_the_rules() -> None:
    coming = replace(change(in_force=False), at=NOON + 3 * DAY, change="2026-11-28")
    assert said(coming, terms=OfPrices(2)) == {}
    assert said(coming, terms=OfPrices(3)) == {"2026-11-28": Level.FIRING}
    assert said(coming, at=NOON + 3 * DAY, terms=OfPrices(0)) == {"2026-11-28": Level.FIRING}


def test_a_rise_is_a_warning_and_a_severity_of_the_rule_is_the_rules() -> None:
    (look,) = looks(RULE, TERMS, Sights(NOON, changes=[change(OLD, DEARER)]))
    assert look.reading.severity is Severity.WARNING
    (look,) = looks(replace(RULE, severity=Severity.CRITICAL), TERMS, Sights(NOON, changes=[change()]))
    assert look.reading.severity is Severity.CRITICAL


def test_the_message_says_what_each_rate_was_and_is_and_what_it_comes_to() -> None:
    (look,) = looks(RULE, TERMS, Sights(NOON, changes=[replace(change(), after=Known("up-mini-2", NEW))]))
    assert look.reading.summary == (
        "Model mini costs 40 % less: input 2 -> 1 (-50 %), output 10 -> 8 (-20 %) USD per million tokens; "
        "about 360.00 USD less a month"
    )
    assert look.reading.facts == (
        Fact("Input", "2 -> 1 (-50 %) USD"),
        Fact("Output", "10 -> 8 (-20 %) USD"),
        Fact("Model at the provider", "up-mini -> up-mini-2"),
        Fact("A month", "about 360.00 USD less"),
        Fact("By the use of", "the last 7 days: 1,000 attempts"),
        Fact("Price from", "the rule files"),
        Fact("Defined at", "alerts.yaml:7"),
    )
    data = dict(look.reading.data)
    assert data.pop("rates") == [
        {
            "rate": "fresh_input",
            "service_tier": None,
            "above_input_tokens": 0,
            "before_nano_usd": 2 * USD,
            "after_nano_usd": USD,
        },
        {
            "rate": "output",
            "service_tier": None,
            "above_input_tokens": 0,
            "before_nano_usd": 10 * USD,
            "after_nano_usd": 8 * USD,
        },
    ]
    assert data == {
        "model": "mini",
        "change": "12-3f9a1c2",
        "in_force": True,
        "at": "2026-11-25T12:00:00+00:00",
        "upstream": ["up-mini", "up-mini-2"],
        "month_nano_usd": -360 * USD,
        "used_days": 7,
        "attempts": 1_000,
        "source": "rules",
    }


def test_a_price_of_nothing_and_a_change_without_effect_have_words_too() -> None:
    free = price_of(fresh_input=0, output=0)
    first, second = (
        next(iter(looks(RULE, TERMS, Sights(NOON, changes=[each])))).reading.summary
        for each in (change(free, OLD), change(OLD, price_of(fresh_input=2, output=10, cache_read=1)))
    )
    assert first == (
        "Model mini costs something, and cost nothing before: "
        "input 0 -> 2, output 0 -> 10 USD per million tokens; about 900.00 USD more a month"
    )
    assert second == "Model mini costs something else: cached input 2 -> 1 (-50 %) USD per million tokens"
