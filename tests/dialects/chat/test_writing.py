"""Conversations in no dialect as chat completions requests."""

import json
from typing import Any

import pytest

from gateway.dialects.base import Outgoing
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.chat.writing import all_required
from gateway.domain.chat import Role
from gateway.domain.message import (
    Chat,
    Choosing,
    Citation,
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
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.domain.refusal import Refusal
from gateway.domain.registry import Model
from gateway.domain.rule import NO_PARAMS, Params
from tests.dialects.exchanges import MODEL, edits, model

OPENAI = OpenAIChat()
HELLO = Message(Role.USER, (Text("Hello"),))
OURS = model("openai", can="chat thinking tools")
PNG = Inline("image/png", "AAAA")
PDF = Inline("application/pdf", "AAAA")
MARK = {"type": "ephemeral"}


def written(there: Chat, to: Model = MODEL, params: Params = NO_PARAMS) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the body and the names of what it leaves out."""
    sent = OPENAI.write_request(there, to, params, 4096)
    assert isinstance(sent, Outgoing), sent
    body: dict[str, Any] = json.loads(sent.body)
    return body, sent.lost


def messages_of(*said: Message) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    body, lost = written(Chat((), said))
    return body["messages"], lost


def test_a_request_is_no_more_than_what_was_asked_for() -> None:
    assert written(Chat((), (HELLO,))) == (
        {"model": "up", "messages": [{"role": "user", "content": "Hello"}]},
        (),
    )


def test_a_stream_is_asked_for_its_usage() -> None:
    """U-31: it is metered whether or not the caller's dialect knows of asking."""
    body, _ = written(Chat((), (HELLO,), stream=True))
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_system_texts_are_one_message() -> None:
    body, lost = written(Chat((Text("A"), Text("B", MARK)), (HELLO,)))
    assert body["messages"] == [{"role": "system", "content": "A\n\nB"}, {"role": "user", "content": "Hello"}]
    assert lost == ("cache_control",)


@pytest.mark.parametrize(
    ("part", "expected", "lost"),
    [
        (Text("x", MARK), "x", ("cache_control",)),
        (
            Image(Link("https://a.example/b.png"), "low"),
            [{"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}}],
            (),
        ),
        (
            Image(PNG, cache=MARK),
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
            ("cache_control",),
        ),
        (
            Document(PDF, title="a.pdf"),
            [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}],
            (),
        ),
        (
            Document(PDF),
            [{"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,AAAA"}}],
            (),
        ),
        (Document(None, "x", "t", MARK), "x", ("cache_control", "title")),
    ],
)
def test_each_kind_of_part_is_written(part: Part, expected: object, lost: tuple[str, ...]) -> None:
    """U-58: native forms, by address or within the body."""
    assert messages_of(Message(Role.USER, (part,))) == ([{"role": "user", "content": expected}], lost)


def test_a_document_by_its_address_cannot_be_said() -> None:
    refusal = OPENAI.write_request(
        Chat((), (Message(Role.USER, (Document(Link("https://a.example/b.pdf")),)),)), MODEL, NO_PARAMS, 1
    )
    assert isinstance(refusal, Refusal)
    assert refusal.param == "messages.content.source.url"


def test_results_are_messages_of_their_own_before_what_the_user_says() -> None:
    """U-43: N results are N messages with their ids and in their order; an image in one follows them."""
    said, lost = messages_of(
        HELLO,
        Message(Role.ASSISTANT, (Text("Let me see"), ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "", MARK))),
        Message(
            Role.USER,
            (
                Text("And?"),
                ToolResult("b", (Text("2"), Image(PNG)), failed=True),
                ToolResult("a", (), cache=MARK),
            ),
        ),
    )
    assert said[1:] == [
        {
            "role": "assistant",
            "content": "Let me see",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
    ]
    assert lost == ("cache_control", "is_error")


def test_an_id_that_is_too_long_is_short_in_the_call_and_in_its_result() -> None:
    """OpenAI takes ids of 40 characters: pairs stay pairs, and two of them stay two (U-43)."""
    ids = ["toolu_" + "x" * 60 + end for end in "ab"]
    said, _ = messages_of(
        HELLO,
        Message(Role.ASSISTANT, tuple(ToolCall(each, "f", "{}") for each in ids)),
        Message(Role.USER, tuple(ToolResult(each, (Text("1"),)) for each in ids)),
    )
    calls = [each["id"] for each in said[1]["tool_calls"]]
    assert [each["tool_call_id"] for each in said[2:]] == calls
    assert len(set(calls)) == 2
    assert all(len(each) == 40 for each in calls)


def test_thoughts_stay_behind_and_are_named() -> None:
    """U-47: no other provider takes them; of a message of nothing else nothing is left (U-55)."""
    thoughts = (Thinking("Hm", "s"), Thinking("", redacted="x"))
    said, lost = messages_of(
        HELLO,
        Message(Role.ASSISTANT, thoughts),
        HELLO,
        Message(Role.ASSISTANT, (*thoughts, Text("A", citations=(Citation("https://a.example"),)), Declined("B"))),
        HELLO,
    )
    assert [each["role"] for each in said] == ["user", "user", "assistant", "user"]
    assert said[2] == {"role": "assistant", "content": "AB"}
    assert lost == ("citations", "thinking")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {}),
        (ToolChoice(), {"tool_choice": "auto"}),
        (ToolChoice(parallel=False), {"parallel_tool_calls": False}),
        (ToolChoice(Choosing.REQUIRED, parallel=False), {"tool_choice": "required", "parallel_tool_calls": False}),
        (ToolChoice(Choosing.NONE), {"tool_choice": "none"}),
        (ToolChoice(Choosing.NAMED, "f"), {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
    ],
)
def test_tools_and_the_choice_among_them_are_written(choice: ToolChoice | None, expected: dict[str, Any]) -> None:
    tools = (Tool("f", "d", {"type": "object"}, strict=True, cache=MARK), Tool("g"))
    body, lost = written(Chat((), (HELLO,), tools=tools, tool_choice=choice))
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        },
        {"type": "function", "function": {"name": "g"}},
    ]
    assert {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body} == expected
    assert lost == ("cache_control",)


