"""The book of budgets: nothing passes a hard limit, nothing that fits is refused, nothing is counted twice or lost."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.budget import (
    Block,
    Budget,
    Cap,
    Dimension,
    Downgrade,
    OnStoreFailure,
    Override,
    Overspent,
    Rung,
    Scope,
    Spender,
    Unread,
)
from gateway.domain.problem import Mark
from gateway.domain.window import Calendar, Period, Rolling, RollingUnit
from gateway.domain.words import Prefer
from gateway.engine.budgets import FEWEST_COSTS, Asked
from gateway.runtime.account import Hold
from gateway.runtime.spend import SpendBook, caps

START = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)
ANYBODY = Spender(team="growth", rule="code", model="mini")


@dataclass
class Time:
    """A clock that the test moves."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def budget(name: str = "b", limit: int = 1000, *rungs: Rung, per: Period = Calendar.DAY, hard: bool = False) -> Budget:
    ladder = rungs or (Rung(1.0, Block()),)
    return Budget(name, Scope(), limit, per, ZoneInfo("UTC"), hard, ladder, None, None, "b.yaml", Mark(1, 1))


def book(*budgets: Budget, time: Time | None = None) -> SpendBook:
    made = SpendBook(time or Time())
    made.take_up({each.name: each for each in budgets}, {})
    return made


def ask(of: SpendBook, most: int, likely: int | None = None) -> Hold | Overspent | Unread:
    return of.reserve(of.covering(ANYBODY), Asked(most, most if likely is None else likely))


def spend(of: SpendBook, hold: Hold, nano_usd: int, at: datetime = START) -> None:
    """End an attempt and note its request."""
    hold.settle(nano_usd)
    of.book(ANYBODY, at, nano_usd)
    hold.release()


moves = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 100), st.integers(0, 9)), max_size=60)


