"""What the simulator answers to requests for more than text, as the official SDKs read it."""

import json
from typing import Any

import anthropic as anthropic_sdk
import jsonschema
import openai as openai_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.wishes import Tool, called, json_of
from tests.simulator.plain_client import Simulated

CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
leaves: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null")),
        *({}, {"enum": ["a", 1]}, {"const": 7}, {"type": ["integer", "null"]}, {"$ref": "#/$defs/here"}),
    ]
)


def members(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Give closed objects of such members."""
    return st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
        lambda found: {
            "type": "object",
            "properties": found,
            "required": sorted(found),
            "additionalProperties": False,
        }
    )


schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        members(inner),
        inner.map(lambda item: {"type": "array", "items": item, "minItems": 1}),
        st.lists(inner, min_size=1, max_size=2).map(lambda choices: {"anyOf": choices}),
    ),
    max_leaves=6,
)


@given(members(schemas))
def test_what_is_made_up_fits_the_schema(schema: dict[str, Any]) -> None:
    whole = {**schema, "$defs": {"here": {"type": "integer"}}}
    jsonschema.validate(json.loads(json_of(whole)), whole)


@pytest.mark.parametrize("schema", [None, True, {"$ref": "#"}, {"$ref": "#/a/b"}, {"anyOf": []}, {"properties": 7}])
def test_a_schema_that_is_odd_gets_something(schema: object) -> None:
    json.loads(json_of(schema))


@pytest.mark.parametrize(
    ("must", "name", "parallel", "expected"),
    [(False, None, True, ""), (True, None, True, "ab"), (True, None, False, "a"), (True, "b", True, "b")],
)
def test_the_tools_that_must_be_called_are(*, must: bool, name: str | None, parallel: bool, expected: str) -> None:
    tools = (Tool("a", CITY), Tool("b", CITY))
    assert "".join(tool.name for tool in called(tools, must=must, name=name, parallel=parallel)) == expected


async def test_openais_client_reads_calls_and_forms(simulated: Simulated) -> None:
    tools: Any = [{"type": "function", "function": {"name": name, "parameters": CITY}} for name in "fg"]
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
    asked: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
    async with openai_sdk.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="x", max_retries=0) as client:
        whole: Any = await client.chat.completions.create(**asked, tools=tools, tool_choice="required")
        async with client.chat.completions.stream(**asked, tools=tools, tool_choice="required") as stream:
            streamed: Any = await stream.get_final_completion()
        filled: Any = await client.chat.completions.create(**asked, response_format=form, reasoning_effort="low")
    calls = [[each.model_dump() for each in done.choices[0].message.tool_calls] for done in (whole, streamed)]
    for found in calls:
        assert [(each["function"]["name"], each["function"]["arguments"]) for each in found] == [
            ("f", '{"city": "simulated"}'),
            ("g", '{"city": "simulated"}'),
        ]
    assert [each["id"] for each in calls[0]] == [each["id"] for each in calls[1]]
    assert whole.choices[0].finish_reason == streamed.choices[0].finish_reason == "tool_calls"
    assert filled.choices[0].message.content == '{"city": "simulated"}'
    assert filled.choices[0].message.reasoning_content.startswith("(simulated)")


async def test_anthropics_client_reads_calls_thoughts_and_forms(simulated: Simulated) -> None:
    tools: Any = [{"name": name, "input_schema": CITY} for name in "fg"]
    asked: Any = {"model": "claude-x", "max_tokens": 4000, "messages": [{"role": "user", "content": "Hi"}]}
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    form: Any = {"format": {"type": "json_schema", "schema": CITY}}
    async with anthropic_sdk.AsyncAnthropic(base_url=simulated.url, api_key="x", max_retries=0) as client:
        whole = await client.messages.create(**asked, tools=tools, tool_choice={"type": "any"}, thinking=thinking)
        async with client.messages.stream(
            **asked, tools=tools, tool_choice={"type": "any"}, thinking=thinking
        ) as stream:
            streamed = await stream.get_final_message()
        filled = await client.messages.create(**asked, output_config=form)
    for message in (whole, streamed):
        thought, *calls = [block.model_dump() for block in message.content]
        assert thought["thinking"].startswith("(simulated)")
        assert thought["signature"]
        assert [(call["name"], call["input"]) for call in calls] == [(name, {"city": "simulated"}) for name in "fg"]
        assert message.stop_reason == "tool_use"
    assert [block.model_dump()["text"] for block in filled.content] == ['{"city": "simulated"}']
