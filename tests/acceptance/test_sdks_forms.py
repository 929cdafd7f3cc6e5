"""The official clients, unmodified, with a model of the other dialect: forms of answers, thoughts, and an agent."""

import json
from typing import Any

import anthropic
import openai
from anthropic.types import ToolParam
from pydantic import BaseModel

from tests.fakes.crossing import HELLO, HI, RULES, sent
from tests.fakes.daemon import Daemon

TOOL: ToolParam = {"name": "f", "description": "f", "input_schema": {"type": "object"}}


class Colour(BaseModel):
    """A form of an answer."""

    red: int
    green: int
    note: str


class Palette(BaseModel):
    """A form within a form."""

    title: str
    colours: list[Colour]


async def test_openais_client_parses_the_form_that_a_claude_filled(
    by_openai: openai.AsyncOpenAI, gateway: Daemon
) -> None:
    """Structured output, whole and streamed, into the application's own class."""
    parsed = await by_openai.chat.completions.parse(model="haiku", messages=HELLO, response_format=Palette)
    whole = parsed.choices[0].message.parsed
    async with by_openai.chat.completions.stream(model="haiku", messages=HELLO, response_format=Palette) as stream:
        final = await stream.get_final_completion()
    assert whole == final.choices[0].message.parsed
    assert whole == Palette(title="simulated", colours=[Colour(red=1, green=1, note="simulated")])
    assert (await sent(gateway))["output_config"]["format"]["type"] == "json_schema"


async def test_anthropics_client_parses_the_form_that_a_gpt_filled(
    by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon
) -> None:
    """Structured output, whole and streamed, into the application's own class."""
    message = await by_anthropic.messages.parse(model="mini", max_tokens=400, messages=HI, output_format=Palette)
    assert message.parsed_output == Palette(title="simulated", colours=[Colour(red=1, green=1, note="simulated")])
    async with by_anthropic.messages.stream(model="mini", max_tokens=400, messages=HI, output_format=Palette) as stream:
        final = await stream.get_final_message()
    assert final.parsed_output == message.parsed_output
    form = (await sent(gateway))["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)


async def test_a_claude_thinks_for_openais_client(by_openai: openai.AsyncOpenAI, gateway: Daemon) -> None:
    """U-47: its thoughts stand beside the text, without the signature; sent back they go nowhere, and that is told."""
    answer = await by_openai.chat.completions.create(model="haiku", messages=HELLO, reasoning_effort="low")
    message = answer.choices[0].message.model_dump(exclude_none=True)
    assert message["reasoning_content"].startswith("(simulated)")
    assert "signature" not in str(message)
    assert (await sent(gateway))["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    async with by_openai.chat.completions.stream(model="haiku", messages=HELLO, reasoning_effort="low") as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.model_dump(exclude_none=True)["reasoning_content"] == message["reasoning_content"]
    again: list[Any] = [*HELLO, message, {"role": "user", "content": "And?"}]
    raw = await by_openai.chat.completions.with_raw_response.create(model="haiku", messages=again)
    assert raw.headers["x-rulegate-dropped-params"] == "messages.reasoning_content"
    assert "thinking" not in json.dumps((await sent(gateway))["messages"])


async def test_a_gpt_thinks_for_anthropics_client(by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon) -> None:
    """U-47: its thoughts are a block without a signature; sent back to such a model they are left out, and told."""
    asked: dict[str, Any] = {
        "model": "mini",
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    message = await by_anthropic.messages.create(messages=HI, **asked)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert (await sent(gateway))["reasoning_effort"] == "low"
    async with by_anthropic.messages.stream(messages=HI, **asked) as stream:
        final = await stream.get_final_message()
    assert [block.model_dump() for block in final.content] == [
        {name: value for name, value in block.model_dump().items() if name in last.model_dump()}
        for block, last in zip(message.content, final.content, strict=True)
    ]
    again: list[Any] = [*HI, {"role": "assistant", "content": final.content}, {"role": "user", "content": "And?"}]
    raw = await by_anthropic.messages.with_raw_response.create(messages=again, **asked)
    assert raw.headers["x-rulegate-dropped-params"] == "messages.content.thinking"


async def test_an_agent_works_as_if_the_model_were_its_own(
    by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon
) -> None:
    """A coding agent's turn: markers, many tools, signed thoughts of another model, results of every kind."""
    mark: Any = {"type": "ephemeral"}
    tools: Any = [{**TOOL, "name": f"tool_{place}"} for place in range(40)]
    tools[-1]["cache_control"] = mark
    history: Any = [
        {"role": "user", "content": [{"type": "text", "text": "Fix it", "cache_control": mark}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2VhbGVk"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "tool_1", "input": {"city": "x"}},
                {"type": "tool_use", "id": "toolu_2", "name": "tool_2", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_2"},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "", "cache_control": mark},
                {"type": "text", "text": "<reminder/>"},
            ],
        },
    ]
    async with by_anthropic.messages.stream(
        model="mini",
        max_tokens=32000,
        system=[{"type": "text", "text": "You are"}, {"type": "text", "text": "an agent", "cache_control": mark}],
        messages=history,
        tools=tools,
        thinking={"type": "adaptive"},
        metadata={"user_id": "user_1"},
        extra_headers={"anthropic-beta": "context-management-2025-06-27"},
        extra_body={"context_management": {"edits": []}},
    ) as stream:
        final = await stream.get_final_message()
        headers = stream.response.headers
    assert final.stop_reason == "end_turn"
    assert headers["x-rulegate-dropped-params"] == "cache_control, context_management, messages.content.thinking"
    body = await sent(gateway)
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert (len(body["tools"]), body["user"]) == (40, "user_1")
    assert "c2ln" not in json.dumps(body)


async def test_what_is_left_out_is_told_of_the_model_that_answered(
    by_anthropic: anthropic.AsyncAnthropic, gateway: Daemon
) -> None:
    """U-46 U-47: nothing on the way to the caller's dialect; the next of the chain loses what it has no words for."""
    gateway.write("a.yaml", RULES.replace("route: [mini]", "route: [haiku, mini]"))
    await gateway.generation(1)
    thought: Any = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
    asked: Any = {
        "model": "auto",
        "max_tokens": 400,
        "messages": [*HI, {"role": "assistant", "content": [thought, {"type": "text", "text": "So"}]}, *HI],
    }
    native = await by_anthropic.messages.with_raw_response.create(**asked)
    assert "x-rulegate-dropped-params" not in native.headers
    assert (await sent(gateway))["messages"] == asked["messages"]
    await gateway.fault("claude-haiku-4-5", "overloaded", 1)
    crossed = await by_anthropic.messages.with_raw_response.create(**asked)
    assert crossed.headers["x-rulegate-model"] == "mini"
    assert crossed.headers["x-rulegate-dropped-params"] == "messages.content.thinking"
    first, second = (each["body"] for each in (await gateway.upstream())["requests"][-2:])
    assert first["messages"] == asked["messages"]
    assert "c2ln" not in json.dumps(second)
