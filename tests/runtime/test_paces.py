"""How fast budgets are spent: by minutes that are heard of, by quarter hours that the ledger has, and never twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.alert import AlertKind, Severity
from gateway.domain.alerting import AlertRule, OfBurning, Pair
from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt
from gateway.domain.budget import Scope, Wanted
from gateway.domain.ledger import Amounts, LedgerDimension, quarter_of, unix_seconds
from gateway.domain.problem import StoreError
from gateway.domain.window import Calendar
from gateway.engine.looks import Spent, Stretch
from gateway.runtime.paces import ASK_AGAIN_AFTER_S, LOOK_EVERY_S, Pace, Paces, Seen
from tests.adapters.entries import entry
from tests.fakes.alert_rules import USD, Stand, alert_rule, standing
from tests.fakes.receivers import Time

NOON = datetime(2026, 11, 16, 12, 7, 30, tzinfo=UTC)
NOON_S = unix_seconds(NOON)
PAIR = Pair(300, 3_600, 14.4, Severity.CRITICAL)
TERMS = OfBurning(None, (PAIR,), USD)
RULE = alert_rule(AlertKind.BURN_RATE, TERMS)
MINUTE = timedelta(minutes=1)


# -- one pace


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 10**9)), max_size=40),
    st.sampled_from([60, 300, 1_800, 3_540, 3_600, 7_200, 10_800]),
    st.integers(0, 20_000),
)
def test_a_stretch_has_what_was_spent_from_its_edge_on(spent: list[tuple[int, int]], length_s: int, now: int) -> None:
    """U-80: with an oracle that has every amount with its second; the edge is a minute or a quarter hour."""
    start = NOON_S // 86_400 * 86_400
    pace = Pace(Scope(), 10_800, start - 86_400, known=True)
    now_s = start + now
    for second, nano_usd in spent:
        at_s = start + min(second, now)
        pace.add(at_s // 900 * 900, at_s, nano_usd)
    pace.forget(now_s)
    grain = 60 if length_s < 3_600 else 900
    edge = (now_s - length_s) // grain * grain
    assert length_s <= now_s - edge < length_s + grain
    expected = sum(nano_usd for second, nano_usd in spent if start + min(second, now) >= edge)
    assert pace.stretch(length_s, now_s) == Stretch(expected, now_s - edge, whole=True)


def test_minutes_are_whole_once_they_have_passed_and_quarter_hours_once_the_ledger_is_read() -> None:
    """U-72: what is not known may be more."""
    pace = Pace(Scope(), 3_600, NOON_S)
    assert [pace.stretch(each, NOON_S + 300).whole for each in (300, 3_600)] == [False, False]
    assert pace.stretch(300, NOON_S + 330).whole
    pace.known = True
    assert [pace.stretch(each, NOON_S + 30).whole for each in (300, 3_600)] == [False, True]


# -- all of them


@dataclass
class Books:
    """The ledger, as it answers: what was put before, with every question noted; `broken` refuses."""

    sums: dict[str, Mapping[int, int]] = field(default_factory=dict)
    spenders: Mapping[tuple[str | int, ...], Amounts] = field(default_factory=dict)
    broken: bool = False
    asked: list[list[Wanted]] = field(default_factory=list)
    summed: list[tuple[int, int, Sequence[LedgerDimension]]] = field(default_factory=list)
    meanwhile: Callable[[], object] = field(default=lambda: None)

    async def spent(self, wanted: Sequence[Wanted]) -> dict[str, Mapping[int, int]]:
        self.asked.append(list(wanted))
        self.meanwhile()
        if self.broken:
            raise StoreError("the ledger cannot be read")
        return self.sums

    def spend(
        self, first_quarter: int, last_quarter: int, by: Sequence[LedgerDimension] = ()
    ) -> Mapping[tuple[str | int, ...], Amounts]:
        if self.broken:
            raise StoreError("the ledger cannot be read")
        self.summed.append((first_quarter, last_quarter, by))
        return self.spenders


@dataclass
class World:
    """Paces over a ledger, a clock that the test moves, and one budget of 720 dollars a month."""

    time: Time = field(default_factory=lambda: Time(NOON))
    books: Books = field(default_factory=Books)
    limit: int = 720 * USD

    def __post_init__(self) -> None:
        self.paces = Paces(self.time, self.books, self.books)

    @property
    def stands(self) -> Stand:
        return standing(100 * USD, self.time.now(), limit=self.limit)

    async def look(self, *rules: AlertRule, stands: Sequence[Stand] | None = None) -> Seen:
        self.time.at += timedelta(seconds=LOOK_EVERY_S)
        return await self.paces.look(rules or (RULE,), [self.stands] if stands is None else stands)

    def spend(self, nano_usd: int, team: str = "growth", at: datetime | None = None) -> None:
        attempt = Attempt(0, "mini", "local", None, True, cost_nano_usd=nano_usd)
        noted = entry(outcome="answered", events=(attempt,))
        self.paces.note(added_up([structs.replace(noted, team=team, at=at or self.time.now())]))


def amounts(nano_usd: int) -> Amounts:
    return Amounts(1, 0, 0, 0, 0, nano_usd, 0)


async def test_what_the_ledger_has_and_what_is_heard_of_are_one_sum() -> None:
    """U-79: the scope's alone; of the time before the start, the quarter hours."""
    world = World()
    world.books.sums = {"growth": {quarter_of(NOON): 2 * USD, quarter_of(NOON - 40 * MINUTE): 3 * USD}}
    seen = await world.look()
    assert (seen.stretches["growth", 3_600].nano_usd, seen.stretches["growth", 300].nano_usd) == (5 * USD, 0)
    (wanted,) = world.books.asked[0]
    assert (wanted.first, wanted.last, wanted.grain_s) == (quarter_of(NOON - 60 * MINUTE), quarter_of(NOON), 900)
    world.spend(USD)
    world.spend(9 * USD, team="other")
    seen = await world.look()
    assert (seen.stretches["growth", 3_600].nano_usd, seen.stretches["growth", 300].nano_usd) == (6 * USD, USD)
    assert len(world.books.asked) == 1


