"""Chat completions requests as conversations in no dialect."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.domain.chat import Role
from gateway.domain.message import (
    LEVELS,
    Chat,
    Choosing,
    Declined,
    Document,
    Effort,
    Image,
    Inline,
    Link,
    Message,
    Output,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.rule import NO_PARAMS
from tests.dialects.exchanges import MODEL, chat, odd_messages, odd_values

OPENAI = OpenAIChat()
ANTHROPIC = AnthropicMessages()
PNG = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": PNG}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
MANY = [f"field{place:02}" for place in range(30)]
EPHEMERAL = {"type": "ephemeral"}


def call(call_id: str, arguments: str = '{"x": 1}', name: str = "f") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def read(fields: Mapping[str, Any]) -> Chat:
    there = OPENAI.chat(fields)
    assert isinstance(there, Chat), there
    return there


def user(*parts: object) -> Mapping[str, Any]:
    return chat(messages=[{"role": "user", "content": list(parts)}])


def said(message: Mapping[str, Any]) -> tuple[Part, ...]:
    return read(chat(messages=[message])).messages[0].parts


def test_roles_and_order_stay_and_the_system_text_stands_apart() -> None:
    """What one side says in a row is one message; what is empty is left out (U-55)."""
    messages = [
        {"role": "system", "content": "Be brief", "name": None},
        {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": " "}]},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": None, "refusal": "No", "tool_calls": [], "audio": None, "annotations": []},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind"}]},
        {"role": "user", "content": ""},
        {"role": "user", "content": "Why?"},
    ]
    there = read(chat(messages=messages))
    assert there.system == (Text("Be brief"), Text("Be kind"))
    assert there.messages == (
        Message(Role.USER, (Text("One"), Text("two"))),
        Message(Role.ASSISTANT, (Declined("No"),)),
        Message(Role.USER, (Text("Why?"),)),
    )
    assert there.lost == ()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "x", "cache_control": EPHEMERAL}, Text("x", EPHEMERAL)),
        ({"type": "refusal", "refusal": "No"}, Declined("No")),
        (IMAGE, Image(Inline("image/png", "iVBORw0KGgo="))),
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "auto"}},
            Image(Inline("image/png", "iVBORw0KGgo=")),
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
            Image(Link("https://a.example/b.png"), "low"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:IMAGE/JPG;charset=x;base64,AAAA"}},
            Image(Inline("image/jpeg", "AAAA")),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            Document(Inline("application/pdf", "AAAA"), title="a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_data": "https://a.example/b.pdf"}},
            Document(Link("https://a.example/b.pdf")),
        ),
    ],
    ids=lambda value: str(value.get("type")) if isinstance(value, dict) else "",
)
def test_each_kind_of_part_is_read(part: dict[str, Any], expected: Part) -> None:
    """U-58: images are what they are, by address or within the body; nothing is downloaded."""
    assert read(user(part)).messages == (Message(Role.USER, (expected,)),)


def test_parallel_calls_and_their_results_keep_ids_and_order() -> None:
    """U-43: results in a row, in whatever order, are one message of the user's, and arguments stay as written."""
    messages = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": None, "tool_calls": [call("a", "{ }"), call("b", "no json")]},
        {"role": "tool", "tool_call_id": "b", "content": "2", "name": "f"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
        {"role": "user", "content": "And?"},
    ]
    there = read(chat(messages=messages))
    assert there.messages[1].parts == (ToolCall("a", "f", "{ }"), ToolCall("b", "f", "no json"))
    assert there.messages[2].parts == (
        ToolResult("b", (Text("2"),)),
        ToolResult("a", (Text("1"),)),
        Text("And?"),
    )
    assert len(there.messages) == 3
    assert there.lost == ()


def test_a_call_beside_text_and_a_result_without_any() -> None:
    """U-55."""
    assert said({"role": "assistant", "content": "Let me see", "tool_calls": [call("a")]}) == (
        Text("Let me see"),
        ToolCall("a", "f", '{"x": 1}'),
    )
    assert said({"role": "assistant", "content": " ", "tool_calls": [call("a")]}) == (ToolCall("a", "f", '{"x": 1}'),)
    assert said({"role": "tool", "tool_call_id": "a", "content": ""}) == (ToolResult("a", ()),)
    nothing = {"id": "a", "function": {"name": "f", "arguments": None}}
    assert said({"role": "assistant", "tool_calls": [nothing]}) == (ToolCall("a", "f", ""),)


