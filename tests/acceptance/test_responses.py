"""The responses of OpenAI's client, unmodified, from providers that speak them and from those that do not."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from tests.fakes.daemon import Daemon, daemon
from tests.fakes.rule_files import MODELS
from tests.fakes.weather import THOUGHT, Weather, forecasting

RULES = """\
providers:
  own: {{kind: openai, base_url: "{url}", api_key: none, responses: true}}
  other: {{kind: openai, base_url: "{url}", api_key: none}}
  claude: {{kind: anthropic, base_url: "{url}", api_key: none}}
models:
  native: {{provider: own, model: weather-responses, price: {{input: 1, output: 2}}}}
  compatible: {{provider: other, model: weather-chat, price: {{input: 1, output: 2}}}}
  anthropic: {{provider: claude, model: claude-haiku-4-5, price: {{input: 1, output: 2}}}}
rules:
  - name: all
    route: [compatible, anthropic]
  - name: web
    priority: 1
    when: {{header.x-web: "yes"}}
    route: [anthropic, compatible, native]
"""
UPSTREAM = {"native": "responses", "compatible": "completions", "anthropic": "messages"}
EVERY = pytest.mark.parametrize("model", UPSTREAM)
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tell the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "note": {"type": "string"}},
        "required": ["city", "note"],
        "additionalProperties": False,
    },
    "strict": True,
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


class City(BaseModel):
    """What the structured answers are."""

    city: str
    degrees: int


@dataclass
class App:
    """An application with the official client, a gateway, and the provider behind it."""

    client: openai.AsyncOpenAI
    gateway: Daemon
    weather: Weather

    async def respond(self, model: str, *, streamed: bool, **asked: Any) -> Response:  # noqa: ANN401 - the client's own
        """Give a response, in one piece or by the client's own way of putting a stream together."""
        if not streamed:
            whole: Response = await self.client.responses.create(model=model, **asked)
            return whole
        async with self.client.responses.stream(model=model, **asked) as stream:
            return await stream.get_final_response()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with (
        forecasting() as weather,
        daemon(tmp_path, {"rules.yaml": RULES.format(url=weather.url)}, simulate=False) as gateway,
        openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield App(client, gateway, weather)


@EVERY
@STREAMED
async def test_a_text_is_answered_with_the_same_tokens_and_cost_streamed_or_not(
    app: App, model: str, *, streamed: bool
) -> None:
    """U-33, U-42: whichever endpoint answers, the response is whole, and its row says what it used."""
    response = await app.respond(
        model, streamed=streamed, input="Hello", instructions="Be brief.", max_output_tokens=90
    )
    assert response.output_text == "Hello, it is Paris here: 21 °C."
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (11, 7, 18)
    [(endpoint, body)] = app.weather.seen
    assert endpoint == UPSTREAM[model]
    if model == "native":
        assert body["store"] is False
        assert body["instructions"] == "Be brief."
    [row] = await app.gateway.rows(1)
    assert (row["surface"], row["outcome"], row["usage_source"]) == ("responses", "answered", "reported")
    assert row["cost_nano_usd"] == 11 * 1000 + 7 * 2000


@EVERY
@STREAMED
async def test_tools_are_asked_for_side_by_side_and_their_results_answered(
    app: App, model: str, *, streamed: bool
) -> None:
    """U-43, U-45, U-47: a loop without state sends back all items as they came, thoughts included."""
    asked: list[Any] = [{"role": "user", "content": "How is the weather in Paris and Rome?"}]
    first = await app.respond(model, streamed=streamed, input=asked, tools=[TOOL], reasoning={"effort": "low"})
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.call_id, call.name) for call in calls] == [("call_Paris", "weather"), ("call_Rome", "weather")]
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Paris", "Rome"]
    assert first.output_text == "Let me see."
    thoughts = [item for item in first.output if item.type == "reasoning"]
    assert [bool(thought.encrypted_content) for thought in thoughts] == [True] * (model != "compatible")
    if model == "anthropic":
        assert thoughts[0].summary[0].text == THOUGHT
    asked += [item.to_dict() for item in first.output]
    asked += [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{place}0 °C"}
        for place, call in enumerate(calls, 1)
    ]
    second = await app.respond(model, streamed=streamed, input=asked, tools=[TOOL], reasoning={"effort": "low"})
    assert second.output_text == "It is 10 °C and 20 °C."
    assert {endpoint for endpoint, _ in app.weather.seen} == {UPSTREAM[model]}


