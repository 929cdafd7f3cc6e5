"""Postings: what an entry cost, by what it was for, to the nano-dollar and the quarter hour."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt, Skipped
from gateway.domain.entry import Entry
from gateway.domain.ledger import QUARTER_S, Account, Amounts, postings_of, quarter_of, summed, unix_seconds
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Skip, SpendKind
from tests.adapters.entries import ENTRY, entry
from tests.strategies import entries

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USED = Usage(10, 20, 30, 40, 50, reasoning_tokens=5, web_searches=6)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31, 23), timezones=st.just(UTC))  # noqa: DTZ001 (bounds)


@given(entries)
def test_the_postings_cost_what_the_entry_costs(one: Entry) -> None:
    """U-65: no attempt is left out and none is booked twice."""
    postings = postings_of(added_up([one]))
    assert sum(amounts.nano_usd for _, amounts in postings) == one.cost_nano_usd
    assert sum(amounts.output_tokens for _, amounts in postings) == (one.usage or Usage()).output_tokens
    assert all(amounts.estimated_nano_usd in {0, amounts.nano_usd} for _, amounts in postings)


@given(st.lists(entries, max_size=6))
def test_sums_by_account_lose_nothing(some: list[Entry]) -> None:
    """U-65: whatever falls together, every amount is there once."""
    postings = [posting for one in some for posting in postings_of(added_up([one]))]
    sums = summed(postings)
    assert set(sums) == {account for account, _ in postings}
    for place, _ in enumerate(Amounts._fields):
        assert sum(amounts[place] for amounts in sums.values()) == sum(amounts[place] for _, amounts in postings)


def test_a_posting_has_all_that_money_can_be_asked_by() -> None:
    answer = Attempt(0, "gpt", "openai", None, usage=USED, cost_nano_usd=7)
    (posting,) = postings_of(added_up([replace(ENTRY, events=(answer,), cost_nano_usd=7)]))
    assert posting.account == Account(
        quarter=int(ENTRY.at.timestamp()),
        kind=SpendKind.ANSWER,
        team="growth",
        caller="growth-bot",
        rule="code",
        category="code_generation",
        model="gpt",
        provider="openai",
        tags=("growth", "landing-page"),
    )
    assert posting.amounts == Amounts(1, 10, 20, 70, 50, 7, 0)


ATTEMPTS = {
    "an answer": (Attempt(0, "m", "p", None, usage=USED, cost_nano_usd=7), SpendKind.ANSWER, 7),
    "an answer for nothing": (Attempt(0, "m", "p", None, usage=Usage()), SpendKind.ANSWER, 0),
    "an answer without a usage": (Attempt(0, "m", "p", None), SpendKind.ANSWER, 0),
    "an answer that broke off in the caller's hands": (
        Attempt(0, "m", "p", Failure.TRUNCATED, committed=True, usage=USED, cost_nano_usd=7),
        SpendKind.ANSWER,
        7,
    ),
    "a failure that used something": (
        Attempt(0, "m", "p", Failure.EMPTY, usage=USED, cost_nano_usd=7),
        SpendKind.FAILED,
        7,
    ),
    "a failure that used something free": (Attempt(0, "m", "p", Failure.EMPTY, usage=USED), SpendKind.FAILED, 0),
    "a failure with a cost alone": (Attempt(0, "m", "p", Failure.EMPTY, cost_nano_usd=7), SpendKind.FAILED, 7),
}


@pytest.mark.parametrize(("attempt", "kind", "nano_usd"), ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_what_answers_or_uses_something_is_booked(attempt: Attempt, kind: SpendKind, nano_usd: int) -> None:
    """U-36: what a caller holds a part of is an answer, however it ended."""
    ((account, amounts),) = postings_of(added_up([entry(events=(attempt,))]))
    assert (account.kind, amounts.attempts, amounts.nano_usd) == (kind, 1, nano_usd)


@pytest.mark.parametrize(
    "event",
    [
        Skipped(0, "m", Skip.INCAPABLE),
        Attempt(0, "m", "p", Failure.CONNECT),
        Attempt(0, "m", "p", Failure.EMPTY, usage=Usage()),
    ],
)
def test_what_uses_nothing_is_not_booked(event: Attempt | Skipped) -> None:
    assert postings_of(added_up([entry(events=(event,))])) == []


def test_money_for_a_guessed_usage_is_told_apart() -> None:
    """U-34: an estimate is never mixed silently with what a provider reported."""
    guessed = Attempt(0, "m", "p", None, usage=replace(USED, estimated=True), cost_nano_usd=7)
    exact = Attempt(1, "m", "p", Failure.EMPTY, usage=USED, cost_nano_usd=9)
    amounts = [each.amounts for each in postings_of(added_up([entry(events=(guessed, exact))]))]
    assert [(each.nano_usd, each.estimated_nano_usd) for each in amounts] == [(7, 7), (9, 0)]


@given(MOMENTS)
def test_the_seconds_of_a_moment_are_exact(at: datetime) -> None:
    """Also where a float of seconds would be rounded up to the next one."""
    assert unix_seconds(at) == (at - EPOCH) // timedelta(seconds=1)


@given(MOMENTS)
def test_a_quarter_hour_holds_its_moments(at: datetime) -> None:
    """U-75: quarter hours begin on the hour and every fifteen minutes after."""
    quarter = quarter_of(at)
    start = EPOCH + timedelta(seconds=quarter)
    assert start <= at < start + timedelta(seconds=QUARTER_S)
    assert (start.minute % 15, start.second, start.microsecond) == (0, 0, 0)