async def test_what_is_spent_before_the_first_look_is_the_ledgers_and_what_comes_while_it_is_read_is_heard_of() -> None:
    """U-79: the long stretch has both, once; the short one knows no more than what it heard."""
    world = World()
    world.spend(4 * USD)
    world.books.sums = {"growth": {quarter_of(NOON): 4 * USD}}
    world.books.meanwhile = lambda: world.spend(USD)
    seen = await world.look()
    assert (seen.stretches["growth", 3_600].nano_usd, seen.stretches["growth", 300].nano_usd) == (5 * USD, USD)
    assert (seen.stretches["growth", 3_600].whole, seen.stretches["growth", 300].whole) == (True, False)


async def test_between_two_looks_nothing_is_summed_up_and_what_is_not_watched_is_not_kept() -> None:
    world = World()
    seen = await world.look()
    world.spend(USD)
    assert await world.paces.look([RULE], [world.stands]) is seen
    assert await world.look(alert_rule(AlertKind.CONFIG_REJECTED, TERMS), stands=[]) == Seen()
    hourly = standing(0, NOON, per=Calendar.HOUR)
    assert await world.look(replace(RULE, terms=replace(TERMS, pairs=None)), stands=[hourly]) == Seen()
    world.spend(USD)
    assert (await world.look()).stretches["growth", 300].nano_usd == 0


async def test_a_ledger_that_cannot_be_read_is_asked_again_and_nothing_is_counted_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """U-72: what was heard of meanwhile is in its answer when it comes."""
    world = World()
    world.books.broken = True
    await world.look()
    world.spend(USD)
    seen = await world.look()
    assert seen.stretches["growth", 3_600] == Stretch(
        USD, unix_seconds(world.time.at) - quarter_of(NOON - 60 * MINUTE), whole=False
    )
    assert caplog.text.count("alerts on burn rates know less until it can") == 1
    world.books.broken, world.books.sums = False, {"growth": {quarter_of(NOON): 5 * USD}}
    seen = await world.look()
    assert (seen.stretches["growth", 3_600].nano_usd, seen.stretches["growth", 3_600].whole) == (5 * USD, True)
    assert seen.stretches["growth", 300].nano_usd == USD
    await world.look()
    assert len(world.books.asked) == 3


