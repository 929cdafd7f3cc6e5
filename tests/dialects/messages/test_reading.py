"""Messages requests as conversations in no dialect."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import edit
from gateway.dialects.base import Outgoing
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.domain.chat import Role
from gateway.domain.message import (
    Chat,
    Choosing,
    Document,
    Effort,
    Image,
    Inline,
    Link,
    Message,
    Output,
    Part,
    Text,
    Thinking,
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
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
IMAGE = {"type": "image", "source": PNG}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
EPHEMERAL = {"type": "ephemeral", "ttl": "1h"}
GO_ON = {"role": "user", "content": "Go on"}


def read(fields: Mapping[str, Any]) -> Chat:
    there = ANTHROPIC.chat(fields)
    assert isinstance(there, Chat), there
    return there


def user(*blocks: object) -> Mapping[str, Any]:
    return chat(messages=[{"role": "user", "content": list(blocks)}])


def test_roles_and_order_stay_and_what_is_empty_is_left_out() -> None:
    """U-55."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "One", "citations": None}, {"type": "text", "text": ""}]},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": [{"type": "text", "text": "So"}]},
        {"role": "system", "content": "Be kind"},
        GO_ON,
    ]
    there = read(chat(messages=messages, system="Be brief"))
    assert there.system == (Text("Be brief"), Text("Be kind"))
    assert there.messages == (
        Message(Role.USER, (Text("One"), Text("Why?"))),
        Message(Role.ASSISTANT, (Text("So"),)),
        Message(Role.USER, (Text("Go on"),)),
    )
    assert there.lost == ()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "text", "text": "x", "cache_control": EPHEMERAL}, Text("x", EPHEMERAL)),
        (IMAGE, Image(Inline("image/png", "iVBORw0KGgo="))),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}, "cache_control": EPHEMERAL},
            Image(Link("https://a.example/b.png"), cache=EPHEMERAL),
        ),
        (
            {"type": "image", "source": {**PNG, "media_type": "image/jpg", "data": "/9j/4AAQ"}},
            Image(Inline("image/jpeg", "/9j/4AAQ")),
        ),
        (
            {"type": "document", "title": "t", "source": {**PNG, "media_type": "application/pdf", "data": "AAAA"}},
            Document(Inline("application/pdf", "AAAA"), title="t"),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            Document(None, "x"),
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": t} for t in "ab"]}},
            Document(None, "a\nb"),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}},
            Document(Link("https://a.example/b.pdf")),
        ),
        (
            {"type": "tool_result", "tool_use_id": "a", "content": "42", "is_error": True, "cache_control": EPHEMERAL},
            ToolResult("a", (Text("42"),), failed=True, cache=EPHEMERAL),
        ),
        ({"type": "tool_result", "tool_use_id": "a"}, ToolResult("a", ())),
        (
            {"type": "tool_result", "tool_use_id": "a", "content": [IMAGE, {"type": "text", "text": "42"}]},
            ToolResult("a", (Image(Inline("image/png", "iVBORw0KGgo=")), Text("42"))),
        ),
    ],
    ids=str,
)
def test_each_kind_of_block_is_read(block: dict[str, Any], expected: Part) -> None:
    """U-58: images are what they are, by address or within the body, within results of tools as well."""
    assert read(user(block)).messages == (Message(Role.USER, (expected,)),)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "thinking", "thinking": "Hm", "signature": "s"}, Thinking("Hm", "s")),
        ({"type": "thinking", "thinking": "", "signature": "s"}, Thinking("", "s")),
        ({"type": "redacted_thinking", "data": "x"}, Thinking("", redacted="x")),
        ({"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1]}}, ToolCall("a", "f", '{"x":[1]}')),
        ({"type": "tool_use", "id": "a", "name": "f", "input": {}}, ToolCall("a", "f", "{}")),
    ],
)
def test_what_the_assistant_thought_and_asked_is_read(block: dict[str, Any], expected: Part) -> None:
    """U-47: signatures as they came."""
    messages = [{"role": "assistant", "content": [block]}, GO_ON]
    assert read(chat(messages=messages)).messages[0].parts == (expected,)


