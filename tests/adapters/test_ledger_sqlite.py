"""The ledger, on a real file: what is added once is there once, and is summed by whatever is asked."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.ledger_sqlite import MOST, Dimension, Ledger, LedgerReader
from gateway.domain.alike import added_up
from gateway.domain.entry import Entry
from gateway.domain.ledger import QUARTER_S, Account, Amounts, Posting, postings_of, quarter_of, summed
from gateway.domain.problem import StoreError
from gateway.domain.words import SpendKind
from tests.adapters.entries import NOON, entry
from tests.adapters.journals import ledger_of, made
from tests.strategies import entries

TODAY = NOON.date()
TOMORROW = TODAY + timedelta(days=1)
EVER = (-(2**40), 2**40)
SUMS = summed(postings_of(added_up([entry(1)])))
ACCOUNT = next(iter(SUMS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path)


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def test_sums_and_numbers_are_kept(ledger: Ledger, path: Path) -> None:
    """U-79: what was booked, and up to which row, is there after a restart."""
    assert ledger.numbers() == {}
    ledger.book(SUMS, {TODAY: 3})
    ledger.book(SUMS, {TODAY: 5, TOMORROW: 2})
    ledger.close()
    assert Ledger(path).numbers() == {TODAY: 5, TOMORROW: 2}
    assert ledger_of(path.parent) == summed([Posting(*each) for each in SUMS.items()] * 2)


def test_what_is_booked_already_is_not_booked_again(ledger: Ledger, path: Path) -> None:
    """U-79: a write that seemed to fail may have been made."""
    ledger.book(SUMS, {TODAY: 3, TOMORROW: 1})
    ledger.book(SUMS, {TODAY: 3, TOMORROW: 1})
    assert ledger_of(path.parent) == SUMS


def test_sums_and_numbers_are_written_both_or_neither(ledger: Ledger, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create trigger no before insert on booked begin select raise(abort, 'no'); end")
    with pytest.raises(sqlite3.Error, match="no"):
        ledger.book(SUMS, {TODAY: 3})
    assert ledger_of(path.parent) == {}
    with closing(sqlite3.connect(path)) as database:
        database.execute("drop trigger no")
    ledger.book(SUMS, {TODAY: 3})
    assert ledger_of(path.parent) == SUMS


@pytest.mark.parametrize("gone", ["deleted", "replaced"])
def test_a_state_that_is_not_the_one_that_was_opened_takes_no_money(ledger: Ledger, path: Path, gone: str) -> None:
    """U-99: what is written to a deleted file is lost; put back as it was, it goes on."""
    ledger.book(SUMS, {TODAY: 1})
    aside = path.with_name("aside")
    path.rename(aside)
    if gone == "replaced":
        shutil.copy(aside, path)
    with pytest.raises(OSError, match=r"state\.db"):
        ledger.book(SUMS, {TODAY: 2})
    aside.rename(path)
    ledger.book(SUMS, {TODAY: 2})
    assert ledger_of(path.parent)[ACCOUNT].attempts == 2


def test_money_is_booked_under_names_that_no_file_could_hold(ledger: Ledger, path: Path) -> None:
    """A tag from a header may be no text at all; its money is money."""
    odd = ACCOUNT._replace(tags=("\udcff", "fine"), team="\ud800", rule="nul \x00 'quoted'")
    ledger.book({odd: SUMS[ACCOUNT]}, {TODAY: 1})
    (account,) = ledger_of(path.parent)
    assert (account.tags, account.team, account.rule) == (("?", "fine"), "?", "nul \x00 'quoted'")


def test_an_amount_past_all_reason_stays_at_the_most_and_keeps_nobody_out(ledger: Ledger, path: Path) -> None:
    """One broken counter must not make an integer of SQLite's overflow, which would lose everybody's money."""
    large = SUMS[ACCOUNT]._replace(nano_usd=2**70, output_tokens=MOST - 1)
    other = ACCOUNT._replace(team="other")
    for number in range(1, 4):
        ledger.book({ACCOUNT: large, other: SUMS[ACCOUNT]}, {TODAY: number})
    sums = ledger_of(path.parent)
    assert (sums[ACCOUNT].nano_usd, sums[ACCOUNT].output_tokens) == (MOST, MOST)
    assert sums[other].nano_usd == 3 * entry(1).cost_nano_usd
    assert type(sums[ACCOUNT].nano_usd) is int
    assert LedgerReader(path).spend(*EVER)[()].nano_usd == MOST + sums[other].nano_usd


VALUE = {name: (lambda account, name=name: getattr(account, name)) for name in get_args(Dimension) if name != "tag"}


def expected(sums: dict[Account, Amounts], by: tuple[Dimension, ...]) -> dict[tuple[str | int, ...], Amounts]:
    """Sum in plain Python."""
    found: dict[tuple[str | int, ...], Amounts] = {}
    for account, amounts in sums.items():
        for tag in (account.tags or ("",)) if "tag" in by else ("",):
            key = tuple(tag if name == "tag" else VALUE[name](account) for name in by)
            before = found.get(key, Amounts(*[0] * len(Amounts._fields)))
            found[key] = Amounts(*map(sum, zip(before, amounts, strict=True)))
    return found


@settings(max_examples=40)
@given(st.lists(entries, max_size=8), st.permutations(get_args(Dimension)), st.integers(0, 9))
def test_spend_is_the_sum_by_whatever_is_asked(
    tmp_path_factory: pytest.TempPathFactory, some: list[Entry], order: list[Dimension], count: int
) -> None:
    """U-75: in any order of any dimensions; what has several tags is in the sum of each."""
    path = made(tmp_path_factory.mktemp("ledger"))
    sums = summed(posting for one in some for posting in postings_of(added_up([one])))
    ledger = Ledger(path)
    ledger.book(sums, {TODAY: 1})
    ledger.close()
    by = tuple(order[:count])
    assert LedgerReader(path).spend(*EVER, by) == expected(sums, by)


def test_spend_is_of_the_quarter_hours_that_are_asked_both_ends_included(ledger: Ledger, path: Path) -> None:
    """U-75: a window is a sum over quarter hours."""
    days = [entry(number, NOON + timedelta(minutes=15 * number)) for number in range(4)]
    ledger.book(summed(posting for one in days for posting in postings_of(added_up([one]))), {TODAY: 4})
    reader, noon = LedgerReader(path), quarter_of(NOON)
    for first, last in combinations(range(-1, 5), 2):
        found = reader.spend(noon + first * QUARTER_S, noon + last * QUARTER_S)
        within = len([number for number in range(4) if first <= number <= last])
        assert sum(amounts.attempts for amounts in found.values()) == within


def test_a_ledger_is_read_while_it_is_written(ledger: Ledger, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        ledger.book(SUMS, {TODAY: 1})
        other.execute("begin immediate")
        assert LedgerReader(path).spend(*EVER, ("kind", "model")) == {(SpendKind.ANSWER, "gpt"): SUMS[ACCOUNT]}


def test_a_ledger_that_cannot_be_read_is_a_store_error(tmp_path: Path) -> None:
    """U-72: whoever asks must know that nothing is known; it is not the same as nothing spent."""
    with pytest.raises(StoreError, match="cannot be read"):
        LedgerReader(tmp_path / "state.db").spend(*EVER)
