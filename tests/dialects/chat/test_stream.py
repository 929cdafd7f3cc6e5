import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from openai import APIError, AsyncOpenAI

from gateway.dialects.base import Answer, Block, Kind
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.chat.stream import FAILURES, Reader, Writer
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.message import CallPiece, DeclinedPiece, Piece, TextPiece, ThoughtPiece
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from tests.dialects.exchanges import BLAME, ID, odd_values
from tests.dialects.streams import DONE, chunk


def read(*events: bytes) -> tuple[Reader, list[Block]]:
    reader = Reader()
    return reader, [block for event in events for block in reader.feed(event)]


THOUGHT_LIST = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hmm"}]},
    {"type": "text", "text": "Hi"},
]
CALLS = [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"x"'}}]


@pytest.mark.parametrize(
    ("event", "kind", "characters", "pieces"),
    [
        (b": comment\n\n", Kind.PREAMBLE, 0, ()),
        (b"event: x\n\n", Kind.PREAMBLE, 0, ()),
        (chunk({"role": "assistant", "content": "", "tool_calls": [], "annotations": ["x"]}), Kind.PREAMBLE, 0, ()),
        (chunk({"content": "Hi"}), Kind.CONTENT, 2, (TextPiece("Hi"),)),
        (chunk({"content": "Hi"}, "stop"), Kind.CONTENT, 2, (TextPiece("Hi"),)),
        (chunk({"reasoning_content": "Hmm"}), Kind.CONTENT, 3, (ThoughtPiece("Hmm"),)),
        (chunk({"reasoning": "Hmm", "content": ""}), Kind.CONTENT, 3, (ThoughtPiece("Hmm"),)),
        (chunk({"reasoning": "Hmm", "reasoning_content": "Hmm"}), Kind.CONTENT, 6, (ThoughtPiece("Hmm"),)),
        (chunk({"content": THOUGHT_LIST}), Kind.CONTENT, 5, (ThoughtPiece("Hmm"), TextPiece("Hi"))),
        (chunk({"refusal": "No"}), Kind.CONTENT, 2, (DeclinedPiece("No"),)),
        (chunk({"tool_calls": CALLS}), Kind.CONTENT, 4, (CallPiece(0, "call_1", "f", '{"x"'),)),
        (chunk({}, "stop"), Kind.TAIL, 0, ()),
        (chunk(), Kind.PREAMBLE, 0, ()),
        (chunk(usage={"prompt_tokens": 1}), Kind.USAGE, 0, ()),
        (DONE, Kind.END, 0, ()),
        (b"data:[DONE]\r\n\r\n", Kind.END, 0, ()),
        (b"data: [DONE]\r\n\n", Kind.END, 0, ()),
        (b"data: {\n\n", Kind.GARBAGE, 0, ()),
        (b"data: []\n\n", Kind.GARBAGE, 0, ()),
        (b'data: {"id": "\xff"}\n\n', Kind.GARBAGE, 0, ()),
        (b'data: {"error": "x"}\n\n', Kind.ERROR, 0, ()),
    ],
)
def test_an_event_is_what_it_means_for_the_caller(
    event: bytes, kind: Kind, characters: int, pieces: tuple[Piece, ...]
) -> None:
    _, blocks = read(event)
    assert blocks == [Block(event, kind, characters, pieces)]


@given(odd_values)
def test_no_event_is_too_odd_to_read(value: object) -> None:
    fields = value if isinstance(value, dict) else {"choices": value, "usage": value, "id": value}
    read(b"data: " + json.dumps(fields).encode() + b"\n\n", chunk(value, value), chunk({"tool_calls": value}))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([chunk({"content": "x"}, usage=None)], None, id="null"),
        pytest.param([chunk({"content": "x"})], None, id="absent"),
        pytest.param([chunk(usage={})], None, id="empty"),
        pytest.param([chunk(usage={"prompt_tokens_details": {"cached_tokens": 0}})], None, id="a part without counts"),
        pytest.param([chunk(usage={"prompt_tokens": "3", "completion_tokens": -1})], None, id="no counts"),
        pytest.param([chunk(usage={"prompt_tokens": 0, "completion_tokens": 0})], Usage(), id="zero"),
        pytest.param([chunk(usage={"completion_tokens": 0})], Usage(), id="one zero"),
        pytest.param(
            [chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": 1})],
            Usage(fresh_input_tokens=3, output_tokens=1),
            id="beside choices",
        ),
        pytest.param(
            [
                chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
                chunk(usage={"prompt_tokens": None, "completion_tokens": 2}),
                chunk({}, "stop", usage=None),
            ],
            Usage(fresh_input_tokens=3, output_tokens=2),
            id="the last values that are not null",
        ),
        pytest.param(
            [
                chunk({"role": "assistant"}, usage={"prompt_tokens_details": {"cached_tokens": 1}}),
                chunk({"content": "x"}, usage=None),
                chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": None}),
                chunk(usage={"prompt_tokens": None, "completion_tokens": None}),
            ],
            Usage(fresh_input_tokens=2, cache_read_tokens=1, output_tokens=1),
            id="a part early, all beside choices, nulls at the end",
        ),
    ],
)
def test_usage_is_what_was_last_said(events: list[bytes], expected: Usage | None) -> None:
    """U-32 U-34: null, absent, zero, split, and beside choices; an object without a count reports nothing."""
    assert read(*events)[0].usage == expected