def test_parallel_calls_and_their_results_keep_ids_and_order() -> None:
    """U-43."""
    calls = [{"type": "tool_use", "id": each, "name": "f", "input": {}} for each in "ab"]
    results = [{"type": "tool_result", "tool_use_id": each, "content": each} for each in "ba"]
    text = {"type": "text", "text": "And?"}
    there = read(
        chat(messages=[GO_ON, {"role": "assistant", "content": calls}, {"role": "user", "content": [*results, text]}])
    )
    assert [part.id for part in there.messages[1].parts if isinstance(part, ToolCall)] == ["a", "b"]
    assert there.messages[2].parts == (ToolResult("b", (Text("b"),)), ToolResult("a", (Text("a"),)), Text("And?"))


def test_a_coding_agents_request_is_read() -> None:
    """Markers, betas and the rest that such agents send: all that a provider of another dialect lacks is named."""
    fields = chat(
        system=[{"type": "text", "text": "A"}, {"type": "text", "text": "B", "cache_control": EPHEMERAL}],
        tools=[{**TOOL, "cache_control": EPHEMERAL, "eager_input_streaming": True}, {**TOOL, "type": "custom"}],
        metadata={"user_id": "u", "extra": 1},
        thinking={"type": "adaptive", "display": "omitted"},
        output_config={"effort": "max", "task_budget": {"total": 9}},
        context_management={"edits": []},
        service_tier="standard_only",
        max_tokens=32000,
        stream=True,
    )
    there = read(fields)
    assert there.system == (Text("A"), Text("B", EPHEMERAL))
    assert there.tools == (Tool("f", schema={"type": "object"}, cache=EPHEMERAL), Tool("f", schema={"type": "object"}))
    assert (there.user, there.effort, there.max_tokens, there.stream) == ("u", Effort("max"), 32000, True)
    assert there.lost == (
        *("context_management", "metadata.extra", "output_config.task_budget", "service_tier"),
        "tools.eager_input_streaming",
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ({"type": "auto"}, ToolChoice()),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(Choosing.REQUIRED, parallel=False)),
        ({"type": "none"}, ToolChoice(Choosing.NONE)),
        ({"type": "tool", "name": "f"}, ToolChoice(Choosing.NAMED, "f")),
    ],
)
def test_the_choice_among_the_tools_is_read(choice: object, expected: ToolChoice | None) -> None:
    assert read(chat(tools=[TOOL], tool_choice=choice)).tool_choice == expected
    assert read(chat(tool_choice=choice)).tool_choice is None, "without tools there is nothing to choose"


@pytest.mark.parametrize(
    ("fields", "expected", "lost"),
    [
        ({}, None, ()),
        ({"thinking": {"type": "disabled"}}, None, ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Effort("", 2048), ()),
        ({"thinking": {"type": "adaptive"}}, Effort(), ()),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, Effort("low"), ()),
        ({"output_config": {"effort": "high"}}, Effort("high"), ()),
        ({"output_config": {"effort": "odd"}}, None, ()),
        ({"thinking": {"type": "new"}}, None, ("thinking",)),
    ],
)
def test_how_much_to_think_is_read(fields: dict[str, Any], expected: Effort | None, lost: tuple[str, ...]) -> None:
    there = read(chat(**fields))
    assert (there.effort, there.lost) == (expected, lost)


@pytest.mark.parametrize("place", ["output_format", "output_config"])
def test_the_form_of_the_answer_is_read_at_its_old_and_its_new_place(place: str) -> None:
    form = {"type": "json_schema", "schema": SCHEMA}
    assert read(chat(**{place: form if place == "output_format" else {"format": form}})).output == Output(SCHEMA)


