"""The other endpoint of the OpenAI side as the official SDK, unmodified, reads it: strictly, event by event."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai as sdk
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.simulator import responses
from gateway.simulator.faults import Fault, Script
from gateway.simulator.wire import Reply
from gateway.simulator.world import Question
from tests.simulator.plain_client import Simulated

MODEL = "gpt-5"
ASKED: dict[str, Any] = {"model": MODEL, "input": [{"role": "user", "content": "Grüße: why is the sky blue?"}]}
STRICT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


@pytest.fixture
async def client(simulated: Simulated) -> AsyncIterator[sdk.AsyncOpenAI]:
    async with sdk.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="x", max_retries=0) as client:
        yield client


async def whole(simulated: Simulated, **fields: Any) -> Response:  # noqa: ANN401 - JSON values
    async with await simulated.post("/v1/responses", {**ASKED, **fields}) as response:
        return Response.model_validate_json(await response.text(), strict=True)


async def events(simulated: Simulated, **fields: Any) -> list[ResponseStreamEvent]:  # noqa: ANN401 - JSON values
    async with await simulated.post("/v1/responses", {**ASKED, "stream": True, **fields}) as response:
        blocks = (await response.text()).split("\n\n")[:-1]
    pairs = [block.split("\n") for block in blocks]
    read = [STRICT.validate_json(data.removeprefix("data: "), strict=True) for _, data in pairs]
    assert [name.removeprefix("event: ") for name, _ in pairs] == [event.type for event in read]
    return read


async def test_a_whole_answer_parses_and_adds_up(simulated: Simulated) -> None:
    response = await whole(simulated)
    assert "Grüße: why is the sky blue?" in response.output_text
    assert (response.status, response.model, response.error) == ("completed", MODEL, None)
    usage = response.usage
    assert usage is not None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


async def test_a_stream_says_the_same_as_the_whole_answer(simulated: Simulated) -> None:
    response, streamed = await whole(simulated), await events(simulated)
    assert [event.sequence_number for event in streamed] == list(range(len(streamed)))
    assert "".join(event.delta for event in streamed if event.type == "response.output_text.delta") == (
        response.output_text
    )
    last = streamed[-1]
    assert last.type == "response.completed"
    assert last.response == response
    assert streamed[0].type == "response.created"
    assert streamed[0].response.usage is None


@pytest.mark.parametrize(
    ("fault", "limit", "reason"),
    [(None, 16, "max_output_tokens"), (Fault.CONTENT_FILTER, None, "content_filter")],
)
async def test_an_answer_that_was_ended_is_incomplete_in_both_ways(
    simulated: Simulated, fault: Fault | None, limit: int | None, reason: str
) -> None:
    if fault is not None:
        simulated.faults.put(MODEL, Script(fault, 1))
    response = await whole(simulated, max_output_tokens=limit)
    if fault is not None:
        simulated.faults.put(MODEL, Script(fault, 1))
    last = (await events(simulated, max_output_tokens=limit))[-1]
    assert (response.status, last.type) == ("incomplete", "response.incomplete")
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == reason
    assert last.type == "response.incomplete"
    assert last.response == response


async def test_split_usage_is_told_in_the_first_event_and_the_last(simulated: Simulated) -> None:
    plain = (await whole(simulated)).usage
    assert plain is not None
    simulated.faults.put(MODEL, Script(Fault.USAGE_SPLIT, 1))
    async with await simulated.post("/v1/responses", {**ASKED, "stream": True}) as response:
        blocks = (await response.text()).split("\n\n")[:-1]
    told = [json.loads(block.split("data: ")[1]).get("response", {}).get("usage") for block in (blocks[0], blocks[-1])]
    assert (told[0]["input_tokens"], told[0]["output_tokens"]) == (plain.input_tokens, None)
    assert (told[1]["input_tokens"], told[1]["output_tokens"]) == (None, plain.output_tokens)


async def test_errors_are_the_ones_the_sdk_knows(simulated: Simulated, client: sdk.AsyncOpenAI) -> None:
    simulated.faults.put(MODEL, Script(Fault.RATE_LIMITED, 1))
    with pytest.raises(sdk.RateLimitError) as caught:
        await client.responses.create(**ASKED)
    assert caught.value.code == "rate_limit_exceeded"
    simulated.faults.put(MODEL, Script(Fault.ERROR_IN_STREAM, 1))
    assert (await events(simulated))[-1].type == "error"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": None}, "Missing required parameter: 'model'."),
        ({"input": None}, "Missing required parameter: 'input'."),
        ({"input": 5}, "Invalid type for 'input'"),
        ({"max_output_tokens": 15}, "Invalid 'max_output_tokens'"),
        ({"input": [{"type": "reasoning", "encrypted_content": "x"}]}, "encrypted content"),
    ],
)
def test_a_request_that_openai_would_refuse_is_refused(changes: dict[str, Any], told: str) -> None:
    """The last one: a provider takes back no thought that it did not seal itself."""
    reply = responses.read({**ASKED, **changes}, frozenset())
    assert isinstance(reply, Reply)
    assert reply.status == 400
    assert told in json.loads(reply.body)["error"]["message"]


def test_the_text_of_the_last_user_turn_is_the_prompt() -> None:
    parts = [{"type": "input_text", "text": "one"}, {"type": "input_image", "image_url": "x"}]
    asked = responses.read({**ASKED, "input": [{"role": "user", "content": parts}]}, frozenset())
    assert isinstance(asked, Question)
    assert asked.prompt == "one"
    assert asked.input_characters > 4000


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "name": name, "parameters": CITY, "strict": True} for name in "fg"]


@pytest.mark.parametrize(
    ("choice", "names"), [("required", ["f", "g"]), ({"type": "function", "name": "g"}, ["g"]), ("auto", [])]
)
async def test_tools_that_must_be_called_are(simulated: Simulated, choice: object, names: list[str]) -> None:
    """The same calls whole and streamed, each named before its arguments and with all of them at its end."""
    response = await whole(simulated, tools=TOOLS, tool_choice=choice)
    streamed = await events(simulated, tools=TOOLS, tool_choice=choice)
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        (name, {"city": "simulated"}) for name in names
    ]
    assert response.status == "completed"
    assert [event.sequence_number for event in streamed] == list(range(len(streamed)))
    ended = [event.item for event in streamed if event.type == "response.output_item.done"]
    assert ended == response.output
    for call in calls:
        told = [event for event in streamed if getattr(event, "item_id", None) == call.id]
        assert "".join(event.delta for event in told if event.type == "response.function_call_arguments.delta") == (
            call.arguments
        )
        done = [event.arguments for event in told if event.type == "response.function_call_arguments.done"]
        assert done == [call.arguments]
    last = streamed[-1]
    assert last.type == "response.completed"
    assert last.response == response


async def test_an_answer_has_the_form_that_was_asked_for(simulated: Simulated) -> None:
    form = {"format": {"type": "json_schema", "name": "city", "schema": CITY, "strict": True}}
    assert json.loads((await whole(simulated, text=form)).output_text) == {"city": "simulated"}
