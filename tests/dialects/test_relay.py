# ruff: noqa: FBT001 - a flag of a parametrised test is no flag argument
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.base import TOO_MUCH, StreamWriter
from gateway.dialects.chat import stream as openai_stream
from gateway.dialects.messages import stream as anthropic_stream
from gateway.dialects.relay import MOST_HELD_EVENTS, Relay
from gateway.domain.message import TextPiece
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from tests.dialects.portions import cuts, halves, portions
from tests.dialects.streams import (
    CONTENT,
    END,
    ERROR,
    GARBAGE,
    PREAMBLE,
    READERS,
    TAIL,
    TEXT,
    USAGE_BLOCK,
    text_in,
    whole,
)

DIALECTS = sorted(READERS)
both = pytest.mark.parametrize("dialect", DIALECTS)


def relay_of(dialect: str, writer: StreamWriter | None = None, *, hide_usage: bool = False) -> Relay:
    return Relay(READERS[dialect](), writer, hide_usage=hide_usage)


def writer_of(dialect: str) -> StreamWriter:
    return openai_stream.Writer(0, wants_usage=True) if dialect == "openai" else anthropic_stream.Writer()


def passed(relay: Relay, parts: Iterable[bytes]) -> bytes:
    return b"".join([*(relay.feed(part) for part in parts), relay.end()])


@both
def test_a_cut_at_any_offset_passes_the_same_bytes_on(dialect: str) -> None:
    """U-40 and U-42: within one dialect what comes out is what came in."""
    for parts in halves(whole(dialect)):
        relay = relay_of(dialect)
        assert passed(relay, parts) == whole(dialect)
        assert relay.closed
        assert relay.bad is None


pieces = st.sampled_from(
    [(dialect, piece) for dialect in DIALECTS for piece in (*PREAMBLE[dialect], *CONTENT[dialect], *TAIL[dialect])]
    + [(dialect, end) for dialect in DIALECTS for end in (END[dialect], ERROR[dialect], GARBAGE[dialect])]
)


@given(st.sampled_from(DIALECTS), st.lists(pieces, max_size=10), cuts(), st.booleans(), st.booleans())
def test_any_portions_of_any_stream_come_to_the_same(
    dialect: str,
    chosen: list[tuple[str, bytes]],
    lengths: list[int],
    hide: bool,
    crossing: bool,
) -> None:
    """U-40: bytes, ends, counters and usage do not depend on where the network cut."""
    stream = b"".join(piece for of, piece in chosen if of == dialect)
    other = next(each for each in DIALECTS if each != dialect)

    def ends(parts: Iterable[bytes]) -> tuple[object, ...]:
        relay = relay_of(dialect, writer_of(other) if crossing else None, hide_usage=hide)
        out = passed(relay, parts)
        return out, relay.closed, relay.bad, relay.committed, relay.garbage, relay.characters, relay.usage, relay.model

    assert ends(portions(stream, lengths)) == ends([stream])


@both
def test_nothing_comes_out_before_content(dialect: str) -> None:
    """U-01: another model may still answer; then all that was held comes first."""
    relay = relay_of(dialect)
    assert b"".join(map(relay.feed, PREAMBLE[dialect])) == b""
    assert not relay.committed
    assert relay.feed(CONTENT[dialect][0]) == b"".join((*PREAMBLE[dialect], CONTENT[dialect][0]))
    assert relay.committed


@both
@pytest.mark.parametrize(
    ("committed", "last", "failure"),
    [
        (False, b"", Failure.EMPTY),
        (False, b"END", Failure.EMPTY),
        (False, b"ERROR", Failure.OVERLOADED),
        (False, b"GARBAGE", Failure.MALFORMED),
        (True, b"", Failure.TRUNCATED),
        (True, b"ERROR", Failure.OVERLOADED),
    ],
)
def test_a_stream_that_is_no_whole_answer_is_bad(dialect: str, committed: bool, last: bytes, failure: Failure) -> None:
    """U-01, U-06, U-08, U-14: by what it ended with, before content and after."""
    relay = relay_of(dialect)
    said = b"".join((*PREAMBLE[dialect], *(CONTENT[dialect] if committed else ())))
    named = {b"END": END, b"ERROR": ERROR, b"GARBAGE": GARBAGE}
    out = passed(relay, [said, named[last][dialect] if last else b""])
    assert out == (said if committed else b"")
    assert relay.bad is not None
    assert relay.bad.failure is failure
    assert not relay.closed
    assert relay.committed is committed


