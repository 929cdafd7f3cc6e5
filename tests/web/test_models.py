"""What clients are told of models: pages that join to the whole list, whatever is asked for."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.models import Told, _anthropic_page

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
THERE = [Told(name, "p") for name in ("auto", "a", "b", "c")]
NAMES = [each.name for each in THERE]


def page(**query: str) -> Any:  # noqa: ANN401 - JSON
    return _anthropic_page(THERE, query, AT)


def ids(shown: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [each["id"] for each in shown["data"]]


@pytest.mark.parametrize("size", range(1, 6))
def test_pages_forwards_and_backwards_join_to_the_list(size: int) -> None:
    forwards, shown = ids(page(limit=str(size))), page(limit=str(size))
    while shown["has_more"]:
        shown = page(limit=str(size), after_id=shown["last_id"])
        forwards += ids(shown)
    assert forwards == NAMES
    backwards, shown = ["c"], page(limit=str(size), before_id="c")
    backwards = ids(shown) + backwards
    while shown["has_more"]:
        shown = page(limit=str(size), before_id=shown["first_id"])
        backwards = ids(shown) + backwards
    assert backwards == NAMES


def test_without_a_limit_it_is_one_page() -> None:
    shown = page()
    assert (ids(shown), shown["has_more"], shown["first_id"], shown["last_id"]) == (NAMES, False, "auto", "c")


def test_a_page_of_nothing_has_no_ends() -> None:
    assert page(after_id="c") == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@given(st.dictionaries(st.sampled_from(["limit", "after_id", "before_id"]), st.text(max_size=9)))
def test_what_makes_no_sense_is_as_if_it_were_not_there(query: dict[str, str]) -> None:
    known = any(query.get(name) in NAMES for name in ("after_id", "before_id"))
    if not known and not query.get("limit", "").isdecimal():
        assert page(**query) == page()


@pytest.mark.parametrize("limit", ["0", "-1", "9" * 5000, "x", "", "²", "1.5"])
def test_a_limit_that_is_none_is_ignored(limit: str) -> None:
    assert page(limit=limit) == page()
