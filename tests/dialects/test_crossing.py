# ruff: noqa: FBT001 - a flag of a parametrised test is no flag argument
"""Answers that cross dialects: a stream says what the whole answer says, however the network cuts it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dialects.base import Answer, Block, StreamWriter
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.chat.stream import FINISH, STOPS
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.dialects.messages.stream import REASONS
from gateway.dialects.messages.stream import STOPS as MESSAGES_STOPS
from gateway.dialects.relay import Relay
from gateway.domain.chat import Stop
from gateway.domain.message import (
    CallPiece,
    DeclinedPiece,
    Part,
    Piece,
    Reply,
    Text,
    TextPiece,
    Thinking,
    ThoughtPiece,
    ToolCall,
)
from gateway.domain.usage import Usage
from tests.dialects.conversations import arguments, names, words
from tests.dialects.exchanges import ABOUT, ID, chat
from tests.dialects.portions import cuts, portions
from tests.dialects.streams import CALLING, CONTENT, DONE, END, READERS, chunk, named, whole

DIALECTS: dict[str, OpenAIChat | AnthropicMessages] = {"openai": OpenAIChat(), "anthropic": AnthropicMessages()}
OTHER = {"openai": "anthropic", "anthropic": "openai"}
both = pytest.mark.parametrize("dialect", sorted(DIALECTS))
ASKED = chat(thinking={"type": "enabled", "budget_tokens": 1024}, stream=True, stream_options={"include_usage": True})


def writer_of(dialect: str) -> StreamWriter:
    return DIALECTS[dialect].stream_writer(ASKED, ID)


def crossed(dialect: str, parts: Iterable[bytes]) -> tuple[bytes, Relay]:
    """Give what the other dialect's caller gets of a stream."""
    relay = Relay(READERS[dialect](), writer_of(OTHER[dialect]), hide_usage=False)
    return b"".join([*map(relay.feed, parts), relay.end()]), relay


def joined(pieces: Iterable[Piece]) -> list[Part]:
    """Give the parts of a message that pieces of a stream make up; neighbours of one kind are one."""
    parts: list[Part] = []
    calls: dict[int, int] = {}
    for piece in pieces:
        last = parts[-1] if parts else None
        match piece:
            case TextPiece() if isinstance(last, Text):
                parts[-1] = Text(last.text + piece.text)
            case TextPiece():
                parts.append(Text(piece.text))
            case ThoughtPiece() if isinstance(last, Thinking) and not (last.signature or last.redacted):
                parts[-1] = Thinking(last.text + piece.text, piece.signature, piece.redacted)
            case ThoughtPiece():
                parts.append(Thinking(piece.text, piece.signature, piece.redacted))
            case CallPiece() if piece.place in calls:
                call = parts[calls[piece.place]]
                assert isinstance(call, ToolCall)
                assert (piece.id, piece.name) == ("", ""), "both are sent once"
                parts[calls[piece.place]] = ToolCall(call.id, call.name, call.arguments + piece.arguments)
            case CallPiece():
                assert piece.place == len(calls) or piece.place == len(parts)
                calls[piece.place] = len(parts)
                parts.append(ToolCall(piece.id, piece.name, piece.arguments))
            case _:
                raise AssertionError(piece)
    return parts


def alike(parts: Iterable[Part]) -> list[object]:
    """Give parts with the arguments of calls as JSON, and one text for texts in a row."""
    seen: list[Any] = []
    for part in parts:
        if isinstance(part, ToolCall):
            seen.append((part.id, part.name, json.loads(part.arguments or "{}")))
        elif isinstance(part, Text) and seen and isinstance(seen[-1], str):
            seen[-1] += part.text
        else:
            seen.append(part.text if isinstance(part, Text) else part)
    return seen


def read(dialect: str, stream: bytes) -> tuple[list[Block], Any]:
    reader = READERS[dialect]()
    return [*reader.feed(stream), *reader.end()], reader