@pytest.mark.parametrize(("thinker", "others"), [("anthropic", ("native", "compatible")), ("native", ("anthropic",))])
async def test_a_thought_goes_back_to_whom_it_came_from_alone(app: App, thinker: str, others: tuple[str, ...]) -> None:
    """U-47: for a provider of another kind it is taken out and named; no seal is made up for it."""
    asked: list[Any] = [{"role": "user", "content": "How is the weather in Paris and Rome?"}]
    first = await app.respond(thinker, streamed=False, input=asked, tools=[TOOL], reasoning={"effort": "low"})
    asked += [item.to_dict() for item in first.output]
    asked += [
        {"type": "function_call_output", "call_id": item.call_id, "output": "10 °C"}
        for item in first.output
        if item.type == "function_call"
    ]
    for other in others:
        raw = await app.client.responses.with_raw_response.create(model=other, input=asked, tools=[TOOL])
        assert raw.parse().output_text == "It is 10 °C and 10 °C."
        assert "input.reasoning" in raw.headers["x-rulegate-dropped-params"].split(", ")
        assert THOUGHT not in json.dumps(app.weather.seen[-1][1])
        assert "seal" not in json.dumps(app.weather.seen[-1][1])


@EVERY
@STREAMED
async def test_one_call_at_a_time_is_one_call(app: App, model: str, *, streamed: bool) -> None:
    """U-43: `parallel_tool_calls: false` reaches every provider."""
    response = await app.respond(
        model, streamed=streamed, input="How is the weather?", tools=[TOOL], parallel_tool_calls=False
    )
    assert [item.call_id for item in response.output if item.type == "function_call"] == ["call_Paris"]


@EVERY
async def test_images_are_seen(app: App, model: str) -> None:
    """U-58: by address and as data."""
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
        {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "auto"},
    ]
    asked: Any = [{"role": "user", "content": parts}]
    assert (await app.respond(model, streamed=False, input=asked)).output_text == "I see 2 images."


@EVERY
async def test_a_structured_answer_is_parsed(app: App, model: str) -> None:
    """`parse` and its stream give an object of the class that was asked for."""
    parsed = await app.client.responses.parse(model=model, input="Where is it warm?", text_format=City)
    assert parsed.output_parsed == City(city="Paris", degrees=21)
    async with app.client.responses.stream(model=model, input="Where is it warm?", text_format=City) as stream:
        assert (await stream.get_final_response()).output_parsed == City(city="Paris", degrees=21)


@EVERY
async def test_the_events_of_a_stream_are_numbered_and_in_their_order(app: App, model: str) -> None:
    """Each item is opened, filled and closed before the next; the last event has them all."""
    stream: openai.AsyncStream[ResponseStreamEvent] = await app.client.responses.create(
        model=model, input="How is the weather?", tools=[TOOL], reasoning={"effort": "low"}, stream=True
    )
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events if not event.type.endswith(".delta")]
    thought = ["output_item.added", "output_item.done"]
    summary = ["reasoning_summary_part.added", "reasoning_summary_text.done", "reasoning_summary_part.done"]
    call = ["output_item.added", "function_call_arguments.done", "output_item.done"]
    assert kinds == [
        *("created", "in_progress"),
        *{"native": thought, "compatible": [], "anthropic": [thought[0], *summary, thought[1]]}[model],
        *("output_item.added", "content_part.added", "output_text.done", "content_part.done", "output_item.done"),
        *(*call, *call, "completed"),
    ]
    last = events[-1]
    assert last.type == "response.completed"
    assert [event.item for event in events if event.type == "response.output_item.done"] == last.response.output
    deltas = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    assert deltas == "".join(item.arguments for item in last.response.output if item.type == "function_call")