CLOSED = {"type": "object", "properties": {"x": {}}, "required": ["x"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, None),
        (Output(None), {"type": "json_object"}),
        (
            Output(CLOSED),
            {"type": "json_schema", "json_schema": {"name": "output", "schema": CLOSED, "strict": True}},
        ),
        (
            Output({"type": "object"}, "n", "d"),
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "description": "d"}},
        ),
        (
            Output(CLOSED, "n", strict=False),
            {"type": "json_schema", "json_schema": {"name": "n", "schema": CLOSED}},
        ),
    ],
)
def test_the_form_of_the_answer_is_written(output: Output | None, expected: object) -> None:
    """A schema is enforced where OpenAI would not answer that with an error."""
    assert written(Chat((), (HELLO,), output=output))[0].get("response_format") == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (CLOSED, True),
        ({}, True),
        ({"type": "string"}, True),
        ({**CLOSED, "additionalProperties": True}, False),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "required": [["x"]]}, False),
        ({**CLOSED, "required": "x"}, False),
        ({**CLOSED, "properties": {"x": {"anyOf": [CLOSED, {"type": "object"}]}}}, False),
        ({**CLOSED, "properties": {"x": {"anyOf": [CLOSED, {"type": "null"}]}}}, True),
    ],
)
def test_a_schema_is_enforced_where_every_object_is_closed(schema: object, expected: bool) -> None:  # noqa: FBT001
    assert all_required(schema) is expected


@pytest.mark.parametrize(
    ("to", "effort", "expected", "lost"),
    [
        (OURS, None, None, ()),
        (OURS, Effort(), None, ()),
        (OURS, Effort("none"), "none", ()),
        (OURS, Effort("minimal"), "minimal", ()),
        (OURS, Effort("xhigh"), "high", ()),
        (OURS, Effort("max"), "high", ()),
        (OURS, Effort("", 1024), "low", ()),
        (OURS, Effort("", 8192), "medium", ()),
        (OURS, Effort("", 32000), "high", ()),
        (OURS, Effort("low", 32000), "low", ()),
        (MODEL, Effort("low"), None, ("effort",)),
        (MODEL, Effort("none"), None, ()),
        (model("openai", can="chat"), Effort("low"), None, ("effort",)),
    ],
)
def test_how_much_to_think_is_said_to_models_that_think(
    to: Model, effort: Effort | None, expected: str | None, lost: tuple[str, ...]
) -> None:
    body, named = written(Chat((), (HELLO,), effort=effort), to)
    assert (body.get("reasoning_effort"), named) == (expected, lost)


def test_settings_go_under_their_own_names() -> None:
    settings = {"temperature": 1.5, "top_p": 0.5, "seed": 1, "top_k": 3}
    there = Chat((), (HELLO,), user="u", stop_sequences=tuple("abcde"), settings=settings)
    body, lost = written(there)
    assert body == {
        "model": "up",
        "messages": [{"role": "user", "content": "Hello"}],
        "user": "u",
        "temperature": 1.5,
        "top_p": 0.5,
        "seed": 1,
        "stop": ["a", "b", "c", "d"],
    }
    assert lost == ("stop_sequences", "top_k")


def test_a_parameter_that_the_model_refuses_is_left_out_and_named() -> None:
    """U-57."""
    refusing = model("openai", refuses="temperature stop max_tokens")
    there = Chat((), (HELLO,), max_tokens=5, stop_sequences=("a",), settings={"temperature": 1, "top_p": 1})
    body, lost = written(there, refusing)
    assert (body["top_p"], body["max_completion_tokens"]) == (1, 5)
    assert body.keys().isdisjoint({"temperature", "stop", "max_tokens"})
    assert lost == ("stop", "temperature")


@pytest.mark.parametrize("rule", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("asked", [None, 9000])
@pytest.mark.parametrize(
    ("to", "name"),
    [
        (MODEL, "max_tokens"),
        (OURS, "max_completion_tokens"),
        (model("openai", refuses="max_tokens"), "max_completion_tokens"),
    ],
)
def test_a_cap_holds_under_the_name_that_the_model_takes(to: Model, name: str, asked: int | None, rule: str) -> None:
    """A cap under the name that newer models refuse is a cap all the same, and not taken out."""
    body, lost = written(Chat((), (HELLO,), max_tokens=asked), to, edits(cap={rule: 500}))
    assert {each: body[each] for each in body if each.startswith("max")} == {name: 500}
    assert lost == ()
