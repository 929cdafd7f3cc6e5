# ruff: noqa: FBT001 - a flag of a parametrised test is no flag argument
"""Real streams, cut anywhere: the same events, the same usage, the same text."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.base import StreamWriter
from gateway.dialects.chat import stream as chat_stream
from gateway.dialects.messages import stream as messages_stream
from gateway.dialects.relay import Relay
from tests.dialects.portions import cuts, halves, portions
from tests.dialects.recorded import RECORDED, Recorded, said_in
from tests.dialects.streams import READERS

OTHER = {"openai": "anthropic", "anthropic": "openai"}
each = pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
SHORT_BYTES = 2000
"""Longer streams are cut at every offset of one event in the middle and of the end, not at every one."""


def writer_of(dialect: str) -> StreamWriter:
    if dialect == "openai":
        return chat_stream.Writer(0, wants_usage=True)
    return messages_stream.Writer(thoughts=True)


def relayed(recorded: Recorded, parts: Iterable[bytes], *, crossing: bool) -> tuple[object, ...]:
    """Give all that a relay of the stream comes to."""
    relay = Relay(
        READERS[recorded.dialect](), writer_of(OTHER[recorded.dialect]) if crossing else None, hide_usage=False
    )
    out = b"".join([*(relay.feed(part) for part in parts), relay.end()])
    return out, relay.usage, relay.model, relay.characters, relay.closed, relay.bad, relay.garbage, relay.committed


def test_there_are_streams_of_both_dialects_with_text_tools_and_thoughts() -> None:
    assert {recorded.dialect for recorded in RECORDED} == {"openai", "anthropic"}
    assert any(recorded.calls for recorded in RECORDED)
    assert sum(b"thinking" in recorded.data for recorded in RECORDED) >= 2


@each
def test_a_stream_says_what_is_known_of_it(recorded: Recorded) -> None:
    """U-33 U-44: the text, the calls and the tokens, in the provider's dialect and carried over to the other."""
    for data, dialect in (
        (recorded.data, recorded.dialect),
        (relayed(recorded, [recorded.data], crossing=True)[0], OTHER[recorded.dialect]),
    ):
        reader = READERS[dialect]()
        assert isinstance(data, bytes)
        blocks = list(reader.feed(data))
        assert said_in(blocks) == (recorded.text, recorded.calls)
        assert reader.usage is not None
        assert reader.usage.output_tokens == recorded.output_tokens


@each
@pytest.mark.parametrize("crossing", [False, True], ids=["passed-on", "carried-over"])
def test_a_cut_at_any_offset_comes_to_the_same(recorded: Recorded, crossing: bool) -> None:
    """U-40: also within an escape, a character, a line end and the terminal marker."""
    whole = relayed(recorded, [recorded.data], crossing=crossing)
    assert whole[4:] == (True, None, 0, True)
    assert crossing or whole[0] == recorded.data
    size = len(recorded.data)
    offsets = range(size + 1) if size <= SHORT_BYTES else [*range(size // 2, size // 2 + 400), *range(size - 400, size)]
    for at in offsets:
        assert relayed(recorded, (recorded.data[:at], recorded.data[at:]), crossing=crossing) == whole


@settings(max_examples=60)
@given(st.sampled_from(RECORDED), cuts(), st.booleans())
def test_any_portions_come_to_the_same(recorded: Recorded, lengths: list[int], crossing: bool) -> None:
    """U-40."""
    whole = relayed(recorded, [recorded.data], crossing=crossing)
    assert relayed(recorded, portions(recorded.data, lengths), crossing=crossing) == whole


@each
@pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["crlf", "cr"])
def test_other_line_ends_marks_and_comments_change_nothing_that_is_said(recorded: Recorded, end: bytes) -> None:
    """U-40: what the standard allows between the events is no part of them."""
    plain = [sse.fields(event) for event in sse.Splitter().feed(recorded.data)]
    data = b"\xef\xbb\xbf" + (b": a comment\n" + recorded.data).replace(b"\n", end)
    for parts in halves(data) if len(data) <= SHORT_BYTES else [(data,)]:
        splitter = sse.Splitter()
        events = [event for part in parts for event in splitter.feed(part)]
        events += [rest] if (rest := splitter.end()) else []
        assert [sse.fields(event) for event in events] == plain
    whole, other = (relayed(recorded, [said], crossing=True) for said in (recorded.data, data))
    assert whole == other
