"""Questions about what was spent: read, refused with what would be right, answered to the nano-dollar."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.ledger_sqlite import Ledger, LedgerReader
from gateway.domain.ledger import Account, Amounts, LedgerDimension, quarter_of
from gateway.domain.problem import StoreError
from gateway.domain.spending import SpendAsked, Spending, Step
from gateway.domain.words import SpendKind
from gateway.engine.buckets import total_of
from gateway.runtime.spending import CHOICES, MOST_BUCKETS, MOST_ROWS, answer, read
from tests.adapters.journals import made
from tests.fakes.values import snapshot_of

NOW = datetime(2026, 11, 25, 15, 50, 30, tzinfo=UTC)
BUDGETS = snapshot_of(
    "rules: [{name: rest, route: [large]}]\n"
    "budgets:\n"
    "  growth: {limit: 50 USD, per: month, scope: {team: growth}, timezone: Europe/Berlin}\n"
    "  tagged: {limit: 50 USD, per: day, scope: {tag: batch}}\n"
).budgets


def asked(query: str) -> SpendAsked:
    found = read(pairs(query), BUDGETS, NOW)
    assert isinstance(found, SpendAsked), found
    return found


def pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (each.partition("=") for each in query.split("&") if each)]


# -- questions


def test_without_a_word_it_is_the_last_day_by_the_hour() -> None:
    found = asked("")
    assert (found.step, found.by, found.where, found.budget, found.zone) == (Step.HOUR, (), {}, "", ZoneInfo("UTC"))
    assert (found.window.start, found.window.end) == (
        datetime(2026, 11, 24, 15, tzinfo=UTC),
        datetime(2026, 11, 25, 16, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("query", "start", "end", "count"),
    [
        ("from=2026-11-20&step=1d", "2026-11-20T00:00Z", "2026-11-26T00:00Z", 6),
        ("from=2026-11-20&to=2026-11-20&step=1d", "2026-11-20T00:00Z", "2026-11-21T00:00Z", 1),
        ("from=2026-11-20&to=2026-11-20&step=1d&timezone=Europe/Berlin", "2026-11-19T23:00Z", "2026-11-20T23:00Z", 1),
        ("from=2h&step=15m", "2026-11-25T13:45Z", "2026-11-25T16:00Z", 9),
        ("from=30m&to=2026-11-20T06:00:00Z", "2026-11-20T05:00Z", "2026-11-20T06:00Z", 1),
        ("from=2026-11-20T06:00:00+01:00&to=2026-11-20T06:00:00.5Z", "2026-11-20T05:00Z", "2026-11-20T07:00Z", 2),
        ("from=2026-11-20T06:00:00 01:00&to=2026-11-20T06:00:00Z", "2026-11-20T05:00Z", "2026-11-20T06:00Z", 1),
        ("budget=growth&step=1d", "2026-10-31T23:00Z", "2026-11-25T23:00Z", 25),
        ("budget=tagged", "2026-11-25T00:00Z", "2026-11-25T16:00Z", 16),
        ("budget=growth&from=1d&timezone=UTC", "2026-11-24T15:00Z", "2026-11-25T16:00Z", 25),
    ],
)
def test_the_time_is_that_of_whole_buckets(query: str, start: str, end: str, count: int) -> None:
    found = asked(query)
    edges = (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert ((found.window.start, found.window.end), len(found.spans)) == (edges, count)


def test_dimensions_are_asked_for_by_name_and_left_out_by_value() -> None:
    found = asked("by=team, model,team&team=growth&team=ops&kind=failed&rule=")
    assert found.by == ("team", "model")
    assert found.where == {
        "team": frozenset({"growth", "ops"}),
        "kind": frozenset({"failed"}),
        "rule": frozenset({""}),
    }
    assert asked("budget=growth&team=growth&team=ops").where == {"team": frozenset({"growth"})}
    assert asked("budget=growth&team=ops").where == {"team": frozenset()}
    assert asked("budget=tagged&tag=batch").where == {"tag": frozenset({"batch"})}


WRONG = {
    "shape=round": "there is no parameter 'shape'; there is by, from, to, step, timezone, budget, kind, team, caller",
    "step=1h&step=1d": "'step' is given more than once",
    "step=5m": "there is no step '5m'; there is 15m, 1h, 1d",
    "by=colour": "there is no dimension 'colour'; there is kind, team, caller, rule, category, model, provider, tag",
    "by=quarter": "there is no dimension 'quarter'",
    "budget=other": "there is no budget 'other'; there is growth, tagged",
    "timezone=Berlin": "there is no time zone 'Berlin'; names are those of the IANA database, such as Europe/Berlin",
    "timezone=../../etc/passwd": "there is no time zone",
    "from=yesterday": "'from' is a day such as 2026-11-25 or a moment such as 2026-11-25T06:00:00Z, or how long before",
    "to=24h": "'to' is a day such as 2026-11-25 or a moment such as 2026-11-25T06:00:00Z",
    "from=2026-11-20T06:00:00": "'from' is a day such as 2026-11-25 or a moment such as 2026-11-25T06:00:00Z",
    "from=0001-01-01": "'from' is a day such as 2026-11-25",
    "to=9999-12-31": "'to' is a day such as 2026-11-25",
    "from=999999d": "'from' 999999d is longer ago than 1980",
    "from=2026-11-26": "'from' 2026-11-26T00:00:00+00:00 is not before 'to' 2026-11-25T15:50:30+00:00",
    "from=21d&step=15m": "that is more than 2,000 buckets of 15m: ask for a longer 'step' (15m, 1h, 1d), or for less",
    "tag=a&tag=b": "one tag at a time: what has both would count twice",
    "budget=tagged&tag=other": "one tag at a time",
}


@pytest.mark.parametrize(("query", "said"), WRONG.items())
def test_a_question_that_is_none_is_said_so(query: str, said: str) -> None:
    """U-126: with what would be right."""
    found = read(pairs(query), BUDGETS, NOW)
    assert isinstance(found, str)
    assert found.startswith(said)


@given(
    st.lists(
        st.tuples(st.sampled_from(["by", "from", "to", "step", "timezone", "budget", "team"]), st.text(max_size=30)),
        max_size=4,
    )
)
def test_any_text_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    found = read(query, BUDGETS, NOW)
    assert isinstance(found, str) or 0 < len(found.spans) <= MOST_BUCKETS


# -- answers

names = st.sampled_from(["", "a", "b"])
accounts = st.builds(
    Account,
    st.integers(0, 400).map(lambda place: quarter_of(NOW) - 900 * place),
    st.sampled_from(SpendKind),
    names,
    names,
    names,
    names,
    names,
    names,
    st.sampled_from([(), ("a",), ("a", "b")]),
)
amounts = st.builds(Amounts, *[st.integers(0, 10**6)] * len(Amounts._fields))


@contextmanager
def ledger_with(sums: dict[Account, Amounts]) -> Iterator[LedgerReader]:
    with TemporaryDirectory() as directory:
        state = made(Path(directory))
        ledger = Ledger(state)
        ledger.book(sums, {NOW.date(): 1})
        ledger.close()
        yield LedgerReader(state)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(accounts, amounts, min_size=1, max_size=20),
    st.lists(st.sampled_from(CHOICES), max_size=3, unique=True),
    st.dictionaries(st.sampled_from(CHOICES[1:-1]), st.frozensets(names, min_size=1), max_size=2),
    st.sampled_from(["step=15m&from=3d", "step=1h&from=5d", "step=1d&from=3d&timezone=Asia/Kathmandu"]),
)
def test_the_buckets_come_to_what_the_ledger_has(
    sums: dict[Account, Amounts],
    by: list[LedgerDimension],
    where: dict[LedgerDimension, frozenset[str]],
    time: str,
) -> None:
    """U-79: with an oracle that adds up accounts; rows too, but for those by tag."""
    query = [*pairs(time), ("by", ",".join(by)), *((name, value) for name, values in where.items() for value in values)]
    question = read(query, BUDGETS, NOW)
    assert isinstance(question, SpendAsked)
    with ledger_with(sums) as reader:
        found = answer(reader, question)
    assert isinstance(found, Spending)
    first, end = question.window.start.timestamp(), question.window.end.timestamp()
    within = [
        each
        for account, each in sums.items()
        if first <= account.quarter < end
        and all(str(getattr(account, name)) in values for name, values in where.items())
    ]
    assert found.total == total_of(within) == total_of(bucket.total for bucket in found.buckets)
    if "tag" not in by:
        assert found.total == total_of(row for bucket in found.buckets for row in bucket.rows.values())


def test_too_many_rows_are_refused_with_what_to_do() -> None:
    one = Account(quarter_of(NOW), SpendKind.ANSWER, "a", "", "", "", "", "", ())
    sums = {one._replace(caller=str(place)): Amounts(1, 0, 0, 0, 0, 1, 0) for place in range(MOST_ROWS + 1)}
    with ledger_with(sums) as reader:
        said = answer(reader, asked("by=caller"))
        found = answer(reader, asked("by=team"))
    words = "ask for less time, a longer 'step', fewer dimensions in 'by', or one value of them"
    assert said == f"that is more than 20,000 rows: {words}"
    assert isinstance(found, Spending)
    assert found.total.attempts == MOST_ROWS + 1


def test_a_ledger_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the ledger in state\.db cannot be read"):
        answer(LedgerReader(tmp_path / "state.db"), asked(""))


def test_all_buckets_are_of_one_moment() -> None:
    """What is booked while the answer is made is in none of them."""
    one = Account(quarter_of(NOW), SpendKind.ANSWER, "a", "", "", "", "", "", ())
    with ledger_with({one: Amounts(1, 0, 0, 0, 0, 1, 0)}) as reader:
        later = ledger_of(reader)
        each = reader.each([(one.quarter - 900, one.quarter - 900), (one.quarter, one.quarter)], [("team",)])
        assert next(each) == [{}]
        later.book({one: Amounts(1, 0, 0, 0, 0, 5, 0)}, {NOW.date(): 2})
        assert next(each) == [{("a",): Amounts(1, 0, 0, 0, 0, 1, 0)}]
        each.close()
        later.close()


def ledger_of(reader: LedgerReader) -> Ledger:
    return Ledger(reader._path)


def test_a_span_of_days_is_no_more_than_its_days() -> None:
    assert asked("from=5d&step=1d").window.end - asked("from=5d&step=1d").window.start == timedelta(days=6)
