"""Quantities come out as exact numbers, and exactly the forms of the schema are taken."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import packaged
from gateway.config.quantities import duration_s, end_of, per_minute, percent, size_bytes

READERS: dict[str, Callable[[str], float]] = {
    "duration": duration_s,
    "size": size_bytes,
    "percent": percent,
    "rate": per_minute,
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2), ("1.5s", 1.5), ("10m", 600), ("1h", 3600), ("30d", 2_592_000), ("0s", 0)],
)
def test_a_duration_is_given_in_seconds(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("7B", 7),
        ("512KB", 512_000),
        ("32MB", 32_000_000),
        ("32MiB", 33_554_432),
        ("5GB", 5_000_000_000),
        ("1.5KiB", 1536),
        ("0.0001KB", 0),
        ("2TiB", 2 << 40),
    ],
)
def test_a_size_is_given_in_whole_bytes(text: str, size: int) -> None:
    assert size_bytes(text) == size


def test_a_percentage_is_given_as_a_fraction() -> None:
    assert [percent("80%"), percent("100%"), percent("0.5%")] == [0.8, 1.0, 0.005]


@pytest.mark.parametrize("text", ["", "2", "s", "2 s", "2S", "-2s", "2s\n", "1h30m", "٢s", ".5s", "2.s", "1e3s"])
def test_a_wrong_duration_is_named_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"'{text}' is not a duration such as 500ms, 2s")):
        duration_s(text)


def test_wrong_sizes_and_percentages_are_named() -> None:
    with pytest.raises(ValueError, match="'32' is not a size such as"):
        size_bytes("32")
    with pytest.raises(ValueError, match="'80' is not a percentage such as 80%"):
        percent("80")
    with pytest.raises(ValueError, match="'600' is not a rate such as 600/min"):
        per_minute("600")


NUMERALS = ("", "0", "2", "1.5", "-1", "1e3", ".5", "5.", "1 ", "٢", "1" * 12, "1" * 13, "0.123456789", "0.1234567891")
UNITS = ("", "ms", "s", "m", "h", "d", "D", "B", "KB", "kB", "KiB", "MB", "GiB", "TB", "PB", "%", "/min", "/minute")


@pytest.mark.parametrize("kind", sorted(READERS))
def test_the_schema_takes_exactly_what_can_be_read(kind: str) -> None:
    pattern = packaged.rules_schema()["$defs"][kind]["pattern"].removesuffix("$") + r"\Z"
    for text in map("".join, product(NUMERALS, UNITS, ("", "\n", " ", "s"))):
        assert bool(re.search(pattern, text)) == is_read(kind, text), text


def is_read(kind: str, text: str) -> bool:
    try:
        READERS[kind](text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2028-02-28", datetime(2028, 2, 29, tzinfo=UTC)),
        ("2026-12-31T18:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:30+02:00", datetime(2026, 12, 31, 16, 0, 30, tzinfo=UTC)),
        ("8999-12-31", datetime(9000, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_date_counts_to_its_end_and_a_moment_as_it_is(text: str, end: datetime) -> None:
    assert end_of(text) == end


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-13-01", "'2026-13-01' is no date: month must be in 1..12"),
        ("2026-02-30T12:00:00Z", "is no date: day"),
        ("9999-12-31", "its year is not one from 1970 to 8999"),
        ("0000-01-01", "'0000-01-01' is no date"),
        ("2026-12-31T18:00:00+25:00", "is no date"),
        ("2026-12-31T18:00", "is no moment: it has no time zone"),
    ],
)
def test_what_is_no_date_is_named_with_the_reason(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        end_of(text)


@given(st.from_regex(packaged.rules_schema()["$defs"]["date"]["pattern"], fullmatch=True))
def test_whatever_the_schema_takes_for_a_date_is_read_or_refused(text: str) -> None:
    """U-91: no text of the right shape is a mistake of ours."""
    assert is_end(text) in (True, False)


def is_end(text: str) -> bool:
    try:
        return end_of(text).tzinfo is UTC
    except ValueError:
        return False