def test_tools_are_read() -> None:
    tools = [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}},
        {"type": "function", "function": {"name": "g"}, "cache_control": EPHEMERAL},
    ]
    assert read(chat(tools=tools)).tools == (Tool("f", "d", SCHEMA, strict=True), Tool("g", cache=EPHEMERAL))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"parallel_tool_calls": False}, ToolChoice(parallel=False)),
        ({"tool_choice": "auto", "parallel_tool_calls": True}, ToolChoice(Choosing.AUTO, parallel=True)),
        ({"tool_choice": "required"}, ToolChoice(Choosing.REQUIRED)),
        ({"tool_choice": "none"}, ToolChoice(Choosing.NONE)),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, ToolChoice(Choosing.NAMED, "f")),
    ],
)
def test_the_choice_among_the_tools_is_read(fields: dict[str, Any], expected: ToolChoice | None) -> None:
    assert read(chat(tools=[TOOL], **fields)).tool_choice == expected
    assert read(chat(tools=[], **fields)).tool_choice is None, "without tools there is nothing to choose"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, Output(None)),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True}},
            Output(SCHEMA, "n", "d"),
        ),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, Output(SCHEMA, "n", strict=False)),
    ],
)
def test_the_form_of_the_answer_is_read(form: object, expected: Output | None) -> None:
    assert read(chat(response_format=form)).output == expected


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_effort_is_read(level: str) -> None:
    assert read(chat(reasoning_effort=level)).effort == Effort(level)


def test_limits_and_settings_are_read() -> None:
    settings = {"temperature": 1.7, "top_p": 0.5, "seed": 0, "n": 2, "logit_bias": {"5": -1}, "service_tier": "flex"}
    there = read(chat(max_tokens=5, stop="END", user="u", stream=True, **settings))
    assert (there.max_tokens, there.stop_sequences, there.user, there.stream) == (5, ("END",), "u", True)
    assert there.settings == settings
    assert read(chat(stop=["a", "", "b"], max_completion_tokens=7, max_tokens=5)).max_tokens == 7