def streamed(dialect: str, reply: Reply, used: Usage) -> bytes:
    """Give a stream that says what a reply does, in pieces of a few characters."""
    writer = writer_of(dialect)
    out = [writer.start(reply.id, reply.model)]
    for place, part in enumerate(reply.parts):
        match part:
            case Text():
                out += [writer.piece(TextPiece(part.text[at : at + 3])) for at in range(0, len(part.text), 3)]
            case Thinking():
                out.append(writer.piece(ThoughtPiece(part.text)))
            case ToolCall():
                out.append(writer.piece(CallPiece(place, part.id, part.name)))
                said = part.arguments
                out += [writer.piece(CallPiece(place, arguments=said[at : at + 3])) for at in range(0, len(said), 3)]
            case _:
                raise AssertionError(part)
    return b"".join([*out, writer.finish(reply.stop, used)])


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    thoughts = [Thinking(each) for each in draw(st.lists(words, max_size=1))]
    texts = [Text(each) for each in draw(st.lists(words, max_size=1))]
    calls = [ToolCall(each, draw(names), draw(arguments)) for each in draw(st.lists(names, max_size=3, unique=True))]
    stops = [Stop.TOOL_USE] if calls else [Stop.END, Stop.LENGTH, Stop.REFUSAL]
    return Reply("a1", "m", (*thoughts, *texts, *calls) or (Text("So"),), draw(st.sampled_from(stops)))


used = st.builds(
    Usage, fresh_input_tokens=st.integers(0, 99), cache_read_tokens=st.integers(0, 99), output_tokens=st.integers(0, 99)
)


@both
@given(reply=replies(), told=used, lengths=cuts())
def test_a_stream_that_crossed_says_what_the_whole_answer_does(
    dialect: str, reply: Reply, told: Usage, lengths: list[int]
) -> None:
    """U-33 U-43 U-44 U-45: text, thoughts, calls, arguments, reason and usage, and both what was sent."""
    provider, caller = DIALECTS[dialect], DIALECTS[OTHER[dialect]]
    body = provider.write_answer(reply, told, ABOUT, ASKED)
    answer = provider.read_answer(body)
    assert isinstance(answer, Answer)
    assert answer.usage is not None
    back = caller.read_answer(caller.write_answer(provider.reply(answer), answer.usage, ABOUT, ASKED))
    assert isinstance(back, Answer)
    from_whole = caller.reply(back)
    stream, relay = crossed(dialect, portions(streamed(dialect, reply, told), lengths))
    blocks, reader = read(OTHER[dialect], stream)
    from_stream = joined(piece for block in blocks for piece in block.pieces)
    assert alike(from_stream) == alike(from_whole.parts) == alike(reply.parts)
    assert (reader.stop, reader.usage, reader.id, reader.model) == (reply.stop, told, "a1", "m")
    assert (from_whole.stop, back.usage, from_whole.id, from_whole.model) == (reply.stop, told, "a1", "m")
    assert (relay.closed, relay.bad) == (True, None)


def ended(stream: bytes, end: bytes, *, bom: bool, comments: bool) -> bytes:
    """Give a stream with other ends of lines, a byte order mark, and comments between the events and within them."""
    if comments:
        stream = b": hello\n" + stream.replace(b"\ndata: ", b"\n: keep\ndata: ").replace(b"\n\n", b"\n\n: ping\n\n")
    return (b"\xef\xbb\xbf" if bom else b"") + stream.replace(b"\n", end)


BARE = {dialect: b"".join((*CONTENT[dialect], END[dialect])) for dialect in DIALECTS}
"""Streams that begin with what they say."""
STREAMS = [
    (dialect, stream) for dialect in sorted(DIALECTS) for stream in (CALLING[dialect], whole(dialect), BARE[dialect])
]


@given(st.sampled_from(STREAMS), cuts(), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans(), st.booleans())
@example(STREAMS[0], [1], b"\r\n", True, True)
@example(STREAMS[3], [1], b"\r", True, True)
@example(STREAMS[5], [1], b"\n", True, False)
def test_a_stream_crosses_alike_however_it_is_cut_and_its_lines_end(
    recorded: tuple[str, bytes], lengths: list[int], end: bytes, bom: bool, comments: bool
) -> None:
    """U-40, on the way to the other dialect: bytes, usage and counters."""
    dialect, stream = recorded
    expected, straight = crossed(dialect, [stream])
    bent = ended(stream, end, bom=bom, comments=comments)
    out, relay = crossed(dialect, portions(bent, lengths))
    assert out == expected
    assert (relay.closed, relay.bad, relay.garbage) == (straight.closed, straight.bad, 0)
    assert (relay.usage, relay.model, relay.characters) == (straight.usage, straight.model, straight.characters)


