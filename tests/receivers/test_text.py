"""What cutting promises: what is shown fits, is a prefix of what was meant, and has no half of anything."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.receivers import discord, slack, teams
from gateway.receivers.text import (
    ELLIPSIS,
    Escape,
    Size,
    as_it_is,
    cut,
    encode,
    entries_within,
    fitting,
    line,
    octets,
    paragraphs,
    plain,
    rfc3339,
    units,
)
from tests.fakes.alerts import json_values, texts

escapes = st.sampled_from([as_it_is, slack.escape, discord.escape, teams.escape])
sizes = st.sampled_from([units, octets])


@given(texts.map(lambda text: paragraphs(text)[:400]), st.integers(3, 300), escapes, sizes)
def test_a_text_is_whole_or_a_prefix_escaped_and_as_long_as_it_can_be(
    text: str, limit: int, escape: Escape, size: Size
) -> None:
    shown = cut(text, limit, escape, size)
    assert size(shown) <= limit
    if size(escape(text)) <= limit:
        assert shown == escape(text)
        return
    ends = [end for end in range(len(text)) if shown == escape(text[:end]) + ELLIPSIS]
    assert ends
    assert size(escape(text[: ends[-1] + 1]) + ELLIPSIS) > limit


@given(texts)
def test_clean_text_has_no_control_characters_and_no_half_characters(text: str) -> None:
    clean = paragraphs(text)
    clean.encode()
    assert not [char for char in clean if (char < " " and char != "\n") or "\x7f" <= char <= "\x9f"]
    assert paragraphs(clean) == clean
    assert "\n" not in line(text)
    assert line(text) == " ".join(clean.split())


@given(texts.map(paragraphs))
def test_octets_are_the_bytes_in_json(text: str) -> None:
    assert octets(text) == len(encode(text)) - 2


CLEAN = {
    "two halves": ("\ud83d\udd25", "\U0001f525"),
    "one half": ("a\ud83db", "a\ufffdb"),
    "line ends": ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
    "colours of a terminal": ("\x1b[31mred\x00", "[31mred"),
    "a tab": ("a\tb", "a b"),
}


@pytest.mark.parametrize(("text", "clean"), CLEAN.values(), ids=CLEAN)
def test_what_some_receivers_refuse_is_cleaned(text: str, clean: str) -> None:
    assert paragraphs(text) == clean


@given(json_values)
def test_any_values_become_json(value: object) -> None:
    encoded = encode(plain(value))  # type: ignore[arg-type]  # JSON values, as hypothesis types them
    json.loads(encoded, parse_constant=pytest.fail)


@given(st.dictionaries(texts, json_values, max_size=5), st.integers(0, 2_000))
def test_entries_are_kept_in_order_while_there_is_room(values: dict[str, object], room: int) -> None:
    kept = entries_within(values, room)  # type: ignore[arg-type]  # the same
    assert list(kept) == list(plain(values))[: len(kept)]  # type: ignore[arg-type]  # the same
    assert len(encode(kept)) <= max(room, 2)


def test_what_fits_stops_at_the_first_that_does_not() -> None:
    """A fact that is left out does not make room for one that comes after it: the order says what matters."""
    assert fitting([3, 4, 9, 1], 10, lambda cost: cost) == [3, 4]


def test_a_moment_is_written_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert rfc3339(datetime(2026, 11, 23, 15, 5, 0, 999_999, berlin)) == "2026-11-23T14:05:00.999Z"
    assert rfc3339(datetime(2026, 11, 23, tzinfo=UTC)) == "2026-11-23T00:00:00.000Z"
