import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.sse import LIMIT_BYTES, Splitter, TooLongError, event, fields
from tests.dialects.portions import cuts, halves, portions

STREAM = (
    "\ufeff: a comment\n\nevent: first\ndata: {“a”: 1}\n\ndata: one\r\ndata: two\r\n\r\n\n"
    "data:no space\r\rdata\n\nid: 7\nretry: 5\n: only a comment\n\nevent: 🙂\rdata: ü\n\r\nda"
    "ta: last\r\n\ndata: x\r\r\n"
).encode()
EVENTS = [
    ("", b""),
    ("first", "{“a”: 1}".encode()),
    ("", b"one\ntwo"),
    ("", b"no space"),
    ("", b""),
    ("", b""),
    ("🙂", "ü".encode()),
    ("", b"last"),
    ("", b"x"),
]
lines = st.sampled_from([b"data: x", b"data:", b"data: \xc3\xbc", b": note", b"event: e", b"", b"nonsense"])
streams = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=30).map(
    lambda parts: b"".join(line + end for line, end in parts)
)


def split(*parts: bytes) -> list[bytes]:
    splitter = Splitter()
    events = [each for part in parts for each in splitter.feed(part)]
    return [*events, rest] if (rest := splitter.end()) else events


def test_line_ends_comments_marks_and_several_data_lines_are_read_as_the_standard_says() -> None:
    assert [fields(each) for each in split(STREAM)] == EVENTS


def test_a_cut_at_any_offset_gives_the_same_events() -> None:
    """U-40: the same events, also when the cut is inside a character or between CR and LF."""
    whole = split(STREAM)
    for first, second in halves(STREAM):
        assert split(first, second) == whole
    assert split(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == whole


@given(streams, cuts())
def test_any_portions_of_any_stream_give_the_same_pieces_which_join_to_the_same_bytes(
    stream: bytes, lengths: list[int]
) -> None:
    """U-40: nothing is lost, and where the network cut makes no difference."""
    pieces = split(*portions(stream, lengths))
    assert pieces == split(stream)
    joined = b"".join(pieces)
    assert joined.rstrip(b"\r\n") == stream.rstrip(b"\r\n")
    assert joined.startswith(stream.rstrip(b"\r\n"))


@given(streams)
def test_a_piece_has_one_blank_line_and_it_is_at_its_end(stream: bytes) -> None:
    for piece in split(stream):
        unified = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
        assert not unified or unified.endswith(b"\n\n")
        assert b"\n\n" not in unified.rstrip(b"\n")


def test_an_event_comes_out_with_its_last_byte() -> None:
    """U-41: an event is not held until the next one comes."""
    for blank in (b"\n\n", b"\r\n\r\n", b"\r\n\n"):
        splitter = Splitter()
        assert splitter.feed(b"data: x" + blank[:-1]) == []
        assert splitter.feed(blank[-1:]) == [b"data: x" + blank]


@pytest.mark.parametrize("rest", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b"data: [DONE]\r"])
def test_what_the_end_cut_short_is_ended_by_a_blank_line(rest: bytes) -> None:
    splitter = Splitter()
    assert splitter.feed(rest) == []
    end = splitter.end()
    assert end == rest + b"\n\n"
    assert fields(end) == ("", b"[DONE]")
    assert splitter.end() == b""


def test_a_blank_rest_is_nothing() -> None:
    assert split(b"data: x\n\n", b"\n") == [b"data: x\n\n"]


@pytest.mark.parametrize("data", [b"data: x\r\n\n", b"data: x\rid: 1\n\n", b"id: 1\ndata: x\n\n", b"data: x\n\r"])
def test_no_line_end_is_taken_for_data(data: bytes) -> None:
    assert fields(data) == ("", b"x")


@pytest.mark.parametrize("portion", [1 << 16, LIMIT_BYTES * 2], ids=["in portions", "at once"])
@pytest.mark.parametrize("end", [b"", b"\n\n"], ids=["endless", "ended"])
def test_an_event_past_the_limit_is_refused(portion: int, end: bytes) -> None:
    """U-40: the buffer is capped."""
    hostile = b"data: " + b"x" * LIMIT_BYTES + end
    with pytest.raises(TooLongError):
        split(*(hostile[at : at + portion] for at in range(0, len(hostile), portion)))


def test_events_of_more_bytes_than_the_limit_together_are_fine() -> None:
    piece = b"data: " + b"x" * (1 << 20) + b"\n\n"
    assert split(piece * 9) == [piece] * 9


@pytest.mark.parametrize("line", [b"x" * 64, b"x" * 62 + b"\r\n", b"x" * 63 + b"\n"], ids=["one", "crlf", "lf"])
def test_a_byte_more_costs_no_copy_of_what_was_there(line: bytes) -> None:
    """Hostile portions of one endless event take linear work: each feed allocates its own size, not the buffer's."""
    splitter = Splitter()
    splitter.feed(b"data: " + line * (1 << 14))
    tracemalloc.start()
    try:
        for _ in range(100):
            splitter.feed(line)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 17


def test_a_written_event_reads_as_it_was() -> None:
    assert fields(event(b"{}", "ping")) == ("ping", b"{}")
    assert fields(event(b"{}")) == ("", b"{}")
    assert split(event(b"1") + event(b"2", "n")) == [event(b"1"), event(b"2", "n")]