USAGES: list[dict[str, Any]] = [
    {"prompt_tokens": 30, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 20}},
    {"prompt_tokens": 3, "completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 40}},
    {"prompt_tokens": 3, "completion_tokens": None},
    {},
]


@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize("tier", [None, "default", "flex"])
def test_a_stream_and_the_whole_answer_give_equal_usage(usage: dict[str, Any], tier: str | None) -> None:
    """U-33."""
    choices = [{"message": {"content": "Hi"}, "finish_reason": "stop"}]
    whole = OpenAIChat().read_answer(json.dumps({"choices": choices, "usage": usage, "service_tier": tier}).encode())
    assert isinstance(whole, Answer)
    stream = (chunk({"content": "Hi"}, usage=None, service_tier=tier), chunk({}, "stop"), chunk(usage=usage), DONE)
    assert read(*stream)[0].usage == whole.usage


def test_what_was_said_stands_in_the_attributes() -> None:
    first = chunk(id="", model="", prompt_filter_results=[])
    reader, _ = read(first, chunk({"content": "Hi"}), chunk({}, "length"), chunk(None, id="other"))
    assert (reader.id, reader.model, reader.stop) == ("c1", "gpt-x", Stop.LENGTH)


@pytest.mark.parametrize(("word", "failure"), [*FAILURES.items(), ("new", Failure.SERVER_ERROR)])
def test_an_error_event_is_the_failure_it_stands_for(word: str, failure: Failure) -> None:
    """U-14: by its code, or by its type where that says nothing."""
    for error in ({"code": word, "message": "m"}, {"code": None, "type": word, "message": "m"}):
        reader, _ = read(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
        assert reader.bad is not None
        assert (reader.bad.failure, reader.bad.error.message) == (failure, "m")


async def served(body: bytes) -> TestServer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    server = TestServer(app)
    await server.start_server()
    return server


async def asked(body: bytes) -> list[Any]:
    server = await served(body)
    try:
        async with AsyncOpenAI(base_url=str(server.make_url("/v1")), api_key="x", max_retries=0) as client:
            stream = await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            return [each async for each in stream]
    finally:
        await server.close()


@pytest.mark.parametrize("wants_usage", [True, False])
async def test_the_official_sdk_reads_what_is_written(wants_usage: bool) -> None:  # noqa: FBT001
    writer = Writer(7, wants_usage=wants_usage)
    used = Usage(fresh_input_tokens=3, cache_read_tokens=4, output_tokens=2)
    begun = writer.start("m1", "c")
    written = begun + b"".join(writer.piece(TextPiece(text)) for text in ("Hé", "llo\n🙂"))
    written += writer.finish(Stop.LENGTH, used)
    chunks = await asked(written)
    choices = [each.choices[0] for each in chunks if each.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "Héllo\n🙂"
    assert (choices[0].delta.role, choices[-1].finish_reason) == ("assistant", "length")
    assert {(each.id, each.model, each.created) for each in chunks} == {("m1", "c", 7)}
    assert (chunks[-1].usage.total_tokens if chunks[-1].usage else None) == (9 if wants_usage else None)


async def test_the_official_sdk_raises_for_an_error_event() -> None:
    """U-06: a broken stream does not look like an end."""
    event = OpenAIChat().error_event(ProviderError(200, message="broken off"), BLAME, ID)
    writer = Writer(7, wants_usage=False)
    with pytest.raises(APIError, match="broken off"):
        await asked(writer.start("m1", "c") + writer.piece(TextPiece("Hé")) + event)