def test_limits_and_settings_are_read() -> None:
    there = read(chat(max_tokens=5, stop_sequences=["A", ""], temperature=0, top_p=0.5, top_k=3, service_tier="auto"))
    assert (there.max_tokens, there.stop_sequences) == (5, ("A",))
    assert (there.settings, there.lost) == ({"temperature": 0, "top_p": 0.5, "top_k": 3}, ())


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (chat(temperature=1.5), "temperature"),
        (chat(top_k=1.5), "top_k"),
        (chat(max_tokens="9"), "max_tokens"),
        (chat(stop_sequences={"a": 1}), "stop_sequences"),
        (chat(system=7), "system"),
        (chat(system=[IMAGE]), "system[0]"),
        (chat(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools[0].type"),
        (chat(tools=[{"input_schema": {}}]), "tools[0].name"),
        (chat(tools=[TOOL], tool_choice="auto"), "tool_choice"),
        (chat(tools=[TOOL], tool_choice={"type": "tool"}), "tool_choice"),
        (chat(output_format={"type": "json_object"}), "output_config.format"),
        (chat(messages=[7]), "messages"),
        (chat(messages=[{"role": "tool", "content": "x"}]), "messages[0].role"),
        (chat(messages=[{"role": "system", "content": [IMAGE]}]), "messages[0].content[0]"),
        (chat(messages=[{"role": ["user"], "content": "x"}]), "messages[0].role"),
        (chat(messages=[GO_ON, {"role": "assistant", "content": "{"}]), "messages"),
        (user(7), "messages[0].content"),
        (user({"type": "text"}), "messages[0].content[0].text"),
        (user({"type": "search_result"}), "messages[0].content[0]"),
        (user({"type": "image", "source": {"type": "file", "file_id": "f"}}), "messages[0].content[0].source"),
        (user({"type": "image", "source": {**PNG, "media_type": "image/tiff"}}), "messages[0].content[0].source"),
        (user({"type": "image", "source": {**PNG, "media_type": "image/webp"}}), "messages[0].content[0].source"),
        (user({"type": "tool_result"}), "messages[0].content[0].tool_use_id"),
        (
            user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "search_result"}]}),
            "messages[0].content[0].content[0]",
        ),
        (user({"type": "tool_use", "id": "a"}), "messages[0].content[0].name"),
        (
            user({"type": "document", "source": {"type": "content", "content": [IMAGE]}}),
            "messages[0].content[0].source.content[0]",
        ),
    ],
)
def test_a_field_that_keeps_a_request_from_crossing_is_named_by_its_path(fields: Mapping[str, Any], name: str) -> None:
    """U-46 and U-58: a 400 that says where."""
    refusal = ANTHROPIC.chat(fields)
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.param) == (RefusalKind.INVALID_REQUEST, name)
    assert f"'{name}'" in refusal.message


RESULT = b'{"type":"tool_result","tool_use_id":"a","content":['
QUOTE = b'{"type":"document","source":{"type":"content","content":['


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"role":"user","content":[%s%s]}]}' % (RESULT * 380, b"]}" * 380),
        b'{"messages":[{"role":"user","content":[%s%s]}]}' % (QUOTE * 250, b"]}}" * 250),
        b'{"messages":[{"role":"user","content":"x"}],"output_format":{"type":"json_schema","schema":%s1%s}}'
        % (b'{"a":' * 800, b"}" * 800),
        b'{"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":%s1%s}]}'
        % (b'{"a":' * 800, b"}" * 800),
    ],
    ids=["results", "documents", "schema", "tool"],
)
def test_no_request_that_is_read_is_nested_too_deeply_to_be_carried_or_refused(body: bytes) -> None:
    fields = edit.decode_object(body)
    assert not isinstance(fields, Refusal)
    there = ANTHROPIC.chat(fields)
    if isinstance(there, Chat):
        assert isinstance(OPENAI.write_request(there, MODEL, NO_PARAMS, 1), Outgoing)


blocks = st.one_of(
    odd_values,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image", "document", "tool_use", "tool_result", "thinking"])},
        optional=dict.fromkeys(
            ("text", "source", "content", "input", "id", "name", "tool_use_id", "title"), odd_values
        ),
    ),
)
messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant"]),
            "content": st.one_of(odd_values, st.lists(blocks, max_size=3)),
        }
    ),
    max_size=4,
)
FIELDS = (
    *("tools", "tool_choice", "system", "thinking", "output_config", "output_format", "stop_sequences", "max_tokens"),
    *("temperature", "metadata", "service_tier", "top_k"),
)


@given(
    st.fixed_dictionaries(
        {"model": st.just("auto"), "messages": st.one_of(odd_messages, messages)},
        optional=dict.fromkeys(FIELDS, odd_values),
    )
)
def test_no_request_is_too_odd_to_be_carried_or_refused(fields: dict[str, Any]) -> None:
    """Whatever JSON says, it crosses to either dialect, or a field of it is named."""
    there = ANTHROPIC.chat(fields)
    if isinstance(there, Refusal):
        assert there.param.split("[")[0].split(".")[0] in {*fields, "output_config"}
        return
    for provider in (OPENAI, ANTHROPIC):
        sent = provider.write_request(there, MODEL, NO_PARAMS, 1)
        assert isinstance(sent, Refusal) or json.loads(sent.body)["model"] == "up"