@given(moves, st.integers(100, 2000))
def test_a_hard_limit_is_never_passed_and_nothing_that_fits_is_refused(
    requests: list[tuple[int, int, int]], limit: int
) -> None:
    """U-69 U-70: over any interleaving of attempts that begin and end; at rest nothing is held."""
    made, under_way = book(budget("hard", limit, hard=True), budget("soft", 10**9)), list[tuple[Hold, int]]()
    for most, share, ending in requests:
        for standing in made.standings():
            assert standing.spent_nano_usd + standing.held_nano_usd <= standing.limit_nano_usd
        before = made.standings()[0]
        answer = ask(made, most)
        fits = before.spent_nano_usd + before.held_nano_usd + most <= limit
        assert isinstance(answer, Hold) == fits
        if isinstance(answer, Hold):
            under_way.append((answer, most * share // 100))
        while len(under_way) > ending:
            spend(made, *under_way.pop(0))
    for hold, cost in under_way:
        spend(made, hold, cost)
    assert [standing.held_nano_usd for standing in made.standings()] == [0, 0]
    assert made.standings()[0].spent_nano_usd == made.standings()[1].spent_nano_usd <= limit
    assert made.standings()[1].overshoot_nano_usd == 0


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 100)), max_size=60), st.integers(100, 2000))
def test_a_soft_limit_is_passed_by_no_more_than_was_announced(requests: list[tuple[int, int]], limit: int) -> None:
    """U-70: what attempts under way may add beyond what is held for them is told while they are."""
    made, under_way = book(budget("soft", limit)), list[tuple[Hold, int]]()
    for most, share in requests:
        answer = ask(made, most, most // 10)
        if isinstance(answer, Hold):
            under_way.append((answer, most * share // 100))
    announced = made.standings()[0].overshoot_nano_usd
    for hold, cost in under_way:
        spend(made, hold, cost)
    assert made.standings()[0].spent_nano_usd <= limit + announced
    assert made.standings()[0].held_nano_usd == 0


def test_settling_and_releasing_are_each_heard_once() -> None:
    made = book(budget(hard=True))
    hold = ask(made, 300)
    assert isinstance(hold, Hold)
    for _ in range(2):
        hold.settle(100)
    assert made.standings()[0].held_nano_usd == 100
    made.book(ANYBODY, START, 100)
    for _ in range(2):
        hold.release()
    assert (made.standings()[0].held_nano_usd, made.standings()[0].spent_nano_usd) == (0, 100)


def test_what_was_never_settled_is_let_go_of() -> None:
    """U-69: an attempt that ended in a bug."""
    made = book(budget(hard=True))
    hold = ask(made, 300)
    assert isinstance(hold, Hold)
    hold.release()
    assert made.standings()[0].held_nano_usd == 0


def test_what_is_free_passes_an_exhausted_budget() -> None:
    """U-68."""
    made = book(budget(hard=True))
    made.book(ANYBODY, START, 5000)
    assert isinstance(ask(made, 0), Hold)
    assert isinstance(ask(made, 1), Overspent)


def test_a_new_window_is_empty_and_the_refusal_names_its_beginning() -> None:
    """U-74 U-75: no job resets anything."""
    time = Time()
    made = book(budget(hard=True), time=time)
    made.book(ANYBODY, START, 1000)
    refusal = ask(made, 1)
    assert isinstance(refusal, Overspent)
    assert (refusal.spent_nano_usd, refusal.limit_nano_usd, refusal.period) == (1000, 1000, "day")
    assert refusal.resets_at == datetime(2026, 11, 24, tzinfo=UTC)
    time.at = refusal.resets_at
    assert isinstance(ask(made, 1000), Hold)
    made.book(ANYBODY, START, 700)
    assert made.standings()[0].spent_nano_usd == 0, "a request counts in the window that it came in"


def test_a_request_that_never_fits_is_told_so() -> None:
    refusal = ask(book(budget(hard=True)), 1001)
    assert isinstance(refusal, Overspent)
    assert refusal.resets_at is None


def test_a_rolling_window_lets_go_by_quarter_hours() -> None:
    time = Time()
    made = book(budget(per=Rolling(1, RollingUnit.HOURS), hard=True), time=time)
    made.book(ANYBODY, time.at, 600)
    time.at += timedelta(minutes=30)
    made.book(ANYBODY, time.at, 400)
    refusal = ask(made, 1)
    assert isinstance(refusal, Overspent)
    assert refusal.resets_at == datetime(2026, 11, 23, 13, tzinfo=UTC)
    time.at = refusal.resets_at
    assert made.standings()[0].spent_nano_usd == 400
    assert isinstance(ask(made, 600), Hold)


def test_a_minutes_budget_begins_anew_each_minute() -> None:
    time = Time()
    made = book(budget(per=Calendar.MINUTE, hard=True), time=time)
    made.book(ANYBODY, time.at, 1000)
    assert isinstance(ask(made, 1), Overspent)
    time.at += timedelta(minutes=1)
    assert isinstance(ask(made, 1), Hold)


def test_what_a_minute_has_spent_is_taken_up_within_it_and_not_in_the_next() -> None:
    """U-79: no free refill, and no bill for what is past."""
    for passed_s, spent in ((50, 700), (60, 0)):
        time = Time()
        made, minutely = SpendBook(time), budget(per=Calendar.MINUTE, hard=True)
        (wanted,) = made.lacking({"b": minutely})
        assert (wanted.first, wanted.last, wanted.grain_s) == (int(START.timestamp()),) * 2 + (60,)
        made.open([minutely])
        time.at += timedelta(seconds=passed_s)
        made.book(ANYBODY, time.at, 30)
        made.take_up({"b": minutely}, {"b": {wanted.first: 700}})
        assert made.standings()[0].spent_nano_usd == spent + 30


def test_an_edited_limit_keeps_what_is_spent_and_a_new_scope_begins_anew() -> None:
    """U-77."""
    made = book(budget("a", hard=True), budget("b", hard=True))
    made.book(ANYBODY, START, 800)
    edited = {"a": budget("a", 500, hard=True), "b": replace(budget("b"), scope=Scope(((Dimension.TEAM, "growth"),)))}
    assert [each.budget for each in made.lacking(edited)] == ["b"]
    made.open([edited["b"]])
    made.book(ANYBODY, START, 50)
    made.take_up(edited, {"b": {int(START.timestamp()) // 900 * 900: 800, 0: 99}})
    assert [(each.budget.name, each.spent_nano_usd) for each in made.standings()] == [("a", 850), ("b", 850)]
    assert isinstance(ask(made, 1), Overspent)


def test_a_hold_outlives_a_reload() -> None:
    made = book(budget("a", hard=True))
    hold = ask(made, 600)
    made.take_up({"a": budget("a", 2000, hard=True)}, {})
    assert made.standings()[0].held_nano_usd == 600
    assert isinstance(hold, Hold)
    spend(made, hold, 500)
    assert (made.standings()[0].held_nano_usd, made.standings()[0].spent_nano_usd) == (0, 500)


def test_an_override_holds_until_its_end() -> None:
    time = Time()
    raised = replace(budget(hard=True), override=Override(5000, START + timedelta(hours=1)))
    made = book(raised, time=time)
    made.book(ANYBODY, START, 1000)
    assert isinstance(ask(made, 1000), Hold)
    time.at += timedelta(hours=1)
    assert isinstance(ask(made, 1), Overspent)


def test_a_ladder_downgrades_and_caps_before_it_blocks() -> None:
    ladder = (Rung(0.8, Downgrade(Prefer.COST)), Rung(0.9, Cap({"max_tokens": 500})), Rung(1.0, Block()))
    made = book(budget("b", 1000, *ladder))
    assert (made.prefers(ANYBODY), caps(made.covering(ANYBODY))) == (None, {})
    made.book(ANYBODY, START, 800)
    assert (made.prefers(ANYBODY), caps(made.covering(ANYBODY))) == (Prefer.COST, {})
    made.book(ANYBODY, START, 100)
    assert (made.prefers(ANYBODY), caps(made.covering(ANYBODY))) == (Prefer.COST, {"max_tokens": 500})
    assert made.used("b") == 0.9
    assert made.used("none") == 0.0


def test_what_is_usual_is_learned_for_each_rule_and_model() -> None:
    made = book(budget())
    for _ in range(FEWEST_COSTS * 2):
        made.book(ANYBODY, START, 7)
    assert made.usual_nano_usd("code", "mini") == 7
    assert made.usual_nano_usd("code", "gpt") is None


def unread(*budgets: Budget, time: Time | None = None) -> SpendBook:
    """Put budgets into force of which the ledger had nothing to say."""
    made = SpendBook(time or Time())
    made.open(budgets)
    made.take_up({each.name: each for each in budgets}, {})
    return made


def failing(on_store_failure: OnStoreFailure, name: str = "b", *rungs: Rung) -> Budget:
    return replace(budget(name, 1000, *rungs), on_store_failure=on_store_failure)


def test_what_holds_while_spend_is_not_known_is_what_each_budget_says() -> None:
    """U-72: `closed` refuses what has a price, `local` counts anew, `open` is not there; all of it is counted."""
    asked = {}
    for behaviour in OnStoreFailure:
        made = unread(failing(behaviour))
        made.book(ANYBODY, START, 990)
        asked[behaviour] = [type(ask(made, most)) for most in (0, 10, 11)]
        assert made.standings()[0].unread_attempts == 2, "what is free is not held against a budget"
    assert asked == {
        OnStoreFailure.CLOSED: [Hold, Unread, Unread],
        OnStoreFailure.LOCAL: [Hold, Hold, Overspent],
        OnStoreFailure.OPEN: [Hold, Hold, Hold],
    }


def test_what_is_known_to_be_spent_refuses_before_what_is_not_known() -> None:
    """U-72: who waits for the store would be refused all the same."""
    made = SpendBook(Time())
    closed = failing(OnStoreFailure.CLOSED, "closed")
    made.open([closed])
    made.take_up({"closed": closed, "known": budget("known", 100)}, {})
    refusal = ask(made, 101)
    assert isinstance(refusal, Overspent)
    assert refusal.budget == "known"
    assert ask(made, 100) == Unread("closed")
    assert [standing.held_nano_usd for standing in made.standings()] == [0, 0], "all accounts hold, or none"


def test_the_ladder_of_a_budget_that_is_left_out_does_not_hold() -> None:
    """U-72: `open` is as if there were no such budget; with `local` its rungs hold by what was heard of."""
    for behaviour in (OnStoreFailure.OPEN, OnStoreFailure.LOCAL):
        made = unread(failing(behaviour, "b", Rung(0.5, Downgrade(Prefer.COST)), Rung(1.0, Block())))
        made.book(ANYBODY, START, 600)
        assert made.climbing == (behaviour is OnStoreFailure.LOCAL)
        made.reread()
        made.known({"b": {int(START.timestamp()) // 900 * 900: 600}})
        assert made.climbing


doings = st.lists(st.tuples(st.sampled_from(["spend", "hold", "reread"]), st.integers(0, 300)), max_size=20)


@given(doings, doings, st.integers(0, 900))
def test_once_it_is_read_a_budget_stands_as_if_it_had_been_known_all_along(
    earlier: list[tuple[str, int]], meanwhile: list[tuple[str, int]], before: int
) -> None:
    """U-72 U-79: whatever ended before, during and after a reading, also one that failed; nothing counts twice."""
    quarter = int(START.timestamp()) // 900 * 900
    made, always, ledger = unread(failing(OnStoreFailure.LOCAL)), book(failing(OnStoreFailure.LOCAL)), before
    always.take_up({"b": failing(OnStoreFailure.LOCAL)}, {"b": {quarter: before}})
    seen = 0
    for doing, amount in (*earlier, ("reread", 0), *meanwhile, ("read", 0)):
        match doing:
            case "spend":
                for each in (made, always):
                    each.book(ANYBODY, START, amount)
                ledger += amount
            case "hold":
                for each in (made, always):
                    each.covering(ANYBODY)[0].held_nano_usd += amount
            case "reread":
                made.reread()
                seen = ledger
            case _:
                made.known({"b": {quarter: seen}})
    assert not made.unread
    assert [(each.spent_nano_usd, each.held_nano_usd) for each in made.standings()] == [
        (each.spent_nano_usd, each.held_nano_usd) for each in always.standings()
    ]


def test_the_next_window_is_known_without_a_ledger_but_a_rolling_one_is_not() -> None:
    """U-72: all that is spent in it has been heard of."""
    time = Time()
    made = unread(
        failing(OnStoreFailure.CLOSED), replace(failing(OnStoreFailure.CLOSED, "r"), period=ROLLING), time=time
    )
    time.at += timedelta(days=1)
    assert {each.budget.name: each.unread for each in made.standings()} == {"b": False, "r": True}


def test_what_is_read_of_a_budget_that_is_gone_by_then_is_let_go_of() -> None:
    """U-77: a reload while the ledger is read."""
    made = unread(failing(OnStoreFailure.CLOSED))
    made.reread()
    other = replace(failing(OnStoreFailure.CLOSED), scope=Scope(((Dimension.TEAM, "growth"),)))
    made.take_up({"b": other}, {})
    made.known({"b": {int(START.timestamp()) // 900 * 900: 700}})
    assert made.standings()[0].spent_nano_usd == 0


ROLLING = Rolling(1, RollingUnit.HOURS)
