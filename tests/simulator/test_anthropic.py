"""The Anthropic side as the official SDK, unmodified, reads it."""

from collections.abc import AsyncIterator

import anthropic as sdk
import pytest
from anthropic.types import Message, RawMessageStreamEvent, TextBlock

from gateway.simulator import anthropic
from gateway.simulator.faults import Fault, Script
from gateway.simulator.wire import Reply, Wire
from gateway.simulator.world import Question
from tests.simulator.plain_client import Simulated

MODEL = "claude-haiku-4-5"


@pytest.fixture
async def client(simulated: Simulated) -> AsyncIterator[sdk.AsyncAnthropic]:
    async with sdk.AsyncAnthropic(base_url=simulated.url, api_key="x", max_retries=0) as client:
        yield client


async def whole(client: sdk.AsyncAnthropic, *, limit: int = 500, stop: list[str] | None = None) -> Message:
    return await client.messages.create(
        model=MODEL,
        max_tokens=limit,
        system="Be brief.",
        messages=[{"role": "user", "content": [{"type": "text", "text": "Grüße: why is the sky blue?"}]}],
        stop_sequences=sdk.omit if stop is None else stop,
    )


async def events(client: sdk.AsyncAnthropic) -> list[RawMessageStreamEvent]:
    stream = await client.messages.create(
        model=MODEL,
        max_tokens=500,
        system="Be brief.",
        messages=[{"role": "user", "content": [{"type": "text", "text": "Grüße: why is the sky blue?"}]}],
        stream=True,
    )
    return [event async for event in stream]


def text_of(message: Message) -> str:
    (block,) = message.content
    assert isinstance(block, TextBlock)
    return block.text


async def test_a_whole_answer_parses_and_is_told_by_its_request_id(client: sdk.AsyncAnthropic) -> None:
    message = await whole(client)
    assert message.id.startswith("msg_")
    assert (message.type, message.role, message.model) == ("message", "assistant", MODEL)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert "Grüße: why is the sky blue?" in text_of(message)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert message.usage.cache_read_input_tokens == 0
    assert message._request_id is not None
    assert message._request_id.startswith("req_")


async def test_a_stream_says_the_same_as_the_whole_answer(client: sdk.AsyncAnthropic) -> None:
    message = await whole(client)
    async with client.messages.stream(
        model=MODEL,
        max_tokens=500,
        system="Be brief.",
        messages=[{"role": "user", "content": [{"type": "text", "text": "Grüße: why is the sky blue?"}]}],
    ) as stream:
        final = await stream.get_final_message()
    assert text_of(final) == text_of(message)
    assert final.usage == message.usage
    assert (final.id, final.stop_reason) == (message.id, message.stop_reason)


async def test_the_events_come_in_the_documented_order(client: sdk.AsyncAnthropic) -> None:
    kinds = [event.type for event in await events(client)]
    middle = kinds[2:-3]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(middle) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_the_first_event_tells_the_input_and_the_last_the_output(client: sdk.AsyncAnthropic) -> None:
    message, streamed = await whole(client), await events(client)
    first, last = streamed[0], streamed[-2]
    assert first.type == "message_start"
    assert last.type == "message_delta"
    assert (first.message.usage.input_tokens, first.message.usage.output_tokens) == (message.usage.input_tokens, 1)
    assert last.usage.output_tokens == message.usage.output_tokens


