import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from anthropic import APIStatusError, AsyncAnthropic
from hypothesis import given

from gateway.dialects.base import Answer, Block, Kind
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.dialects.messages.stream import FAILURES, STOPS, Reader, Writer
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.message import CallPiece, Piece, TextPiece, ThoughtPiece
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from tests.dialects.exchanges import BLAME, ID, odd_values
from tests.dialects.streams import STOP, delta, named


def read(*events: bytes) -> tuple[Reader, list[Block]]:
    reader = Reader()
    return reader, [block for event in events for block in reader.feed(event)]


def started(**block: object) -> bytes:
    return named("content_block_start", index=0, content_block=block)


def changed(**part: object) -> bytes:
    return named("content_block_delta", index=0, delta=part)


WHOLE_CALL = CallPiece(0, "t", "f", '{"x":1}')


@pytest.mark.parametrize(
    ("event", "kind", "characters", "pieces"),
    [
        (named("message_start", message={"id": "m1"}), Kind.PREAMBLE, 0, ()),
        (named("ping"), Kind.PREAMBLE, 0, ()),
        (named("new_event"), Kind.PREAMBLE, 0, ()),
        (b": comment\n\n", Kind.PREAMBLE, 0, ()),
        (started(type="text", text=""), Kind.PREAMBLE, 0, ()),
        (started(type="text", text="Hi"), Kind.CONTENT, 2, (TextPiece("Hi"),)),
        (started(type="thinking", thinking="", signature=""), Kind.PREAMBLE, 0, ()),
        (started(type="redacted_thinking", data="x"), Kind.CONTENT, 0, (ThoughtPiece(redacted="x"),)),
        (started(type="tool_use", id="t", name="f", input={}), Kind.CONTENT, 0, (CallPiece(0, "t", "f"),)),
        (
            started(type="tool_use", id="t", name="f", input={"x": 1}),
            Kind.CONTENT,
            0,
            (CallPiece(0, "t", "f", '{"x":1}'),),
        ),
        (started(type="server_tool_use", id="t", name="web_search", input={}), Kind.CONTENT, 0, ()),
        (delta(""), Kind.PREAMBLE, 0, ()),
        (delta("Hi"), Kind.CONTENT, 2, (TextPiece("Hi"),)),
        (changed(type="thinking_delta", thinking="Hmm"), Kind.CONTENT, 3, (ThoughtPiece("Hmm"),)),
        (changed(type="input_json_delta", partial_json='{"x"'), Kind.CONTENT, 4, ()),
        (changed(type="signature_delta", signature="s"), Kind.CONTENT, 0, (ThoughtPiece(signature="s"),)),
        (named("content_block_stop", index=0), Kind.PREAMBLE, 0, ()),
        (named("message_delta", delta={"stop_reason": "end_turn"}), Kind.TAIL, 0, ()),
        (STOP, Kind.END, 0, ()),
        (b"event: x\ndata: {\n\n", Kind.GARBAGE, 0, ()),
        (b'data: "\xff"\n\n', Kind.GARBAGE, 0, ()),
        (named("error", error={"type": "api_error"}), Kind.ERROR, 0, ()),
    ],
)
def test_an_event_is_what_it_means_for_the_caller(
    event: bytes, kind: Kind, characters: int, pieces: tuple[Piece, ...]
) -> None:
    _, blocks = read(event)
    assert blocks == [Block(event, kind, characters, pieces)]


@given(odd_values)
def test_no_event_is_too_odd_to_read(value: object) -> None:
    kinds = ("message_start", "content_block_start", "content_block_delta", "message_delta", "error")
    names = ("message", "content_block", "delta", "usage", "error")
    read(*(named(kind, **dict.fromkeys(names, value)) for kind in kinds))
    within = {"text": value, "stop_reason": value, "id": value, "partial_json": value}
    read(*(named(kind, **{name: within for name in names}) for kind in kinds))  # noqa: C420 - never changed


