"""Rows: all of an entry, as JSON values, and none of the providers' words; and the postings that a row gives."""

import json
import sqlite3
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from gateway.adapters.log_rows import COLUMNS, WRITTEN, postings_of_row, row_of, shown_row, spent_of_row
from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt
from gateway.domain.entry import Entry
from gateway.domain.ledger import postings_of
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, SpendKind
from tests.adapters.entries import ENTRY, FALLEN_BACK, USED, entry
from tests.strategies import entries

ELSEWHERE = {"events": "attempts", "usage": "usage_source"}
"""Fields of an entry that are columns of another name."""
ONLY_IN_ROWS = {"quality", "quality_source"}


def stored(one: Entry) -> dict[str, Any]:
    """Take an entry through SQLite and back."""
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        database.execute(f"create table requests ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        values = ", ".join("?" * len(WRITTEN))
        database.execute(f"insert into requests ({', '.join(WRITTEN)}) values ({values})", row_of(7, one))
        row = dict(database.execute("select rowid as number, * from requests").fetchone())
    database.close()
    assert row.pop("number") == 7
    return row


def kept(one: Entry) -> dict[str, Any]:
    return shown_row(stored(one))


def test_every_field_of_an_entry_is_in_its_row() -> None:
    """U-27: a field that is added to the entry is added to the row, or this fails."""
    names = {ELSEWHERE.get(field.name, field.name) for field in fields(Entry)}
    usage = {field.name for field in fields(Usage)} - {"estimated"}
    assert set(COLUMNS) == names | usage | ONLY_IN_ROWS


def test_a_row_has_the_values_of_its_entry() -> None:
    one = entry(7)
    row = kept(one)
    for field in fields(Entry):
        if field.name in ELSEWHERE:
            continue
        value = getattr(one, field.name)
        expected = value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        assert row[field.name] == (list(expected) if isinstance(expected, tuple) else expected), field.name
    assert one.usage is not None
    assert {field.name: row[field.name] for field in fields(Usage) if field.name != "estimated"} == {
        field.name: getattr(one.usage, field.name) for field in fields(Usage) if field.name != "estimated"
    }
    assert datetime.fromisoformat(row["at"]) == one.at
    assert type(row["stream"]) is bool
    assert type(row["cost_nano_usd"]) is int


def test_attempts_and_skips_are_in_their_order_without_the_words_of_a_provider() -> None:
    """U-114: what a provider says of a failure may quote the prompt, and is not kept."""
    row = kept(entry(events=FALLEN_BACK))
    assert row["attempts"] == [
        {"model": "sonnet", "status": 529, "failure": "overloaded", "seconds": 0.0},
        {"model": "llama", "skip": "incapable"},
        {"model": "gpt", "status": 200, "failure": None, "seconds": 3.25},
    ]
    assert "secret words" not in repr(row_of(1, entry(events=FALLEN_BACK)))


@pytest.mark.parametrize(
    ("usage", "source"),
    [(None, "none"), (Usage(), "reported"), (Usage(output_tokens=3), "reported"), (Usage(estimated=True), "estimated")],
)
def test_no_usage_a_reported_zero_and_an_estimate_are_told_apart(usage: Usage | None, source: str) -> None:
    """U-34: an estimate never passes for what a provider reported."""
    assert kept(entry(usage=usage))["usage_source"] == source


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
COUNT = st.integers(0, 2**62)


@given(
    st.tuples(TEXT, TEXT, TEXT, TEXT),
    st.lists(TEXT, max_size=4).map(tuple),
    st.dictionaries(TEXT, st.none() | st.booleans() | COUNT | TEXT | st.lists(TEXT, max_size=3), max_size=5),
    st.tuples(COUNT, COUNT, COUNT),
    st.none() | st.floats(0, 1e6),
)
def test_whatever_an_entry_holds_comes_back_as_it_was(
    texts: tuple[str, str, str, str],
    names: tuple[str, ...],
    facts: dict[str, Any],
    counts: tuple[int, int, int],
    seconds: float | None,
) -> None:
    """Quotes, controls, NUL, other scripts and large numbers are values, never SQL and never cut."""
    one = replace(
        ENTRY,
        requested_model=texts[0],
        response_model=texts[1],
        rule=texts[2],
        team=texts[3],
        tags=names,
        chain=names,
        facts=facts,
        usage=Usage(fresh_input_tokens=counts[0], output_tokens=counts[1]),
        cost_nano_usd=counts[2],
        first_content_s=seconds,
    )
    row = kept(one)
    assert (row["requested_model"], row["response_model"], row["rule"], row["team"]) == texts
    assert (row["tags"], row["chain"], row["facts"]) == (list(names), list(names), facts)
    assert (row["fresh_input_tokens"], row["output_tokens"], row["cost_nano_usd"]) == counts
    assert row["first_content_s"] == seconds


@given(entries)
def test_a_row_gives_the_postings_of_its_entry(one: Entry) -> None:
    """U-79: the ledger can be made again from the rows, to the nano-dollar and under the same accounts."""
    assert postings_of_row(stored(one)) == postings_of(added_up([one]))


@given(entries)
def test_a_row_gives_what_its_attempts_used_so_that_they_can_be_priced_again(one: Entry) -> None:
    """U-79: every counter, the tier that was served, and whether it is an estimate or of a model without a price."""
    counted = [event for event in one.events if isinstance(event, Attempt) and event.counts]
    spent = spent_of_row(stored(one))
    assert [(each.usage, each.nano_usd) for each in spent] == [
        (attempt.usage or Usage(), attempt.cost_nano_usd) for attempt in counted
    ]
    assert [each.unpriced for each in spent if each.account.kind is SpendKind.ANSWER] == [
        attempt.unpriced for attempt in counted if attempt.kind is SpendKind.ANSWER
    ]


PAID_FAILURE = Attempt(
    0, "thinker", "local", Failure.EMPTY, status=200, usage=Usage(100, output_tokens=4_000), cost_nano_usd=41
)
ANSWER = replace(FALLEN_BACK[2], cost_nano_usd=9)


def test_an_answer_is_unpriced_where_it_is_itself_and_not_for_a_failure_before_it() -> None:
    """Also where its figures are those of the row's columns."""
    failure = Attempt(0, "thinker", "local", Failure.TIMEOUT, unpriced=True)
    answer = replace(ANSWER, usage=ENTRY.usage, cost_nano_usd=ENTRY.cost_nano_usd)
    (spent,) = spent_of_row(stored(entry(events=(failure, answer))))
    assert not spent.unpriced
    (spent,) = spent_of_row(stored(entry(events=(failure, replace(answer, unpriced=True)))))
    assert spent.unpriced


def attempts_of(one: Entry) -> list[dict[str, Any]]:
    attempts: list[dict[str, Any]] = kept(one)["attempts"]
    return attempts


def test_an_attempt_has_figures_of_its_own_only_where_the_columns_are_not_those() -> None:
    """U-102: the usual row repeats nothing."""
    plain = {"model", "status", "failure", "seconds"}
    assert [set(each) for each in attempts_of(entry(events=(ANSWER,), usage=USED, cost_nano_usd=9))] == [plain]
    failed, answered = attempts_of(entry(events=(PAID_FAILURE, ANSWER), cost_nano_usd=50))
    assert failed == {
        "model": "thinker",
        "status": 200,
        "failure": "empty",
        "seconds": 0.0,
        "provider": "local",
        "usage": {"fresh_input_tokens": 100, "output_tokens": 4_000},
        "cost_nano_usd": 41,
    }
    assert set(answered) == {*plain, "usage", "cost_nano_usd"}
    assert answered["usage"]["service_tier"] == "priority"


def test_the_tier_that_was_served_comes_back_from_the_columns_too() -> None:
    """U-79: a plain row keeps it beside the counters."""
    one = entry(events=(ANSWER,), usage=USED, cost_nano_usd=9)
    assert [each.usage for each in spent_of_row(stored(one))] == [USED]


def test_a_failure_that_alone_was_paid_is_not_taken_for_the_answer() -> None:
    one = entry(model="", provider="", events=(PAID_FAILURE,), usage=PAID_FAILURE.usage, cost_nano_usd=41)
    ((account, amounts),) = postings_of_row(stored(one))
    assert (account.kind, account.model, account.provider) == (SpendKind.FAILED, "thinker", "local")
    assert amounts.nano_usd == 41


def test_an_answer_that_broke_off_is_an_answer() -> None:
    broken = replace(ANSWER, failure=Failure.TRUNCATED)
    assert attempts_of(entry(events=(broken,)))[0]["kind"] == "answer"


def test_an_answer_of_another_model_than_the_priced_one_is_flagged() -> None:
    """U-67: in the attempt that it is of."""
    first, second = attempts_of(entry(events=(PAID_FAILURE, replace(ANSWER, unpriced=True))))
    assert second["unpriced"] is True
    assert "unpriced" not in first


BEFORE_THE_LEDGER = {
    "one answer": ([{"model": "gpt", "status": 200, "failure": None, "seconds": 3.25}], 12, 1),
    "a fallback": (
        [
            {"model": "sonnet", "status": 529, "failure": "overloaded", "seconds": 0.0},
            {"model": "llama", "skip": "incapable"},
            {"model": "gpt", "status": 200, "failure": None, "seconds": 3.25},
        ],
        12,
        1,
    ),
    "an answer that broke off": ([{"model": "gpt", "status": 200, "failure": "truncated", "seconds": 3.25}], 12, 1),
    "an answer for nothing": ([{"model": "gpt", "status": 200, "failure": None, "seconds": 3.25}], 0, 1),
    "no answer": ([{"model": "gpt", "status": 0, "failure": "connect", "seconds": 3.25}], 0, 0),
    "no attempt": ([], 0, 0),
}


@pytest.mark.parametrize(("attempts", "cost", "count"), BEFORE_THE_LEDGER.values(), ids=BEFORE_THE_LEDGER.keys())
def test_a_row_of_before_the_ledger_is_one_answer(attempts: list[dict[str, Any]], cost: int, count: int) -> None:
    """U-102: rows of the versions before had no figures of single attempts: their columns are all that is known."""
    usage = Usage(fresh_input_tokens=5) if cost else None
    row = stored(entry(events=(), usage=usage, cost_nano_usd=cost)) | {"attempts": json.dumps(attempts)}
    postings = postings_of_row(row)
    assert len(postings) == count
    for account, amounts in postings:
        assert (account.kind, account.model, account.provider) == (SpendKind.ANSWER, "gpt", "openai")
        assert (amounts.attempts, amounts.nano_usd, amounts.fresh_input_tokens) == (1, cost, 5 if cost else 0)
