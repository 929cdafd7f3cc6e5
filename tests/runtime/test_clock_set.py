"""Budgets whose clock is set, forward and back: what is spent of a window is what its requests cost, or not known."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.window import Calendar, Period, Rolling, RollingUnit
from gateway.engine.windows import grain_s
from gateway.runtime.spend import SpendBook
from tests.runtime.test_spend import ANYBODY, START, Time, book, budget

PERIODS: list[Period] = [Calendar.MINUTE, Calendar.HOUR, Calendar.DAY, Calendar.MONTH, Rolling(2, RollingUnit.HOURS)]
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
leaps = st.sampled_from([DAY, -DAY, 22 * HOUR, 2 * HOUR, -2 * HOUR, HOUR, -HOUR, MINUTE, -MINUTE, 40 * DAY, -40 * DAY])
requests = st.lists(st.tuples(leaps, st.booleans(), st.integers(1, 99)), max_size=30)


class Books:
    """A book of one budget beside a ledger of all that was spent, by moment."""

    def __init__(self, period: Period) -> None:
        self.time = Time()
        self.period = period
        self.book: SpendBook = book(budget(per=period), time=self.time)
        self.spent: dict[datetime, int] = {}

    def spend(self, at: datetime, nano_usd: int) -> None:
        self.spent[at] = self.spent.get(at, 0) + nano_usd
        self.book.book(ANYBODY, at, nano_usd)

    def true(self) -> int:
        (stands,) = self.book.standings()
        return sum(nano_usd for at, nano_usd in self.spent.items() if at in stands.window)

    def read_again(self) -> None:
        """Have the book read the ledger where it does not know."""
        grain = grain_s(self.period)
        sums: dict[str, dict[int, int]] = {}
        for wanted in self.book.reread():
            found = sums.setdefault(wanted.budget, {})
            for at, nano_usd in self.spent.items():
                start = int(at.timestamp()) // grain * grain
                if wanted.first <= start <= wanted.last:
                    found[start] = found.get(start, 0) + nano_usd
        self.book.known(sums)


@pytest.mark.parametrize("period", PERIODS, ids=str)
@given(requests)
def test_what_is_spent_of_a_window_is_right_or_not_known_and_read_again(
    period: Period, history: list[tuple[timedelta, bool, int]]
) -> None:
    """U-69 U-73: also of requests that came before the clock was set and are noted after it."""
    books = Books(period)
    for leap, before, nano_usd in history:
        came = books.time.at
        books.time.at += leap
        books.spend(came if before else books.time.at, nano_usd)
        (stands,) = books.book.standings()
        assert stands.unread or stands.spent_nano_usd == books.true()
        if stands.unread and nano_usd % 2:
            books.read_again()
            (stands,) = books.book.standings()
            assert (stands.unread, stands.spent_nano_usd) == (False, books.true())


@pytest.mark.parametrize("leap", [DAY, 40 * DAY], ids=str)
def test_a_clock_that_jumps_and_comes_back_leaves_a_hard_limit_as_it_was(leap: timedelta) -> None:
    """U-69: at once, without a look into the ledger; what was spent meanwhile counts for the day that it came on."""
    books = Books(Calendar.DAY)
    books.spend(START, 7)
    books.time.at += leap
    books.spend(books.time.at, 5)
    books.spend(START, 2)
    assert [(each.spent_nano_usd, each.unread) for each in books.book.standings()] == [(5, False)]
    for by, spent in ((-leap, 9), (leap, 5)):
        books.time.at += by
        assert [(each.spent_nano_usd, each.unread) for each in books.book.standings()] == [(spent, False)]


def test_of_a_day_before_the_last_one_what_was_spent_is_read_again() -> None:
    """U-69: a window that nothing is remembered of is not taken for an empty one."""
    books = Books(Calendar.DAY)
    books.spend(START, 7)
    for _ in range(2):
        books.time.at += DAY
        books.spend(books.time.at, 5)
    books.time.at = START
    assert [each.unread for each in books.book.standings()] == [True]
    books.read_again()
    assert [(each.spent_nano_usd, each.unread) for each in books.book.standings()] == [(7, False)]


def test_a_clock_that_goes_on_has_nothing_read_again() -> None:
    books = Books(Calendar.DAY)
    for _ in range(3):
        books.spend(books.time.at, 7)
        books.time.at += DAY
        assert [(each.spent_nano_usd, each.unread) for each in books.book.standings()] == [(0, False)]