def test_the_same_answer_of_either_provider_is_the_same_for_callers() -> None:
    """Two recorded streams of one answer, one of each provider, read alike in the caller's dialect."""
    from_anthropic, _ = crossed("anthropic", [CALLING["anthropic"]])
    from_openai, _ = crossed("openai", [CALLING["openai"]])
    for crossing, native in ((from_anthropic, "openai"), (from_openai, "anthropic")):
        (blocks, reader), (own_blocks, own_reader) = read(native, crossing), read(native, CALLING[native])
        said, own = (
            [
                part
                for part in joined(piece for block in each for piece in block.pieces)
                if not isinstance(part, Thinking)
            ]
            for each in (blocks, own_blocks)
        )
        assert alike(said) == alike(own)
        assert (reader.stop, reader.usage) == (own_reader.stop, own_reader.usage)


def data_of(stream: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def test_calls_for_openais_clients_are_numbered_from_nothing_without_gaps() -> None:
    """U-45: id and name once, and arguments that are an object even where the model sent none."""
    stream, _ = crossed("anthropic", [CALLING["anthropic"]])
    deltas = [event["choices"][0]["delta"] for event in data_of(stream) if event["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert [(call["index"], call["id"], call["function"]["name"]) for call in calls if "id" in call] == [
        (0, "call_a", "f"),
        (1, "call_b", "f"),
    ]
    written = ["".join(call["function"]["arguments"] for call in calls if call["index"] == place) for place in (0, 1)]
    assert written == ['{"city": "París"}', "{}"]
    assert "signature" not in str(deltas)


def test_blocks_for_anthropics_clients_are_numbered_from_nothing_and_closed_in_turn() -> None:
    """U-45: message_start ... message_stop in exactly their order."""
    stream, _ = crossed("openai", [CALLING["openai"]])
    events = data_of(stream)
    outline = [(event["type"], event.get("index")) for event in events if event["type"] != "content_block_delta"]
    assert outline == [
        ("message_start", None),
        *((kind, index) for index in range(4) for kind in ("content_block_start", "content_block_stop")),
        ("message_delta", None),
        ("message_stop", None),
    ]
    open_block = None
    for event in events:
        if event["type"] == "content_block_start":
            open_block = event["index"]
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
    kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]


TOOLS = [
    pytest.param(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
        [ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")],
        id="all numbered nothing",
    ),
    pytest.param(
        [{"id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"function": {"arguments": "}"}}, {"id": "b", "function": {"name": "g", "arguments": "{}"}}],
        [ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")],
        id="no numbers",
    ),
    pytest.param(
        [{"function": {"name": "f", "arguments": "{}"}}],
        [{"function": {"name": "f", "arguments": "{}"}}],
        [ToolCall("call_0_c1", "f", "{}"), ToolCall("call_1_c1", "f", "{}")],
        id="neither numbers nor ids",
    ),
    pytest.param(
        [{"index": 0, "function": {"name": "f", "arguments": "{"}}],
        [{"index": 0, "function": {"name": "f", "arguments": "}"}}],
        [ToolCall("call_0_c1", "f", "{}")],
        id="no id, and a name in each piece",
    ),
    pytest.param(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"index": 0, "id": "made up", "function": {"arguments": "}"}}],
        [ToolCall("a", "f", "{}")],
        id="another id in each piece",
    ),
    pytest.param(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}}],
        [ToolCall("a", "f", "{}")],
        id="all of it in each piece",
    ),
    pytest.param(
        [{"index": 1, "id": "a", "function": {"name": "f"}}],
        [{"index": 7, "id": "b", "function": {"name": "g"}}],
        [ToolCall("a", "f", ""), ToolCall("b", "g", "")],
        id="numbers with gaps",
    ),
]


@pytest.mark.parametrize(("first", "second", "expected"), TOOLS)
def test_the_ways_in_which_servers_number_calls_are_read(
    first: Sequence[object], second: Sequence[object], expected: list[ToolCall]
) -> None:
    """U-43 U-45."""
    stream = chunk({"tool_calls": first}) + chunk({"tool_calls": second}) + chunk({}, "stop") + DONE
    blocks, reader = read("openai", stream)
    assert joined(piece for block in blocks for piece in block.pieces) == expected
    assert reader.stop is Stop.TOOL_USE, "whatever the server says at the end"


