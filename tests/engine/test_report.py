"""What a report adds up, and what routing saved, as arithmetic: exact, and the same whatever it is split by."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ledger import QUARTER_S, Account, Amounts, Spent, amounts_of
from gateway.domain.price import Band, DatedPrice, Price, PriceHistory, Tariff, always, rates_from
from gateway.domain.usage import Usage
from gateway.domain.words import SpendKind
from gateway.engine.pricing import cost_nano_usd, price_at
from gateway.engine.report import (
    NOTHING,
    By,
    Compared,
    Dimension,
    Period,
    added,
    by_cost,
    compared,
    day_of,
    grouped,
    keys_of,
    labels,
    ledger_key,
)
from gateway.engine.windows import buckets, window_of
from tests.strategies import usages

USD = 10**9
CHEAP, DEAR = rates_from({"fresh_input": USD, "output": 4 * USD}), rates_from({"fresh_input": 7 * USD, "output": USD})
LONG = Tariff(CHEAP, (Band(200_000, DEAR),))
HISTORY = PriceHistory(
    (DatedPrice(date.min, Price(LONG)), DatedPrice(date(2026, 3, 1), Price(Tariff(DEAR), {"batch": LONG})))
)
ZONES = st.sampled_from([ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu")])
names = st.sampled_from(["", "a", "b"])
accounts = st.builds(
    Account,
    st.integers(1_767_225_600 // QUARTER_S, 1_798_761_600 // QUARTER_S).map(lambda number: number * QUARTER_S),
    st.sampled_from(SpendKind),
    *([names] * 6),
    st.sampled_from([(), ("x",), ("x", "y")]),
)
spents = st.lists(st.builds(Spent, accounts, usages, st.integers(0, 10**12), st.booleans()), max_size=12)
dimensions = st.lists(st.sampled_from([*get_args(Dimension), *get_args(Period)]), min_size=1, max_size=4, unique=True)


def total(parts: list[Compared]) -> Compared:
    return grouped(((), part) for part in parts).get((), Compared())


@given(st.lists(st.tuples(accounts, usages), max_size=12))
def test_against_the_model_that_gave_every_answer_exactly_nothing_is_saved(
    answers: list[tuple[Account, Usage]],
) -> None:
    """Whatever the day, the tier and the length: the baseline is priced as the answers were."""
    spent = [
        Spent(
            account._replace(kind=SpendKind.ANSWER),
            usage,
            cost_nano_usd(usage, price_at(HISTORY, day_of(account.quarter))),
        )
        for account, usage in answers
    ]
    assert total([compared(each, HISTORY) for each in spent]).saved_nano_usd == 0


@given(spents)
def test_what_gave_no_answer_is_a_cost_of_routing_alone(some: list[Spent]) -> None:
    """The saving is what the answers saved less all that was paid for nothing."""
    answers = [each for each in some if each.account.kind is SpendKind.ANSWER]
    whole, answered = (total([compared(each, HISTORY) for each in part]) for part in (some, answers))
    wasted = sum(each.nano_usd for each in some if each.account.kind is not SpendKind.ANSWER)
    assert whole.unanswered_nano_usd == wasted
    assert whole.saved_nano_usd == answered.saved_nano_usd - wasted
    assert whole.nano_usd == sum(each.nano_usd for each in some)


@given(spents, dimensions, ZONES)
def test_the_lines_of_any_dimensions_add_up_to_the_total(some: list[Spent], by: By, zone: ZoneInfo) -> None:
    """Of spend and of savings; by tag, what has several is in the line of each."""
    label = labels(zone)
    parts = [(each.account, compared(each, HISTORY), amounts_of(each.usage, each.nano_usd)) for each in some]
    times = [len(each.account.tags) or 1 if "tag" in by else 1 for each in some]
    savings = grouped((key, part) for account, part, _ in parts for key in keys_of(account, by, label))
    spend = grouped((key, amounts) for account, _, amounts in parts for key in keys_of(account, by, label))
    assert total(list(savings.values())) == total(
        [part for (_, part, _), often in zip(parts, times, strict=True) for _ in range(often)]
    )
    expected = NOTHING
    for (_, _, amounts), often in zip(parts, times, strict=True):
        for _ in range(often):
            expected = added(expected, amounts)
    assert grouped(((), amounts) for amounts in spend.values()).get((), NOTHING) == expected


@given(accounts, dimensions, ZONES)
def test_a_sum_of_the_ledger_and_an_attempt_have_the_same_key(account: Account, by: By, zone: ZoneInfo) -> None:
    label = labels(zone)
    account = account._replace(tags=account.tags[:1])
    values = [
        (account.tags or ("",))[0]
        if name == "tag"
        else account.quarter
        if name in get_args(Period)
        else getattr(account, name)
        for name in by
    ]
    assert [ledger_key(values, by, label)] == keys_of(account, by, label)


@given(st.dates(date(2025, 1, 1), date(2027, 12, 31)), ZONES)
def test_a_day_has_the_quarter_hours_of_its_wall_clock(day: date, zone: ZoneInfo) -> None:
    """Days of 23 and of 25 hours are exact: their first and last quarter hours are theirs, the next ones are not."""
    label = labels(zone)
    first, last = buckets(window_of(day, day, zone))
    assert label("day", first) == label("day", last) == day.isoformat()
    assert label("day", first - QUARTER_S) == (day - timedelta(days=1)).isoformat()
    assert label("day", last + QUARTER_S) == (day + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_on_which_the_clocks_change_is_shorter_or_longer(day: date, hours: int) -> None:
    first, last = buckets(window_of(day, day, ZoneInfo("Europe/Berlin")))
    assert last + QUARTER_S - first == hours * 3600


def test_weeks_and_months_are_named_as_iso_8601_names_them() -> None:
    """The last days of December may be of the next year's first week."""
    quarter = int(datetime(2025, 12, 31, 23, 30, tzinfo=UTC).timestamp())
    utc, berlin = labels(ZoneInfo("UTC")), labels(ZoneInfo("Europe/Berlin"))
    assert [utc(name, quarter) for name in get_args(Period)] == ["2025-12-31", "2026-W01", "2025-12"]
    assert [berlin(name, quarter) for name in get_args(Period)] == ["2026-01-01", "2026-W01", "2026-01"]


