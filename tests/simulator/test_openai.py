"""The OpenAI side as the official SDK, unmodified, reads it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import openai as sdk
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.simulator import openai
from gateway.simulator.faults import Fault, Script
from gateway.simulator.wire import Reply, Wire
from gateway.simulator.world import Question, answer
from tests.simulator.plain_client import Simulated

MODEL = "gpt-4o-mini"


@pytest.fixture
async def client(simulated: Simulated) -> AsyncIterator[sdk.AsyncOpenAI]:
    async with sdk.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="x", max_retries=0) as client:
        yield client


async def whole(client: sdk.AsyncOpenAI, *, limit: int | None = None, stop: list[str] | None = None) -> ChatCompletion:
    return await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Grüße: why is the sky blue?"}],
        max_completion_tokens=sdk.omit if limit is None else limit,
        stop=sdk.omit if stop is None else stop,
    )


async def chunks(client: sdk.AsyncOpenAI, *, usage: bool = True) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Grüße: why is the sky blue?"}],
        stream=True,
        stream_options={"include_usage": True} if usage else sdk.omit,
    )
    return [chunk async for chunk in stream]


async def test_a_whole_answer_parses_and_adds_up(client: sdk.AsyncOpenAI) -> None:
    completion = await whole(client)
    assert completion.id.startswith("chatcmpl-")
    assert (completion.object, completion.model) == ("chat.completion", MODEL)
    assert completion.system_fingerprint is not None
    choice = completion.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content is not None
    assert "Grüße: why is the sky blue?" in choice.message.content
    usage = completion.usage
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 0
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 0


async def test_a_stream_says_the_same_as_the_whole_answer(client: sdk.AsyncOpenAI) -> None:
    completion, streamed = await whole(client), await chunks(client)
    text = "".join(choice.delta.content or "" for chunk in streamed for choice in chunk.choices)
    assert text == completion.choices[0].message.content
    assert streamed[0].choices[0].delta.role == "assistant"
    assert streamed[-2].choices[0].finish_reason == "stop"
    assert streamed[-1].choices == []
    assert streamed[-1].usage == completion.usage
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in streamed[:-1])
    assert {chunk.id for chunk in streamed} == {completion.id}
    assert {chunk.object for chunk in streamed} == {"chat.completion.chunk"}


async def test_a_stream_reports_usage_only_if_asked(client: sdk.AsyncOpenAI) -> None:
    streamed = await chunks(client, usage=False)
    assert not any("usage" in chunk.model_fields_set for chunk in streamed)
    assert streamed[-1].choices[0].finish_reason == "stop"


async def test_limit_and_stop_sequences_are_kept(client: sdk.AsyncOpenAI) -> None:
    limited = await whole(client, limit=3)
    assert limited.choices[0].finish_reason == "length"
    assert limited.choices[0].message.content == "(simulated g"
    assert limited.usage is not None
    assert limited.usage.completion_tokens == 3
    stopped = await whole(client, stop=["zebra", "gpt"])
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == "(simulated "


async def test_the_models_are_listed_with_those_that_were_asked(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    async with await simulated.post("/v1/chat/completions", {"model": "own-model", "messages": [{}]}) as response:
        assert response.status == 200
    listed = [model async for model in client.models.list()]
    assert {"own-model", MODEL} <= {model.id for model in listed}
    assert {model.object for model in listed} == {"model"}


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Fault.RATE_LIMITED, sdk.RateLimitError, "rate_limit_exceeded"),
        (Fault.QUOTA, sdk.RateLimitError, "insufficient_quota"),
        (Fault.SERVER_ERROR, sdk.InternalServerError, None),
        (Fault.OVERLOADED, sdk.InternalServerError, None),
        (Fault.AUTH, sdk.AuthenticationError, "invalid_api_key"),
        (Fault.NOT_FOUND, sdk.NotFoundError, "model_not_found"),
        (Fault.BAD_REQUEST, sdk.BadRequestError, "decimal_above_max_value"),
        (Fault.CONTEXT_LENGTH, sdk.BadRequestError, "context_length_exceeded"),
    ],
)
async def test_errors_are_the_ones_the_sdk_knows(
    simulated: Simulated, client: sdk.AsyncOpenAI, fault: Fault, error: type[sdk.APIStatusError], code: str | None
) -> None:
    simulated.script("openai", fault)
    with pytest.raises(error) as caught:
        await whole(client)
    assert caught.value.code == code
    assert caught.value.message


async def test_an_error_in_a_stream_is_raised_by_the_sdk(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    simulated.script("openai", Fault.ERROR_IN_STREAM)
    with pytest.raises(sdk.APIError, match="The server had an error"):
        await chunks(client)


async def test_cached_tokens_are_part_of_the_prompt_tokens(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    plain = await whole(client)
    simulated.script("openai", Fault.USAGE_CACHED)
    usage = (await whole(client)).usage
    assert plain.usage is not None
    assert usage is not None
    assert usage.prompt_tokens == plain.usage.prompt_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens * 3 // 4


async def test_missing_usage_is_missing_in_both_ways(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    simulated.faults.put(MODEL, Script(Fault.USAGE_MISSING))
    assert (await whole(client)).usage is None
    streamed = await chunks(client)
    assert all(chunk.usage is None for chunk in streamed)
    assert streamed[-1].choices[0].finish_reason == "stop"


async def test_wrong_usage_contradicts_itself_alike_in_both_ways(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    plain = (await whole(client)).usage
    simulated.faults.put(MODEL, Script(Fault.USAGE_WRONG))
    usage, streamed = (await whole(client)).usage, await chunks(client)
    assert plain is not None
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (plain.prompt_tokens, 0)
    assert usage.total_tokens == plain.total_tokens > usage.prompt_tokens
    assert usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens_details.cached_tokens or 0) > usage.prompt_tokens
    assert streamed[-1].usage == usage


async def test_split_usage_stands_beside_choices_and_the_last_counters_are_null(
    simulated: Simulated, client: sdk.AsyncOpenAI
) -> None:
    plain = (await whole(client)).usage
    simulated.faults.put(MODEL, Script(Fault.USAGE_SPLIT))
    assert (await whole(client)).usage == plain
    first, *content, reason, last = await chunks(client)
    assert first.usage is not None
    assert first.usage.model_fields_set == {"prompt_tokens_details"}
    assert {chunk.usage for chunk in content} == {None}
    assert (reason.choices[0].finish_reason, reason.usage) == ("stop", plain)
    assert last.choices == []
    assert last.usage is not None
    assert set(last.usage.to_dict().values()) == {None}


async def test_split_usage_is_not_told_to_those_who_do_not_ask(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    simulated.script("openai", Fault.USAGE_SPLIT)
    streamed = await chunks(client, usage=False)
    assert not any("usage" in chunk.model_fields_set for chunk in streamed)
    assert streamed[-1].choices[0].finish_reason == "stop"


async def test_an_empty_and_a_filtered_answer_say_so(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    simulated.script("openai", Fault.EMPTY)
    empty = await whole(client)
    assert (empty.choices[0].message.content, empty.choices[0].finish_reason) == ("", "stop")
    simulated.script("openai", Fault.CONTENT_FILTER)
    assert (await whole(client)).choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": None}, "you must provide a model parameter"),
        ({"messages": None}, "Missing required parameter: 'messages'."),
        ({"messages": "hello"}, "Invalid type for 'messages'"),
        ({"messages": []}, "Invalid 'messages': empty array"),
        ({"max_tokens": 0}, "Invalid 'max_tokens'"),
        ({"max_completion_tokens": "many"}, "Invalid 'max_tokens'"),
    ],
)
def test_a_wrong_request_is_refused_in_the_dialect(changes: dict[str, object], told: str) -> None:
    reply = openai.read({"model": "m", "messages": [{}], **changes}, frozenset())
    assert isinstance(reply, Reply)
    assert reply.status == 400
    assert told in reply.body.decode()
    assert b'"type":"invalid_request_error"' in reply.body


def test_the_retry_hint_goes_with_any_error(question: Question) -> None:
    wire: Wire = openai
    assert ("retry-after", "1") in wire.failure(Fault.RATE_LIMITED, question, None).headers
    assert ("retry-after", "2.5") in wire.failure(Fault.RATE_LIMITED, question, 2.5).headers
    assert ("retry-after", "7") in wire.failure(Fault.OVERLOADED, question, 7).headers
    assert "retry-after" not in dict(wire.failure(Fault.OVERLOADED, question, None).headers)


def test_a_half_of_a_character_pair_does_not_break_the_wire(question: Question) -> None:
    odd = replace(question, prompt="\ud800")
    assert openai.whole(odd, answer(odd)).body.decode()