async def test_what_was_heard_of_before_a_budget_is_watched_is_only_in_what_the_ledger_says() -> None:
    """U-79: another one was watched already, and hears of it at once."""
    world = World()
    await world.look()
    world.spend(USD)
    second = standing(0, NOON, name="second")
    world.books.sums = {"second": {quarter_of(NOON): USD}}
    seen = await world.look(stands=[world.stands, second])
    assert (seen.stretches["growth", 3_600].nano_usd, seen.stretches["second", 3_600].nano_usd) == (USD, USD)
    assert seen.stretches["second", 300].nano_usd == 0


async def test_longer_windows_and_another_scope_are_read_anew() -> None:
    world = World()
    await world.look()
    world.spend(USD)
    longer = replace(RULE, terms=replace(TERMS, pairs=(replace(PAIR, long_s=7_200),)))
    world.books.sums = {"growth": {quarter_of(NOON): 4 * USD}}
    assert (await world.look(longer)).stretches["growth", 7_200].nano_usd == 4 * USD
    stands = replace(world.stands, budget=replace(world.stands.budget, scope=Scope()))
    await world.look(longer, stands=[stands])
    assert [each[0].scope == Scope() for each in world.books.asked] == [False, False, True]


async def test_who_spends_most_is_asked_where_it_is_told_and_not_all_the_time() -> None:
    """U-81: of what the budget counts, by team, rule and model, over the long window."""
    world = World()
    await world.look()
    world.spend(100 * USD)
    world.books.spenders = {
        ("growth", "code", "mini"): amounts(70 * USD),
        ("growth", "chat", "opus"): amounts(80 * USD),
        ("growth", "code", "opus"): amounts(20 * USD),
        ("other", "chat", "mini"): amounts(500 * USD),
    }
    seen = await world.look()
    assert seen.spenders == {
        "growth": (
            Spent("team", "growth", 170 * USD, 170 * USD),
            Spent("rule", "code", 90 * USD, 170 * USD),
            Spent("model", "opus", 100 * USD, 170 * USD),
        )
    }
    assert world.books.summed == [(quarter_of(NOON - 60 * MINUTE), quarter_of(NOON), ["team", "rule", "model"])]
    await world.look()
    assert len(world.books.summed) == 1
    world.time.at += timedelta(seconds=ASK_AGAIN_AFTER_S)
    world.spend(100 * USD)
    await world.look()
    assert len(world.books.summed) == 2
    world.limit *= 1_000
    assert (await world.look()).spenders == {}


async def test_a_ledger_that_does_not_say_who_spends_most_keeps_no_alarm_back() -> None:
    world = World()
    await world.look()
    world.books.broken = True
    world.spend(100 * USD)
    seen = await world.look()
    assert (seen.spenders, seen.stretches["growth", 300].nano_usd) == ({"growth": ()}, 100 * USD)


async def test_a_clock_that_was_set_back_begins_to_hear_anew_and_reads_the_ledger_again() -> None:
    """U-72: of the minutes that it went back to some are forgotten, so none of them is called whole."""
    world = World()
    world.spend(USD)
    await world.look()
    world.time.set_by = timedelta(days=1)
    world.spend(4 * USD)
    seen = await world.look()
    assert seen.stretches["growth", 300] == Stretch(4 * USD, 300 + 40, whole=True)
    world.time.set_by = timedelta(hours=22)
    world.books.sums = {"growth": {quarter_of(world.time.now()): 3 * USD}}
    seen = await world.look()
    assert (seen.stretches["growth", 300].nano_usd, seen.stretches["growth", 300].whole) == (0, False)
    assert (seen.stretches["growth", 3_600].nano_usd, seen.stretches["growth", 3_600].whole) == (3 * USD, True)
    assert len(world.books.asked) == 2