def test_each_answer_pays_the_rates_of_its_own_length() -> None:
    """Two of 150,000 tokens are not one of 300,000."""
    account = Account(0, SpendKind.ANSWER, "", "", "", "", "", "", ())
    history = always(Price(LONG))
    short, long = (compared(Spent(account, Usage(size), 0), history) for size in (150_000, 300_000))
    assert 2 * short.baseline_nano_usd == 300_000 * 1_000
    assert long.baseline_nano_usd == 300_000 * 7_000


def test_answers_without_a_usage_and_doubtful_ones_are_counted() -> None:
    account = Account(0, SpendKind.ANSWER, "", "", "", "", "", "", ())
    parts = [
        Spent(account, Usage(), 0),
        Spent(account, Usage(1, estimated=True), 5),
        Spent(account, Usage(1), 6, unpriced=True),
    ]
    found = total([compared(each, HISTORY) for each in parts])
    assert (found.answers, found.unmeasured, found.estimated, found.unpriced) == (2, 1, 1, 1)


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_a_saving_in_thousandths_is_within_half_of_one(paid: int, baseline: int) -> None:
    permille = Compared(nano_usd=paid, baseline_nano_usd=baseline).saved_permille
    if baseline == 0:
        assert permille is None
    else:
        assert permille is not None
        exact = Fraction(1000 * (baseline - paid), baseline)
        assert Fraction(-1, 2) < permille - exact <= Fraction(1, 2)


def test_the_dearest_line_is_first_and_ties_are_by_name() -> None:
    lines: dict[tuple[str, ...], Amounts] = {
        (name,): Amounts(1, 0, 0, 0, 0, cost, 0) for name, cost in (("b", 2), ("c", 1), ("a", 2), ("d", 3))
    }
    assert [name for (name,), _ in by_cost(lines)] == ["d", "a", "b", "c"]
