"""Blocks that are told by their bytes alone: the same stream comes out as when every block is decoded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.base import Kind
from gateway.dialects.chat import stream as openai_stream
from gateway.dialects.events import Alike
from gateway.dialects.messages import stream as anthropic_stream
from gateway.dialects.relay import Relay
from tests.dialects.portions import cuts, portions

texts = st.text(alphabet=st.sampled_from('ab"\\{}:,ü漢\n[]'), max_size=12)
deltas: st.SearchStrategy[dict[str, object]] = st.one_of(
    texts.map(lambda text: {"content": text}),
    texts.map(lambda text: {"content": f"{text}."}),
    texts.map(lambda text: {"content": f"a{text}"}),
    texts.map(lambda text: {"role": "assistant", "content": text}),
    texts.map(lambda text: {"content": text, "tool_calls": []}),
    texts.map(lambda text: {"reasoning_content": text}),
    st.just({"content": '"finish_reason":null'}),
    st.just({}),
)
extras: st.SearchStrategy[dict[str, object]] = st.sampled_from(
    [
        {},
        {"usage": None},
        {"usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        {"error": None},
        {"error": {"code": 1}},
    ]
)


def compact(fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    reasons: list[str | None] = draw(st.sampled_from([[None], [None], [None, "stop"], ["length", None], ["stop"]]))
    choices = [{"index": place, "delta": draw(deltas), "finish_reason": reason} for place, reason in enumerate(reasons)]
    fields: dict[str, object] = {"id": "c1", "model": "gpt", "choices": choices, **draw(extras)}
    return sse.event(compact(fields))


@st.composite
def events(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["text_delta", "thinking_delta", "input_json_delta"]))
    name = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}[kind]
    fields = {"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: draw(texts)}}
    return sse.event(compact(fields), "content_block_delta")


@given(st.lists(chunks(), min_size=2, max_size=8), cuts())
def test_openais_chunks_pass_as_if_decoded(parts: list[bytes], lengths: list[int]) -> None:
    stream = b"".join(parts) + b"data: [DONE]\n\n"
    quick = Relay(openai_stream.Reader(pieces=False), None, hide_usage=True)
    slow = Relay(openai_stream.Reader(pieces=True), None, hide_usage=True)
    assert b"".join(map(quick.feed, portions(stream, lengths))) == slow.feed(stream)
    assert (quick.bad, quick.closed, quick.committed, quick.usage) == (
        slow.bad,
        slow.closed,
        slow.committed,
        slow.usage,
    )


@given(st.lists(events(), max_size=6), cuts())
def test_anthropics_deltas_pass_as_if_decoded(parts: list[bytes], lengths: list[int]) -> None:
    start = sse.event(compact({"type": "message_start", "message": {"id": "m", "model": "c"}}), "message_start")
    stream = start + b"".join(parts) + sse.event(compact({"type": "message_stop"}), "message_stop")
    quick = Relay(anthropic_stream.Reader(pieces=False), None, hide_usage=False)
    slow = Relay(anthropic_stream.Reader(pieces=True), None, hide_usage=False)
    assert b"".join(map(quick.feed, portions(stream, lengths))) == slow.feed(stream)
    assert (quick.bad, quick.closed, quick.committed) == (slow.bad, slow.closed, slow.committed)


def test_the_plain_blocks_of_real_streams_are_not_decoded() -> None:
    """Else there would be nothing gained: these are the forms in which the providers send them."""
    openai = (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":'
        b'[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
    )
    anthropic = (
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n'
    )
    assert openai_stream.plain_text(openai)[1] == anthropic_stream.plain_text(anthropic)[1] == len("Hello")
    for raw, plain_text in ((openai, openai_stream.plain_text), (anthropic, anthropic_stream.plain_text)):
        alike = Alike()
        assert alike.characters(raw) == 0, "nothing is alike before one was learnt"
        alike.learn(raw, *plain_text(raw))
        assert alike.characters(raw.replace(b"Hello", b"world, it is")) == len("world, it is")
        assert alike.characters(raw.replace(b"Hello", "h\u00e4, \\n\\u00e4".encode())) == len("h\u00e4, \n\u00e4"), (
            "not its bytes"
        )
        assert alike.characters(raw.replace(b"Hello", b'\\"')) == 0, "a quotation mark is for the decoder"
        assert alike.characters(raw.replace(b'"Hello"', b'"","tool_calls":[1]')) == 0


@given(st.lists(st.text(alphabet=st.sampled_from('ab"\\\n.'), max_size=4), max_size=8))
def test_a_run_is_what_its_events_are_one_by_one(said: list[str]) -> None:
    """Those at the front that are alike, as long as none of them has to be looked at for itself."""
    raw = b'data: {"text":"Hello"}\n\n'
    alike, events = Alike(), [raw.replace(b'"Hello"', compact(text)) for text in said]
    assert alike.run(events)[1] == 0, "nothing is alike before one was learnt"
    alike.learn(raw, raw.index(b"Hello"), len(b"Hello"))
    joined, count, characters = alike.run(events)
    each = [alike.characters(event) for event in events]
    assert joined == b"".join(events[:count])
    assert (count, characters) == ((len(events), sum(each)) if all(each) else (0, 0))
    *_, other = events, b"data: [DONE]\n\n"
    assert alike.run([*events, other]) == (joined, count, characters)


@pytest.mark.parametrize("reader", [openai_stream.Reader(pieces=False), anthropic_stream.Reader(pieces=False)])
def test_an_unfinished_block_is_never_taken_for_plain(reader: openai_stream.Reader | anthropic_stream.Reader) -> None:
    """Half an event at the end of a connection is nobody's text."""
    for raw in (
        b'data: {"id":"1","choices":[{"delta":{"content":"He',
        b'event: content_block_delta\ndata: {"type":"co',
    ):
        assert list(reader.feed(raw)) == []
        assert all(block.kind is not Kind.CONTENT for block in reader.end())
