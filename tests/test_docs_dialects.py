"""`docs/dialects.md` says what is so: its tables of reasons and names are the code's."""

import pytest

from gateway.dialects.chat.dialect import NAMES as CHAT_NAMES
from gateway.dialects.chat.stream import FINISH
from gateway.dialects.messages.dialect import NAMES as MESSAGES_NAMES
from gateway.dialects.messages.stream import STOPS
from gateway.domain.message import SETTINGS
from tests.test_docs import CODE, rows_of, text_of

PAGE = "docs/dialects.md"


def test_the_table_of_reasons_is_the_codes() -> None:
    """U-44."""
    rows = rows_of(PAGE, "| messages | chat completions |")
    assert {CODE.findall(left)[0]: CODE.findall(right)[0] for left, right in rows} == {
        reason: FINISH[stop] for reason, stop in STOPS.items()
    }


@pytest.mark.parametrize(("column", "names"), [(1, CHAT_NAMES), (2, MESSAGES_NAMES)], ids=["chat", "messages"])
def test_the_names_of_what_is_left_out_are_the_codes(column: int, names: dict[str, str]) -> None:
    """U-46: whoever reads the header finds its words."""
    told = {name for row in rows_of(PAGE, "| what | on chat completions |") for name in CODE.findall(row[column])}
    same = {"stop", "parallel_tool_calls", "cache_control"}
    assert set(names.values()) <= told
    assert told - set(names.values()) <= same


def test_every_setting_is_told() -> None:
    assert set(CODE.findall(text_of(PAGE))) >= SETTINGS