async def test_limit_and_stop_sequences_are_kept(client: sdk.AsyncAnthropic) -> None:
    limited = await whole(client, limit=3)
    assert limited.stop_reason == "max_tokens"
    assert (text_of(limited), limited.usage.output_tokens) == ("(simulated c", 3)
    stopped = await whole(client, stop=["zebra", "claude"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "claude")
    assert text_of(stopped) == "(simulated "


async def test_the_models_are_listed(client: sdk.AsyncAnthropic) -> None:
    assert MODEL in {model.id async for model in client.models.list()}


def test_a_list_of_no_models_is_still_a_page() -> None:
    assert b'"first_id":null' in anthropic.models([]).body


@pytest.mark.parametrize(
    ("fault", "status", "kind", "told"),
    [
        (Fault.RATE_LIMITED, 429, "rate_limit_error", "rate limit"),
        (Fault.QUOTA, 400, "invalid_request_error", "credit balance is too low"),
        (Fault.SERVER_ERROR, 500, "api_error", "Internal server error"),
        (Fault.OVERLOADED, 529, "overloaded_error", "Overloaded"),
        (Fault.AUTH, 401, "authentication_error", "invalid x-api-key"),
        (Fault.NOT_FOUND, 404, "not_found_error", MODEL),
        (Fault.BAD_REQUEST, 400, "invalid_request_error", "temperature"),
        (Fault.CONTEXT_LENGTH, 400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"),
    ],
)
async def test_errors_are_the_ones_the_sdk_knows(
    simulated: Simulated, client: sdk.AsyncAnthropic, fault: Fault, status: int, kind: str, told: str
) -> None:
    simulated.script("anthropic", fault)
    with pytest.raises(sdk.APIStatusError, match=told) as caught:
        await whole(client)
    assert (caught.value.status_code, caught.value.type) == (status, kind)
    assert caught.value.request_id is not None


async def test_an_error_in_a_stream_is_raised_by_the_sdk(simulated: Simulated, client: sdk.AsyncAnthropic) -> None:
    simulated.script("anthropic", Fault.ERROR_IN_STREAM)
    with pytest.raises(sdk.APIStatusError, match="Overloaded"):
        await events(client)


async def test_cached_tokens_are_counted_apart_from_the_fresh_input(
    simulated: Simulated, client: sdk.AsyncAnthropic
) -> None:
    plain = (await whole(client)).usage
    simulated.script("anthropic", Fault.USAGE_CACHED)
    usage = (await whole(client)).usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    assert read > 0
    assert written > 0
    assert usage.input_tokens + read + written == plain.input_tokens
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_5m_input_tokens == written


async def test_missing_usage_is_missing_in_both_ways(simulated: Simulated, client: sdk.AsyncAnthropic) -> None:
    simulated.faults.put(MODEL, Script(Fault.USAGE_MISSING))
    assert "usage" not in (await whole(client)).model_fields_set
    first, *_, last, _stop = await events(client)
    assert first.type == "message_start"
    assert "usage" not in first.message.model_fields_set
    assert "usage" not in last.model_fields_set


async def test_wrong_usage_contradicts_itself_alike_in_both_ways(
    simulated: Simulated, client: sdk.AsyncAnthropic
) -> None:
    simulated.faults.put(MODEL, Script(Fault.USAGE_WRONG))
    message, streamed = await whole(client), await events(client)
    usage, first, last = message.usage, streamed[0], streamed[-2]
    assert text_of(message)
    assert usage.input_tokens < 0
    assert (usage.cache_read_input_tokens or 0) > -usage.input_tokens
    assert (usage.cache_creation_input_tokens, usage.output_tokens) == (None, 0)
    assert first.type == "message_start"
    assert last.type == "message_delta"
    assert first.message.usage.input_tokens == last.usage.input_tokens == usage.input_tokens
    assert last.usage.cache_read_input_tokens == usage.cache_read_input_tokens
    assert last.usage.output_tokens == 0


async def test_split_usage_comes_in_three_events_with_nulls_and_adds_up_to_the_whole(
    simulated: Simulated, client: sdk.AsyncAnthropic
) -> None:
    plain = (await whole(client)).usage
    simulated.faults.put(MODEL, Script(Fault.USAGE_SPLIT))
    assert (await whole(client)).usage == plain
    first, *middle, half, last, _stop = await events(client)
    assert first.type == "message_start"
    assert (first.message.usage.input_tokens, first.message.usage.output_tokens) == (plain.input_tokens, 1)
    assert half.type == last.type == "message_delta"
    assert "message_delta" not in {event.type for event in middle}
    assert (half.delta.stop_reason, last.delta.stop_reason) == (None, "end_turn")
    assert (half.usage.input_tokens, last.usage.input_tokens) == (None, None)
    assert half.usage.cache_read_input_tokens is None
    assert 0 < half.usage.output_tokens < last.usage.output_tokens == plain.output_tokens


async def test_an_empty_and_a_filtered_answer_say_so(simulated: Simulated, client: sdk.AsyncAnthropic) -> None:
    simulated.script("anthropic", Fault.EMPTY)
    empty = await whole(client)
    assert (empty.content, empty.stop_reason) == ([], "end_turn")
    simulated.script("anthropic", Fault.EMPTY)
    assert [event.type for event in await events(client)] == ["message_start", "message_delta", "message_stop"]
    simulated.script("anthropic", Fault.CONTENT_FILTER)
    assert (await whole(client)).stop_reason == "refusal"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": None}, "model: Field required"),
        ({"model": 7}, "model: Input should be a valid string"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": "hello"}, "messages: Input should be a valid list"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_request_is_refused_in_the_dialect(changes: dict[str, object], told: str) -> None:
    document = {"model": "m", "max_tokens": 1, "messages": [{}], **changes}
    reply = anthropic.read(document, frozenset({"anthropic-version"}))
    assert isinstance(reply, Reply)
    assert reply.status == 400
    assert told in reply.body.decode()


def test_a_request_without_a_version_is_refused() -> None:
    reply = anthropic.read({"model": "m", "max_tokens": 1, "messages": [{}]}, frozenset())
    assert isinstance(reply, Reply)
    assert b"anthropic-version: header is required" in reply.body


def test_the_retry_hint_goes_with_any_error(question: Question) -> None:
    wire: Wire = anthropic
    assert ("retry-after", "1") in wire.failure(Fault.RATE_LIMITED, question, None).headers
    assert ("retry-after", "7") in wire.failure(Fault.QUOTA, question, 7).headers
    assert "retry-after" not in dict(wire.failure(Fault.OVERLOADED, question, None).headers)