def test_arguments_that_come_late_are_added_to_their_call() -> None:
    """A server that sends two calls by turns: each delta has the index of its block."""
    writer = writer_of("anthropic")
    pieces = (
        *(CallPiece(0, "a", "f", "{"), CallPiece(1, "b", "g", "{"), CallPiece(0, arguments="}")),
        CallPiece(1, arguments="}"),
    )
    stream = writer.start("m", "c") + b"".join(map(writer.piece, pieces)) + writer.finish(Stop.TOOL_USE, None)
    blocks, _ = read("anthropic", stream)
    said = [piece for block in blocks for piece in block.pieces if isinstance(piece, CallPiece)]
    assert ["".join(piece.arguments for piece in said if piece.place == place) for place in (0, 1)] == ["{}", "{}"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(reason, FINISH[stop]) for reason, stop in MESSAGES_STOPS.items()],
)
def test_every_reason_of_anthropic_has_one_for_openais_callers(reason: str, expected: str) -> None:
    """U-44: in a stream and in a whole answer."""
    block = {"type": "text", "text": "Hi"}
    answer = AnthropicMessages().read_answer(json.dumps({"content": [block], "stop_reason": reason}).encode())
    assert isinstance(answer, Answer)
    body = json.loads(OpenAIChat().write_answer(AnthropicMessages().reply(answer), None, ABOUT, chat()))
    assert body["choices"][0]["finish_reason"] == expected
    stream, _ = crossed(
        "anthropic",
        [
            named("content_block_start", index=0, content_block=block),
            named("message_delta", delta={"stop_reason": reason}),
            named("message_stop"),
        ],
    )
    assert data_of(stream)[-1]["choices"][0]["finish_reason"] == expected


@pytest.mark.parametrize(("reason", "expected"), [(reason, REASONS[stop]) for reason, stop in STOPS.items()])
def test_every_reason_of_openai_has_one_for_anthropics_callers(reason: str, expected: str) -> None:
    """U-44: in a stream and in a whole answer."""
    choice = {"message": {"content": "Hi"}, "finish_reason": reason}
    answer = OpenAIChat().read_answer(json.dumps({"choices": [choice]}).encode())
    assert isinstance(answer, Answer)
    assert (
        json.loads(AnthropicMessages().write_answer(OpenAIChat().reply(answer), None, ABOUT, chat()))["stop_reason"]
        == expected
    )
    stream, _ = crossed("openai", [chunk({"content": "Hi"}), chunk({}, reason), DONE])
    assert data_of(stream)[-2]["delta"]["stop_reason"] == expected


def test_words_of_refusal_are_text_for_anthropics_callers() -> None:
    """U-44: with the reason that says so."""
    stream, relay = crossed("openai", [chunk({"refusal": "I can"}), chunk({"refusal": "not"}), chunk({}, "stop"), DONE])
    blocks, reader = read("anthropic", stream)
    assert joined(piece for block in blocks for piece in block.pieces) == [Text("I cannot")]
    assert (reader.stop, relay.bad) == (Stop.REFUSAL, None)
    declined = OpenAIChat().stream_writer(ASKED, ID).piece(DeclinedPiece("No"))
    assert data_of(declined)[0]["choices"][0]["delta"] == {"refusal": "No"}


def test_what_a_text_rests_on_comes_once_and_at_the_end() -> None:
    """OpenAI's client takes one list of annotations in a stream, and fails at another."""
    page = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "q"}

    def cited(index: int, text: str) -> bytes:
        return (
            named("content_block_start", index=index, content_block={"type": "text", "text": "", "citations": []})
            + named("content_block_delta", index=index, delta={"type": "citations_delta", "citation": page})
            + named("content_block_delta", index=index, delta={"type": "text_delta", "text": text})
            + named("content_block_stop", index=index)
        )

    stream, _ = crossed("anthropic", [cited(0, "Hé "), cited(1, "yes"), named("message_stop")])
    deltas = [event["choices"][0]["delta"] for event in data_of(stream)]
    lists = [delta["annotations"] for delta in deltas if "annotations" in delta]
    assert [
        [(each["url_citation"]["start_index"], each["url_citation"]["end_index"]) for each in one] for one in lists
    ] == [[(0, 3), (3, 6)]]
    assert deltas[-1] == {}, "and the finish is the last"


def test_thoughts_are_not_for_those_who_did_not_ask_for_them() -> None:
    relay = Relay(READERS["openai"](), DIALECTS["anthropic"].stream_writer(chat(stream=True), ID), hide_usage=False)
    events = data_of(relay.feed(CALLING["openai"]))
    kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert kinds == ["text", "tool_use", "tool_use"]