@both
def test_a_finish_without_the_terminal_marker_is_truncated(dialect: str) -> None:
    """U-06: the marker decides."""
    relay = relay_of(dialect)
    passed(relay, [whole(dialect).removesuffix(END[dialect])])
    assert relay.bad is not None
    assert relay.bad.failure is Failure.TRUNCATED


@both
def test_an_event_that_the_end_cut_short_is_not_passed_on(dialect: str) -> None:
    """U-06: an error event that follows half a line would be a part of that line."""
    for cut in range(1, len(CONTENT[dialect][1]) - 2):
        relay = relay_of(dialect)
        out = passed(relay, [CONTENT[dialect][0], CONTENT[dialect][1][:cut]])
        assert out == CONTENT[dialect][0]
        assert relay.bad is not None
        assert relay.bad.failure is Failure.TRUNCATED
        assert relay.garbage == 0


@both
def test_an_end_without_its_blank_line_is_an_end(dialect: str) -> None:
    relay = relay_of(dialect)
    assert passed(relay, [whole(dialect).rstrip(b"\n")]) == whole(dialect)
    assert relay.closed
    assert relay.bad is None


@both
def test_an_unreadable_event_after_content_is_counted_and_passed_on(dialect: str) -> None:
    """U-08."""
    relay = relay_of(dialect)
    stream = CONTENT[dialect][0] + GARBAGE[dialect] * 2 + CONTENT[dialect][1] + END[dialect]
    assert passed(relay, [stream]) == stream
    assert (relay.garbage, relay.closed, relay.bad) == (2, True, None)


@both
@pytest.mark.parametrize("more", ["CONTENT", "ERROR", "GARBAGE", "TAIL"])
@pytest.mark.parametrize("together", [True, False])
def test_what_follows_the_end_is_dropped(dialect: str, more: str, together: bool) -> None:
    after = {"CONTENT": CONTENT[dialect][0], "ERROR": ERROR[dialect], "GARBAGE": GARBAGE[dialect]}
    extra = after.get(more) or (USAGE_BLOCK if dialect == "openai" else TAIL[dialect][1])
    stream = CONTENT[dialect][0] + END[dialect]
    relay = relay_of(dialect)
    assert passed(relay, [stream + extra] if together else [stream, extra]) == stream
    assert (relay.closed, relay.bad, relay.garbage, relay.usage) == (True, None, 0, None)


def test_only_the_usage_block_that_nobody_asked_for_is_hidden() -> None:
    """U-31: metered all the same."""
    riding = USAGE_BLOCK.replace(b'"choices": []', b'"choices": [{"delta": {"content": "x"}}]')
    stream = b"".join((*PREAMBLE["openai"], *CONTENT["openai"], riding, *TAIL["openai"], END["openai"]))
    relay = relay_of("openai", hide_usage=True)
    assert passed(relay, [stream]) == stream.replace(USAGE_BLOCK, b"")
    assert relay.usage == Usage(fresh_input_tokens=3, output_tokens=2)
    shown = relay_of("openai")
    assert passed(shown, [stream]) == stream
    assert shown.usage == relay.usage


@pytest.mark.parametrize(
    ("dialect", "finish"),
    [
        ("openai", b'data: {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}\n\n'),
        ("anthropic", b'data: {"type": "message_delta", "delta": {"stop_reason": "refusal"}}\n\n'),
    ],
)
@pytest.mark.parametrize("ended", [True, False])
def test_a_refusal_without_a_word_is_one(dialect: str, finish: bytes, ended: bool) -> None:
    """U-13: it is the provider's refusal on content, which no other model is asked about."""
    relay = relay_of(dialect)
    assert passed(relay, [finish, END[dialect] if ended else b""]) == b""
    assert relay.bad is not None
    assert relay.bad.failure is Failure.CONTENT_FILTER