async def test_fifty_at_once_get_their_own(app: App) -> None:
    """Nothing of one answer gets into another, from whichever endpoint."""

    async def ask(place: int) -> tuple[list[str], str]:
        model = list(UPSTREAM)[place % 3]
        outputs: list[Any] = [{"role": "user", "content": "How is the weather?"}]
        outputs.append({"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"})
        outputs.append({"type": "function_call_output", "call_id": "c", "output": f"{place} °C"})
        response = await app.respond(model, streamed=place % 2 == 0, input=outputs, tools=[TOOL])
        return [f"It is {place} °C."], response.output_text

    for wanted, text in await asyncio.gather(*(ask(place) for place in range(50))):
        assert [text] == wanted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("store", True),
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("background", True),
        ("prompt", {"id": "pmpt_1"}),
    ],
)
async def test_what_means_something_stored_is_refused_by_name(app: App, field: str, value: object) -> None:
    """The gateway keeps no state, and says so before any provider is asked."""
    asked: dict[str, Any] = {field: value}
    with pytest.raises(openai.BadRequestError, match="keeps no state") as refused:
        await app.client.responses.create(model="native", input="Hello", **asked)
    assert refused.value.param == field
    assert app.weather.seen == []


async def test_stored_items_and_answers_are_not_there(app: App) -> None:
    """A reference to a stored item is a 400 that names it; a stored answer is a 404 that says what there is."""
    with pytest.raises(openai.BadRequestError, match="send the item itself") as refused:
        await app.client.responses.create(model="native", input=[{"type": "item_reference", "id": "rs_1"}])
    assert refused.value.param == "input[0]"
    with pytest.raises(openai.NotFoundError, match="POST /v1/responses"):
        await app.client.responses.retrieve("resp_1")
    with pytest.raises(openai.NotFoundError, match="POST /v1/responses"):
        await app.client.responses.delete("resp_1")


async def test_a_tool_of_the_provider_goes_to_one_that_has_it(app: App) -> None:
    """U-15: models that cannot have it are passed over; where none can, it is a 400 that names the field."""
    tools: Any = [{"type": "web_search"}]
    raw = await app.client.responses.with_raw_response.create(
        model="auto", input="Hello", tools=tools, extra_headers={"x-web": "yes"}
    )
    assert raw.headers["x-rulegate-model"] == "native"
    with pytest.raises(openai.BadRequestError, match="web_search") as refused:
        await app.client.responses.create(model="auto", input="Hello", tools=tools)
    assert refused.value.param == "tools[0].type"


SIMULATED = f"""\
{MODELS}
  compatible: {{provider: compatible, model: gpt-5-nano}}
rules:
  - name: all
    route: [nano, haiku]
""".replace("models:\n", "  compatible: {kind: openai, responses: false, api_key: none}\nmodels:\n", 1)
FAULTS = ("rate_limited", "server_error", "overloaded", "error_in_stream", "error_in_200", "empty", "malformed_line")


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"rules.yaml": SIMULATED}) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
@STREAMED
async def test_a_provider_of_responses_that_fails_is_replaced_by_another(
    simulated: Daemon, fault: str, *, streamed: bool
) -> None:
    """U-42: a failure before the first content is nobody's to see, and the next model may speak another dialect."""
    if fault == "malformed_line" and not streamed:
        fault = "refuse"
    await simulated.fault("gpt-5-nano", fault)
    async with openai.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="none", max_retries=0) as client:
        if streamed:
            async with client.responses.stream(model="auto", input="Hello") as stream:
                text = (await stream.get_final_response()).output_text
        else:
            text = (await client.responses.create(model="auto", input="Hello")).output_text
    assert text.startswith("(simulated claude-haiku-4-5)")
    [row] = await simulated.rows(1)
    assert row["outcome"] == "answered_after_fallback"


