"""Rows: all of an entry, as JSON values, and none of the providers' words."""

import sqlite3
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.log_rows import COLUMNS, row_of, shown_row
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage
from tests.adapters.entries import ENTRY, FALLEN_BACK, entry

ELSEWHERE = {"events": "attempts", "usage": "usage_source"}
"""Fields of an entry that are columns of another name."""
ONLY_IN_ROWS = {"quality", "quality_source"}


def kept(one: Entry) -> dict[str, Any]:
    """Take an entry through SQLite and back."""
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        database.execute(f"create table requests ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        database.execute(f"insert into requests values ({', '.join('?' * len(COLUMNS))})", row_of(one))
        row = shown_row(dict(database.execute("select * from requests").fetchone()))
    database.close()
    return row


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
    assert "secret words" not in repr(row_of(entry(events=FALLEN_BACK)))


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