@both
def test_what_the_model_wrote_is_counted_in_characters(dialect: str) -> None:
    """U-36: for an estimate, never zero once anything was relayed."""
    relay = relay_of(dialect)
    passed(relay, [whole(dialect)])
    assert relay.characters == len(TEXT)


texts = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=6)


@given(st.sampled_from(DIALECTS), texts, cuts())
def test_text_crosses_dialects_unchanged(dialect: str, said: list[str], lengths: list[int]) -> None:
    """What one dialect's writer wrote is, carried over, what the other's reader reads."""
    other = next(each for each in DIALECTS if each != dialect)
    source = writer_of(dialect)
    used = Usage(fresh_input_tokens=7, cache_read_tokens=2, output_tokens=5)
    stop = anthropic_stream.STOPS["max_tokens"]
    stream = (
        source.start("a1", "m") + b"".join(source.piece(TextPiece(each)) for each in said) + source.finish(stop, used)
    )
    relay = relay_of(dialect, writer_of(other))
    crossed = passed(relay, portions(stream, lengths))
    assert (relay.closed, relay.bad, relay.model) == (True, None, "m")
    reader = READERS[other]()
    blocks = [block for part in sse.Splitter().feed(crossed) for block in reader.feed(part)]
    assert text_in(blocks) == "".join(said)
    assert (reader.id, reader.model, reader.stop, reader.usage) == ("a1", "m", stop, used)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_crossing_nothing_comes_out_before_content_and_no_end_without_an_end(dialect: str) -> None:
    """U-01 and U-06 between dialects."""
    other = next(each for each in DIALECTS if each != dialect)
    relay = relay_of(dialect, writer_of(other))
    assert b"".join(map(relay.feed, PREAMBLE[dialect])) == b""
    out = passed(relay, [*CONTENT[dialect], GARBAGE[dialect]])
    assert END[other].strip() not in out
    assert GARBAGE[dialect] not in out
    assert relay.bad is not None
    assert relay.bad.failure is Failure.TRUNCATED


@both
def test_an_endless_event_is_malformed(dialect: str) -> None:
    """U-40: the buffer is capped."""
    relay = relay_of(dialect)
    assert relay.feed(b"data: " + b"x" * sse.LIMIT_BYTES) == b""
    assert relay.bad is not None
    assert relay.bad.failure is Failure.MALFORMED


def fed(relay: Relay, piece: bytes, times: int) -> None:
    for _ in range(times):
        relay.feed(piece)


@both
@pytest.mark.parametrize("translated", [False, True])
def test_what_comes_before_content_has_a_bound_in_number(dialect: str, translated: bool) -> None:
    """U-113: whether it is held for the caller or only looked at."""
    relay = relay_of(dialect, writer_of(dialect) if translated else None)
    bads = []
    for events in (MOST_HELD_EVENTS, 1):
        relay.feed(b": still here\n\n" * events)
        bads.append(relay.bad)
    assert bads == [None, TOO_MUCH]


@both
def test_what_is_held_before_content_has_a_bound_in_bytes(dialect: str) -> None:
    """U-113: what the caller would get is kept until there is content, but not any amount of it."""
    relay = relay_of(dialect)
    comment = b": " + b"x" * 1_000_000 + b"\n\n"
    bads = []
    for _ in range(17):
        relay.feed(comment)
        bads.append(relay.bad)
    assert bads == [None] * 16 + [TOO_MUCH]
    assert relay.feed(b"".join(CONTENT[dialect])) == b""


@both
def test_a_stream_that_is_passed_on_has_no_bound_and_one_that_is_written_anew_has(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-113: for the end of some dialects tells all of it again."""
    monkeypatch.setattr("gateway.dialects.relay.MOST_TRANSLATED_BYTES", 100_000)
    data = b"".join(CONTENT[dialect])
    passed_on, written = relay_of(dialect), relay_of(dialect, writer_of(dialect))
    for relay in (passed_on, written):
        fed(relay, data, 2_000)
    assert [passed_on.bad, written.bad] == [None, TOO_MUCH]
