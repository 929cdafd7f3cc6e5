import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.fields import count_of, created_at, dict_of, list_of, metadata_of, object_of, prefer_of, text_of
from gateway.domain.words import Prefer


@pytest.mark.parametrize("word", list(Prefer))
def test_every_preference_is_read_whatever_its_case(word: Prefer) -> None:
    assert prefer_of({"x-rulegate-prefer": f" {word.upper()} "}) is word


@pytest.mark.parametrize("headers", [{}, {"x-rulegate-prefer": ""}, {"x-rulegate-prefer": "cheap"}])
def test_no_preference_is_none(headers: dict[str, str]) -> None:
    assert prefer_of(headers) is None


def test_metadata_is_read_as_text() -> None:
    """A string is as it is, null is absent, and anything else is as JSON writes it."""
    metadata = {"a": "b", "n": 1, "f": 0.5, "yes": True, "no": False, "none": None, "list": [True, "x"]}
    read = {"a": "b", "n": "1", "f": "0.5", "yes": "true", "no": "false", "list": '[true,"x"]'}
    assert metadata_of({"metadata": metadata}) == read


@pytest.mark.parametrize("metadata", [None, [], "x", 1])
def test_metadata_of_another_shape_is_none(metadata: object) -> None:
    assert metadata_of({"metadata": metadata}) == {}


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 80) - 1))
def test_the_time_of_a_request_is_in_its_id(milliseconds: int, rest: int) -> None:
    assert created_at(str(uuid.UUID(int=milliseconds << 80 | rest))) == milliseconds // 1000


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'"x"', b'{"a": "\xff"}', b'{"a": "\xc3', b'{"a":' * 100_000, b'{"a": NaN}'],
    ids=["empty", "open", "list", "null", "text", "no utf-8", "cut character", "deep", "nan"],
)
def test_bytes_that_are_no_object_are_none(data: bytes) -> None:
    assert object_of(data) is None


def test_an_object_is_decoded() -> None:
    assert object_of('{"ü": [1, "🙂"]}'.encode()) == {"ü": [1, "🙂"]}


@pytest.mark.parametrize("value", [None, True, 1.5, "x", 7, [1], {"a": 1}], ids=repr)
def test_a_value_of_another_shape_reads_as_none_at_all(value: object) -> None:
    assert dict_of(value) == (value if isinstance(value, dict) else {})
    assert list_of(value) == (value if isinstance(value, list) else [])
    assert text_of(value) == (value if isinstance(value, str) else "")
    assert count_of(value) == (7 if value == 7 else None)