@pytest.mark.parametrize("fault", ["cut", "no_terminal", "no_marker"])
@pytest.mark.parametrize("model", ["nano", "compatible", "haiku"])
async def test_a_stream_that_breaks_off_raises_in_the_client(simulated: Daemon, model: str, fault: str) -> None:
    """It ends with an error event whose number is the next one, and never with response.completed."""
    upstream = "claude-haiku-4-5" if model == "haiku" else "gpt-5-nano"
    await simulated.fault(upstream, fault)
    seen: list[ResponseStreamEvent] = []

    async def see(stream: openai.AsyncStream[ResponseStreamEvent]) -> None:
        async for event in stream:
            seen.append(event)  # noqa: PERF401 - what came before the error is wanted

    async with openai.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="none", max_retries=0) as client:
        stream = await client.responses.create(model=model, input="Hello", stream=True)
        with pytest.raises(openai.APIError) as error:
            await see(stream)
    assert "response.output_text.delta" in [event.type for event in seen]
    assert "response.completed" not in [event.type for event in seen]
    assert isinstance(error.value.body, dict)
    assert error.value.body["rulegate"]["blame"] == "provider"
    async with simulated.http.post(
        f"{simulated.url}/v1/responses", json={"model": model, "input": "Hello", "stream": True}
    ) as answer:
        last = (await answer.text()).strip().split("\n\n")[-1].split("\n")
    assert last[0] == "event: error"
    assert json.loads(last[1].removeprefix("data: "))["sequence_number"] == len(seen)


@pytest.mark.parametrize("model", ["nano", "haiku", "compatible"])
@pytest.mark.parametrize("fault", ["usage_cached", "usage_split", "usage_wrong", "usage_missing", "content_filter"])
async def test_the_same_request_costs_the_same_streamed_or_not(simulated: Daemon, model: str, fault: str) -> None:
    """U-32, U-33, U-34: however the provider tells its usage, one row equals the other."""
    await simulated.fault("claude-haiku-4-5" if model == "haiku" else "gpt-5-nano", fault)
    for stream in (False, True):
        body = {"model": model, "input": "Why is the sky blue?", "stream": stream}
        async with simulated.http.post(f"{simulated.url}/v1/responses", json=body) as answer:
            assert answer.status == 200
            await answer.read()
    first, second = await simulated.rows(2)
    names = ("cost_nano_usd", "fresh_input_tokens", "cache_read_tokens", "output_tokens", "usage_source", "outcome")
    assert [first[name] for name in names] == [second[name] for name in names]


@pytest.mark.parametrize("model", ["nano", "compatible", "haiku"])
async def test_an_answer_that_ran_out_of_tokens_is_incomplete(simulated: Daemon, model: str) -> None:
    """U-44: the reason is the same whichever dialect it came from, and a rule's cap holds the output limit."""
    async with openai.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="none", max_retries=0) as client:
        response = await client.responses.create(model=model, input="Hello", max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[-1].type == "message"
    assert response.output[-1].status == "incomplete"
    assert response.usage is not None
    assert response.usage.output_tokens == 16


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("rate_limited", openai.RateLimitError, "rate_limit_exceeded"),
        ("context_length", openai.BadRequestError, "context_length_exceeded"),
        ("auth", openai.InternalServerError, None),
        ("overloaded", openai.InternalServerError, None),
    ],
)
@pytest.mark.parametrize("model", ["nano", "compatible"])
@STREAMED
async def test_a_failure_raises_what_the_client_raises_for_it(
    simulated: Daemon, model: str, fault: str, error: type[openai.APIStatusError], code: str | None, *, streamed: bool
) -> None:
    """U-61, U-62: whichever endpoint failed, and whose fault it is stands beside the provider's words."""
    await simulated.fault("gpt-5-nano", fault)
    async with openai.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(error) as caught:
            await client.responses.create(model=model, input="Hello", stream=streamed)
    assert caught.value.code == code
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["rulegate"]["blame"] == ("gateway" if fault == "auth" else "provider")
    if fault == "rate_limited":
        assert caught.value.response.headers["retry-after"]


async def test_what_would_be_decided_is_told_without_asking_a_model(simulated: Daemon) -> None:
    """`/v1/route` knows the body by its `input`."""
    body = {"model": "auto", "input": "Hello", "instructions": "Be brief."}
    async with simulated.http.post(f"{simulated.url}/v1/route", json=body) as answer:
        account = await answer.json()
    assert (answer.status, account["rule"]) == (200, "all")
    assert (await simulated.upstream())["total"] == 0