def test_what_asks_for_nothing_is_no_setting() -> None:
    """Some clients send every parameter with the value that it has anyway: nothing of that is told as lost."""
    neutral = {"n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": False, "logit_bias": {}}
    others = {
        "service_tier": "auto",
        "stop": None,
        "seed": None,
        "modalities": ["text"],
        "functions": [],
        "audio": None,
    }
    more = {"store": False, "metadata": {}, "tools": [], "tool_choice": None, "stream_options": {"include_usage": True}}
    there = read(chat(**neutral, **others, **more))
    assert (there.settings, there.lost, there.stop_sequences) == ({}, (), ())


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        (chat(store=True), ("store",)),
        (chat(metadata={"a": "b"}, prediction={"type": "content"}), ("metadata", "prediction")),
        (chat(messages=[{"role": "user", "content": "x", "name": "ann"}]), ("messages.name",)),
        (
            chat(messages=[{"role": "assistant", "content": "x", "reasoning_content": "Hm"}]),
            ("messages.reasoning_content",),
        ),
        (user({"type": "text", "text": "x", "extra": 1}), ("messages.content.extra",)),
        (chat(tools=[{**TOOL, "extra": 1}]), ("tools.extra",)),
        ({**chat(), "a b\r\nset-cookie: x": 1}, ("others",)),
        ({**chat(), **dict.fromkeys(MANY, 1)}, (*MANY[:20], "others")),
    ],
)
def test_what_is_not_known_is_named(fields: Mapping[str, Any], lost: tuple[str, ...]) -> None:
    """U-46: by the names of the caller's fields, and none that could break a header."""
    assert read(fields).lost == lost


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (chat(temperature="hot"), "temperature"),
        (chat(temperature=2.5), "temperature"),
        (chat(top_p=True), "top_p"),
        (chat(max_tokens=1.5), "max_tokens"),
        (chat(stop=7), "stop"),
        (chat(stop=["a", 7]), "stop"),
        (chat(reasoning_effort="huge"), "reasoning_effort"),
        (chat(reasoning_effort=["low"]), "reasoning_effort"),
        (chat(response_format={"type": "json_schema"}), "response_format"),
        (chat(response_format="json"), "response_format"),
        (chat(modalities=["text", "audio"]), "modalities"),
        (chat(audio={"voice": "x"}), "modalities"),
        (chat(functions=[{"name": "f"}]), "functions"),
        (chat(function_call="auto"), "function_call"),
        (chat(tools=[{"type": "custom"}]), "tools[0].type"),
        (chat(tools=[TOOL, {"type": "function"}]), "tools[1].function.name"),
        (chat(tools="f"), "tools"),
        (chat(tools=[TOOL], tool_choice="any"), "tool_choice"),
        (chat(tools=[TOOL], tool_choice={"type": "allowed_tools"}), "tool_choice"),
        (chat(messages=["Hello"]), "messages"),
        (chat(messages=[{"content": "x"}]), "messages[0].role"),
        (chat(messages=[{"role": "function", "content": "x"}]), "messages[0].role"),
        (chat(messages=[{"role": "user", "content": 7}]), "messages[0].content"),
        (chat(messages=[{"role": "tool", "content": "42"}]), "messages[0].tool_call_id"),
        (
            chat(messages=[{"role": "assistant", "tool_calls": [{"id": "a"}]}]),
            "messages[0].tool_calls[0].function.name",
        ),
        (
            chat(messages=[{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}]),
            "messages[0].tool_calls[0]",
        ),
        (user({"type": "input_audio"}), "messages[0].content[0]"),
        (user({"type": "text"}), "messages[0].content[0].text"),
        (user(IMAGE, {"type": "image_url", "image_url": "x"}), "messages[0].content[1].image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "ftp://x"}}), "messages[0].content[0].image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png,x"}}), "messages[0].content[0].image_url.url"),
        (
            user({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}),
            "messages[0].content[0].image_url.url",
        ),
        (
            user({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,iVBORw0KGgo="}}),
            "messages[0].content[0].image_url.url",
        ),
        (user({"type": "file", "file": {"file_id": "f"}}), "messages[0].content[0].file.file_id"),
        (
            user({"type": "file", "file": {"file_data": "data:text/csv;base64,AAAA"}}),
            "messages[0].content[0].file.file_data",
        ),
    ],
)
def test_a_field_that_keeps_a_request_from_crossing_is_named_by_its_path(fields: Mapping[str, Any], name: str) -> None:
    """U-46 and U-58: a 400 that says where."""
    refusal = OPENAI.chat(fields)
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.param) == (RefusalKind.INVALID_REQUEST, name)
    assert f"'{name}'" in refusal.message


parts = st.one_of(
    odd_values,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "refusal", "image_url", "file"])},
        optional=dict.fromkeys(("text", "refusal", "image_url", "file", "cache_control"), odd_values),
    ),
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"])},
        optional={
            "content": st.one_of(odd_values, st.lists(parts, max_size=3)),
            "tool_calls": st.lists(
                st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "type", "function"), odd_values)), max_size=2
            ),
            "tool_call_id": odd_values,
            "refusal": odd_values,
        },
    ),
    max_size=4,
)
FIELDS = (
    *("tools", "tool_choice", "response_format", "stop", "max_tokens", "temperature", "metadata", "n", "user"),
    *("reasoning_effort", "parallel_tool_calls", "modalities", "logit_bias", "service_tier", "store", "seed"),
)
tools = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("function")}, optional={"function": odd_values, "cache_control": odd_values}
    ),
    max_size=2,
)


@given(
    st.fixed_dictionaries(
        {"model": st.just("auto"), "messages": st.one_of(odd_messages, messages)},
        optional=dict.fromkeys(FIELDS, odd_values) | {"tools": st.one_of(odd_values, tools)},
    )
)
def test_no_request_is_too_odd_to_be_carried_or_refused(fields: dict[str, Any]) -> None:
    """Whatever JSON says, it crosses to either dialect, or a field of it is named."""
    there = OPENAI.chat(fields)
    if isinstance(there, Refusal):
        assert there.param.split("[")[0].split(".")[0] in {*fields, "modalities"}
        return
    for provider in (OPENAI, ANTHROPIC):
        sent = provider.write_request(there, MODEL, NO_PARAMS, 1)
        assert isinstance(sent, Refusal) or json.loads(sent.body)["model"] == "up"
