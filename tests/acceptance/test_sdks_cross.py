"""The official clients, unmodified, with a model of the other dialect: text, tools, images, and many at once."""

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import ToolParam, ToolUseBlock
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.fakes.crossing import HELLO, HI, sent
from tests.fakes.daemon import Daemon

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
ARGUMENTS = {"city": "simulated", "days": 1}
FUNCTIONS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": dict(CITY)}}
    for name in ("weather", "time")
]
TOOLS: list[ToolParam] = [
    {"name": name, "description": name, "input_schema": {**CITY, "type": "object"}} for name in ("weather", "time")
]


async def test_openais_client_reads_the_text_of_a_claude(by_openai: openai.AsyncOpenAI, gateway: Daemon) -> None:
    """U-43 U-46: system text, stop sequences and limits arrive; what has no place there is named to the caller."""
    raw = await by_openai.chat.completions.with_raw_response.create(
        model="haiku",
        messages=[{"role": "system", "content": "Be brief"}, *HELLO],
        stop=["money"],
        max_completion_tokens=200,
        seed=7,
        logit_bias={"50256": -100},
    )
    answer = raw.parse()
    text = answer.choices[0].message.content
    assert text is not None
    assert text.startswith("(simulated claude-haiku-4-5)")
    assert answer.choices[0].finish_reason == "stop"
    body = await sent(gateway)
    assert (body["system"], body["stop_sequences"], body["max_tokens"]) == ("Be brief", ["money"], 200)
    assert raw.headers["x-rulegate-dropped-params"] == "logit_bias, seed"
    row = await gateway.row(raw.headers["x-rulegate-request-id"])
    assert row["facts"]["dropped"] == ["logit_bias", "seed"]


async def test_anthropics_client_reads_the_text_of_a_gpt(
    by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon
) -> None:
    """U-43 U-46: in the caller's own words."""
    raw = await by_anthropic.messages.with_raw_response.create(
        model="mini",
        max_tokens=200,
        system=[{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral"}}],
        messages=HI,
        stop_sequences=["money"],
        extra_body={"temperature": 0.5, "top_k": 5},
    )
    message = await raw.parse()
    assert [block.type for block in message.content] == ["text"]
    assert message.usage.output_tokens > 0
    body = await sent(gateway)
    assert body["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (body["stop"], body["max_completion_tokens"], "temperature" in body) == (["money"], 200, False)
    assert raw.headers["x-rulegate-dropped-params"] == "cache_control, temperature, top_k"


@pytest.mark.parametrize("streamed", [False, True])
async def test_openais_client_calls_tools_of_a_claude(
    by_openai: openai.AsyncOpenAI, gateway: Daemon, *, streamed: bool
) -> None:
    """U-43 U-44 U-45: two calls in parallel, their results out of order, and the answer."""
    asked: dict[str, Any] = {"model": "haiku", "tools": FUNCTIONS}
    if streamed:
        async with by_openai.chat.completions.stream(messages=HELLO, tool_choice="required", **asked) as stream:
            kinds = [event.type async for event in stream]
            completion: Any = await stream.get_final_completion()
        assert kinds.count("tool_calls.function.arguments.done") == 2
    else:
        completion = await by_openai.chat.completions.create(messages=HELLO, tool_choice="required", **asked)
    choice = completion.choices[0]
    calls = choice.message.tool_calls
    assert calls is not None
    assert choice.finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["weather", "time"]
    assert [json.loads(call.function.arguments) for call in calls] == [ARGUMENTS, ARGUMENTS]
    results: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": call.id, "content": call.function.name} for call in reversed(calls)
    ]
    told = choice.message.model_dump(exclude_none=True)
    answer = await by_openai.chat.completions.create(messages=[*HELLO, told, *results], **asked)
    assert answer.choices[0].finish_reason == "stop"
    turns = (await sent(gateway))["messages"]
    assert [block["id"] for block in turns[1]["content"]] == [call.id for call in calls]
    assert [(block["tool_use_id"], block["content"]) for block in turns[2]["content"]] == [
        (call.id, call.function.name) for call in reversed(calls)
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_anthropics_client_calls_tools_of_a_gpt(
    by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon, *, streamed: bool
) -> None:
    """U-43 U-44 U-45: with an image in one of the results, and a failure."""
    asked: dict[str, Any] = {"model": "mini", "max_tokens": 400, "tools": TOOLS}
    if streamed:
        async with by_anthropic.messages.stream(messages=HI, tool_choice={"type": "any"}, **asked) as stream:
            message: Any = await stream.get_final_message()
    else:
        message = await by_anthropic.messages.create(messages=HI, tool_choice={"type": "any"}, **asked)
    assert message.stop_reason == "tool_use"
    calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
    assert [(call.name, call.input) for call in calls] == [("weather", ARGUMENTS), ("time", ARGUMENTS)]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": calls[1].id, "content": "no clock", "is_error": True},
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": [{"type": "text", "text": "sun"}, image]},
    ]
    history: list[Any] = [*HI, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    raw = await by_anthropic.messages.with_raw_response.create(messages=history, **asked)
    assert (await raw.parse()).stop_reason == "end_turn"
    assert raw.headers["x-rulegate-dropped-params"] == "messages.content.is_error"
    turns = (await sent(gateway))["messages"]
    assert [call["id"] for call in turns[1]["tool_calls"]] == [call.id for call in calls]
    assert [(turn["tool_call_id"], turn["content"]) for turn in turns[2:4]] == [
        (calls[1].id, "no clock"),
        (calls[0].id, "sun"),
    ]
    assert turns[4]["content"] == [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]


async def test_a_named_tool_is_the_only_one_that_is_called(
    by_openai: openai.AsyncOpenAI, by_anthropic: anthropic.AsyncAnthropic
) -> None:
    completion = await by_openai.chat.completions.create(
        model="haiku",
        messages=HELLO,
        tools=FUNCTIONS,
        tool_choice={"type": "function", "function": {"name": "time"}},
        parallel_tool_calls=False,
    )
    calls = completion.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["time"]
    message = await by_anthropic.messages.create(
        model="mini", max_tokens=400, messages=HI, tools=TOOLS, tool_choice={"type": "tool", "name": "time"}
    )
    assert [block.name for block in message.content if isinstance(block, ToolUseBlock)] == ["time"]


async def test_images_and_documents_arrive(
    by_openai: openai.AsyncOpenAI, by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon
) -> None:
    """U-58: by address and within the body, in the provider's own form."""
    link = "https://images.example/a.png"
    await by_openai.chat.completions.create(
        model="haiku",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": link}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
                ],
            }
        ],
    )
    blocks = (await sent(gateway))["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["text", "image", "image", "document"]
    assert [block["source"]["type"] for block in blocks[1:]] == ["url", "base64", "base64"]
    await by_anthropic.messages.create(
        model="mini",
        max_tokens=400,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "url", "url": link}},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                    {"type": "text", "text": "What is this?"},
                ],
            }
        ],
    )
    parts = (await sent(gateway))["messages"][0]["content"]
    assert [part["image_url"]["url"] for part in parts[:2]] == [link, f"data:image/png;base64,{PNG}"]