def counted(kind: str, usage: object) -> bytes:
    return named(kind, message={"usage": usage}) if kind == "message_start" else named(kind, delta={}, usage=usage)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(None, None, None, id="none"),
        pytest.param({}, {"output_tokens": None}, None, id="null"),
        pytest.param({"service_tier": "standard"}, {"output_tokens": "9", "input_tokens": -1}, None, id="no counts"),
        pytest.param(
            {"input_tokens": -2, "cache_read_input_tokens": 3, "output_tokens": 1},
            {"output_tokens": 0},
            Usage(cache_read_tokens=3),
            id="below nothing",
        ),
        pytest.param({"input_tokens": 0}, {"output_tokens": 0}, Usage(), id="zero"),
        pytest.param(
            {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1},
            {"output_tokens": 9},
            Usage(fresh_input_tokens=3, cache_read_tokens=4, output_tokens=9),
            id="split over two events",
        ),
        pytest.param(
            {"input_tokens": 0},
            {"input_tokens": 5, "output_tokens": 2},
            Usage(fresh_input_tokens=5, output_tokens=2),
            id="input at the end",
        ),
        pytest.param(
            {"input_tokens": 3},
            {"input_tokens": None, "output_tokens": 2},
            Usage(fresh_input_tokens=3, output_tokens=2),
            id="late null",
        ),
    ],
)
def test_usage_is_what_was_last_said(start: object, end: object, expected: Usage | None) -> None:
    """U-32 U-33 U-34: null, absent, zero, split over events; equal to the same counters in a whole answer."""
    reader, _ = read(counted("message_start", start), counted("message_delta", end))
    assert reader.usage == expected
    joined = {**(start if isinstance(start, dict) else {}), **(end if isinstance(end, dict) else {})}
    if joined.get("input_tokens") is None:
        joined |= start if isinstance(start, dict) else {}
    body = {"content": [{"type": "text", "text": "Hi"}], "usage": joined}
    whole = AnthropicMessages().read_answer(json.dumps(body).encode())
    assert isinstance(whole, Answer)
    assert whole.usage == expected


@pytest.mark.parametrize(("reason", "stop"), [*STOPS.items(), ("new", Stop.END)])
def test_every_reason_to_stop_is_read(reason: str, stop: Stop) -> None:
    """U-44."""
    reader, _ = read(named("message_delta", delta={"stop_reason": reason}), named("message_delta", delta={}))
    assert reader.stop is stop


@pytest.mark.parametrize(("word", "failure"), [*FAILURES.items(), ("new", Failure.SERVER_ERROR)])
def test_an_error_event_is_the_failure_it_stands_for(word: str, failure: Failure) -> None:
    """U-14."""
    reader, _ = read(named("error", error={"type": word, "message": "m"}))
    assert reader.bad is not None
    assert (reader.bad.failure, reader.bad.error.message) == (failure, "m")


async def asked(body: bytes) -> list[Any]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        async with AsyncAnthropic(base_url=str(server.make_url("")), api_key="x", max_retries=0) as client:
            stream = await client.messages.create(
                model="auto", max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            return [each async for each in stream]
    finally:
        await server.close()


async def test_the_official_sdk_reads_what_is_written() -> None:
    writer = Writer()
    used = Usage(fresh_input_tokens=3, cache_read_tokens=4, cache_write_5m_tokens=5, output_tokens=2)
    begun = writer.start("c1", "gpt")
    written = begun + b"".join(writer.piece(TextPiece(text)) for text in ("Hé", "llo\n🙂"))
    written += writer.finish(Stop.LENGTH, used)
    events = await asked(written)
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert (events[0].message.id, events[0].message.model) == ("c1", "gpt")
    assert "".join(event.delta.text for event in events if event.type == "content_block_delta") == "Héllo\n🙂"
    assert events[-2].delta.stop_reason == "max_tokens"
    said = events[-2].usage
    assert (said.input_tokens, said.cache_read_input_tokens, said.cache_creation_input_tokens, said.output_tokens) == (
        3,
        4,
        5,
        2,
    )


@pytest.mark.parametrize(
    ("kind", "expected"), [("overloaded_error", "overloaded_error"), ("odd", "api_error"), ("", "api_error")]
)
async def test_the_official_sdk_raises_for_an_error_event(kind: str, expected: str) -> None:
    """U-06: a broken stream does not look like an end."""
    event = AnthropicMessages().error_event(ProviderError(200, kind, message="broken off"), BLAME, ID)
    writer = Writer()
    with pytest.raises(APIStatusError, match="broken off") as raised:
        await asked(writer.start("c1", "gpt") + writer.piece(TextPiece("Hé")) + event)
    body = raised.value.body
    assert isinstance(body, dict)
    assert body["error"]["type"] == expected