async def test_an_image_that_is_not_what_it_says_is_a_400_with_its_path(
    by_openai: openai.AsyncOpenAI, by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon
) -> None:
    """U-58: and nobody is asked."""
    with pytest.raises(openai.BadRequestError, match="image/png") as raised:
        await by_openai.chat.completions.create(
            model="haiku",
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PNG}"}}],
                }
            ],
        )
    assert raised.value.param == "messages[0].content[0].image_url.url"
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.content\[0\]\.source"):
        await by_anthropic.messages.create(
            model="mini",
            max_tokens=9,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": PNG}}
                    ],
                }
            ],
        )
    assert (await gateway.upstream())["total"] == 0


@pytest.mark.parametrize("at_once", [50])
async def test_fifty_at_once_get_each_their_own(
    by_openai: openai.AsyncOpenAI, by_anthropic: anthropic.AsyncAnthropic, at_once: int
) -> None:
    """Streams and whole answers of both clients, across dialects, never each other's."""

    async def chat(place: int) -> str:
        async with by_openai.chat.completions.stream(
            model="haiku", messages=[{"role": "user", "content": f"number {place}."}]
        ) as stream:
            return (await stream.get_final_completion()).choices[0].message.content or ""

    async def message(place: int) -> str:
        asked: Any = {"model": "mini", "max_tokens": 400}
        if place % 4 == 1:
            async with by_anthropic.messages.stream(
                messages=[{"role": "user", "content": f"number {place}."}], **asked
            ) as stream:
                return await stream.get_final_text()
        answer = await by_anthropic.messages.create(messages=[{"role": "user", "content": f"number {place}."}], **asked)
        return "".join(block.text for block in answer.content if block.type == "text")

    texts = await asyncio.gather(*(message(place) if place % 2 else chat(place) for place in range(at_once)))
    for place, text in enumerate(texts):
        assert f'"number {place}."' in text
        assert text.startswith("(simulated gpt-5-mini)" if place % 2 else "(simulated claude-haiku-4-5)")
