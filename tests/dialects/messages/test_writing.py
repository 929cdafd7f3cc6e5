# ruff: noqa: FBT001 - a flag of a parametrised test is no flag argument
"""Conversations in no dialect as messages requests."""

import json
import re
from typing import Any

import pytest

from gateway.dialects.base import Outgoing
from gateway.dialects.messages.dialect import AnthropicMessages
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

ANTHROPIC = AnthropicMessages()
HELLO = Message(Role.USER, (Text("Hello"),))
MARK = {"type": "ephemeral", "ttl": "1h"}
BUDGETED = model("anthropic", can="chat thinking tools")
ADAPTIVE = model("anthropic", can="chat thinking tools", refuses="temperature top_p top_k")
THOUGHTLESS = model("anthropic", can="chat tools")


def written(there: Chat, to: Model = MODEL, params: Params = NO_PARAMS) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the body and the names of what it leaves out."""
    sent = ANTHROPIC.write_request(there, to, params, 64_000)
    assert isinstance(sent, Outgoing), sent
    body: dict[str, Any] = json.loads(sent.body)
    return body, sent.lost


def blocks_of(role: Role, *parts: Part) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Give the blocks of a message of these parts, and what they leave out."""
    body, lost = written(Chat((), (HELLO, Message(role, parts), HELLO)))
    return body["messages"][1]["content"], lost


def test_a_request_is_no_more_than_what_was_asked_for() -> None:
    assert written(Chat((), (HELLO,), max_tokens=5)) == (
        {
            "model": "up",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "max_tokens": 5,
        },
        (),
    )


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, 64_000),
        ({"default": {"max_tokens": 1000}}, 1000),
        ({"cap": {"max_tokens": 500}}, 500),
        ({"cap": {"max_completion_tokens": 500}}, 500),
        ({"set": {"max_completion_tokens": 9}}, 9),
        ({"drop": ["max_tokens"]}, 64_000),
    ],
)
def test_the_models_maximum_stands_in_for_no_limit(parts: dict[str, Any], expected: int) -> None:
    """U-56, in the one name that this dialect has."""
    body, lost = written(Chat((), (HELLO,)), params=edits(**parts))
    assert {name: body[name] for name in body if name.startswith("max")} == {"max_tokens": expected}
    assert lost == ()


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ((Text("A"),), "A"),
        (
            (Text("A"), Text("B", MARK)),
            [{"type": "text", "text": "A"}, {"type": "text", "text": "B", "cache_control": MARK}],
        ),
    ],
)
def test_system_texts_keep_their_places_and_markers(system: tuple[Text, ...], expected: object) -> None:
    """U-49."""
    assert written(Chat(system, (HELLO,)))[0]["system"] == expected


@pytest.mark.parametrize(
    ("part", "expected", "lost"),
    [
        (Text("x", MARK), {"type": "text", "text": "x", "cache_control": MARK}, ()),
        (
            Image(Link("https://a.example/b.png"), "low", MARK),
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}, "cache_control": MARK},
            ("detail",),
        ),
        (
            Image(Inline("image/png", "AAAA")),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            (),
        ),
        (
            Document(Inline("application/pdf", "AAAA"), title="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "title": "a.pdf",
            },
            (),
        ),
        (
            Document(None, "x"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            (),
        ),
        (
            ToolResult("a", (Text("42"),), failed=True, cache=MARK),
            {"type": "tool_result", "tool_use_id": "a", "content": "42", "is_error": True, "cache_control": MARK},
            (),
        ),
        (ToolResult("a", ()), {"type": "tool_result", "tool_use_id": "a"}, ()),
        (
            ToolResult("a", (Text("42", MARK), Image(Link("https://a.example/b.png")))),
            {
                "type": "tool_result",
                "tool_use_id": "a",
                "content": [
                    {"type": "text", "text": "42", "cache_control": MARK},
                    {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
                ],
            },
            (),
        ),
    ],
)
def test_each_kind_of_part_is_written(part: Part, expected: dict[str, Any], lost: tuple[str, ...]) -> None:
    """U-49 U-58: native forms, cache markers unchanged and at their places, and none that nobody set."""
    assert blocks_of(Role.USER, part) == ([expected], lost)


@pytest.mark.parametrize(
    ("part", "expected", "lost"),
    [
        (Declined("No"), {"type": "text", "text": "No"}, ()),
        (Text("x", citations=(Citation("https://a.example"),)), {"type": "text", "text": "x"}, ("citations",)),
        (Thinking("Hm", "s"), {"type": "thinking", "thinking": "Hm", "signature": "s"}, ()),
        (Thinking("", redacted="x"), {"type": "redacted_thinking", "data": "x"}, ()),
        (ToolCall("a", "f", '{"x": 1}'), {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}, ()),
        (ToolCall("a", "f", ""), {"type": "tool_use", "id": "a", "name": "f", "input": {}}, ()),
        (ToolCall("a", "f", "[1]"), {"type": "tool_use", "id": "a", "name": "f", "input": {}}, ("arguments",)),
        (ToolCall("a", "f", "{"), {"type": "tool_use", "id": "a", "name": "f", "input": {}}, ("arguments",)),
    ],
)
def test_what_the_assistant_said_is_written(part: Part, expected: dict[str, Any], lost: tuple[str, ...]) -> None:
    assert blocks_of(Role.ASSISTANT, part) == ([expected], lost)


def test_a_thought_without_its_signature_is_left_out_and_none_is_made_up() -> None:
    """U-47, and U-55: of a message of nothing else nothing is left."""
    body, lost = written(Chat((), (HELLO, Message(Role.ASSISTANT, (Thinking("Hm"),)), HELLO)))
    assert [each["role"] for each in body["messages"]] == ["user", "user"]
    assert lost == ("thinking",)


def test_results_come_first_in_the_message_of_the_user() -> None:
    """U-43: in the order in which they came, each with its id."""
    blocks, _ = blocks_of(Role.USER, Text("And?"), ToolResult("b", (Text("2"),)), ToolResult("a", (Text("1"),)))
    assert [block.get("tool_use_id") for block in blocks] == ["b", "a", None]


def test_an_id_that_this_dialect_does_not_take_is_changed_in_the_call_and_in_its_result() -> None:
    """U-43: some servers write ids with dots and colons; pairs stay pairs, and two of them stay two."""
    ids = ["functions.f:0", "functions.f_0", "functions_f_0", "call_abc"]
    body, _ = written(
        Chat(
            (),
            (
                HELLO,
                Message(Role.ASSISTANT, tuple(ToolCall(each, "f", "{}") for each in ids)),
                Message(Role.USER, tuple(ToolResult(each, (Text("1"),)) for each in ids)),
            ),
        )
    )
    calls = [block["id"] for block in body["messages"][1]["content"]]
    assert [block["tool_use_id"] for block in body["messages"][2]["content"]] == calls
    assert calls[2:] == ids[2:], "what can stay stays"
    assert len(set(calls)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", each) for each in calls)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice(), {"type": "auto"}),
        (ToolChoice(parallel=False), {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(Choosing.REQUIRED, parallel=False), {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(Choosing.REQUIRED, parallel=True), {"type": "any"}),
        (ToolChoice(Choosing.NONE, parallel=False), {"type": "none"}),
        (ToolChoice(Choosing.NAMED, "f"), {"type": "tool", "name": "f"}),
    ],
)
def test_tools_and_the_choice_among_them_are_written(choice: ToolChoice | None, expected: object) -> None:
    """A schema is one of an object here even where nobody said so."""
    schema = {"properties": {"x": {"type": "string"}}}
    tools = (Tool("f", "d", schema, strict=True, cache=MARK), Tool("g"), Tool("h", schema={}))
    body, lost = written(Chat((), (HELLO,), tools=tools, tool_choice=choice))
    nothing = {"type": "object", "properties": {}}
    assert body["tools"] == [
        {"name": "f", "input_schema": {"type": "object", **schema}, "description": "d", "cache_control": MARK},
        {"name": "g", "input_schema": nothing},
        {"name": "h", "input_schema": nothing},
    ]
    assert body.get("tool_choice") == expected
    assert lost == ("strict",)


CLOSED = {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize(
    ("output", "expected", "lost"),
    [
        (Output(CLOSED, "n"), {"format": {"type": "json_schema", "schema": CLOSED}}, ()),
        (Output({"type": "object"}), {"format": {"type": "json_schema", "schema": CLOSED}}, ()),
        (
            Output({"type": "string", "maxLength": 3}),
            {"format": {"type": "json_schema", "schema": {"type": "string", "description": "{maxLength: 3}"}}},
            ("schema",),
        ),
        (Output(None), None, ("output",)),
    ],
)
def test_the_form_of_the_answer_is_written(output: Output, expected: object, lost: tuple[str, ...]) -> None:
    body, named = written(Chat((), (HELLO,), output=output))
    assert (body.get("output_config"), named) == (expected, lost)


def thinking(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("thinking", "output_config") if name in body}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def adaptive(level: str = "") -> dict[str, Any]:
    config = {"output_config": {"effort": level}} if level else {}
    return {"thinking": {"type": "adaptive"}, **config}


@pytest.mark.parametrize(
    ("to", "effort", "most", "expected", "lost"),
    [
        (BUDGETED, Effort("none"), 9000, {}, ()),
        (BUDGETED, Effort(), 20000, budget(8192), ()),
        (BUDGETED, Effort("low"), 9000, budget(2048), ()),
        (BUDGETED, Effort("high"), 9000, budget(8999), ()),
        (BUDGETED, Effort("", 5000), 9000, budget(5000), ()),
        (BUDGETED, Effort("low"), 1024, {}, ("effort",)),
        (BUDGETED, Effort("", 100), 9000, {}, ("effort",)),
        (MODEL, Effort("low"), 9000, budget(2048), ()),
        (THOUGHTLESS, Effort("low"), 9000, {}, ("effort",)),
        (ADAPTIVE, Effort(), 9000, adaptive(), ()),
        (ADAPTIVE, Effort("minimal"), 9000, adaptive("low"), ()),
        (ADAPTIVE, Effort("xhigh"), 9000, adaptive("xhigh"), ()),
        (ADAPTIVE, Effort("max"), 9000, adaptive("max"), ()),
        (ADAPTIVE, Effort("", 5000), 9000, adaptive("medium"), ()),
    ],
)
def test_how_much_to_think_is_said_as_the_model_takes_it(
    to: Model, effort: Effort, most: int, expected: dict[str, Any], lost: tuple[str, ...]
) -> None:
    """As a budget below the limit of the output, or as a level to models that choose their own."""
    body, named = written(Chat((), (HELLO,), max_tokens=most, effort=effort), to)
    assert (thinking(body), named) == (expected, lost)


CALLED = (HELLO, Message(Role.ASSISTANT, (ToolCall("a", "f", "{}"),)), Message(Role.USER, (ToolResult("a", ()),)))
THOUGHT = (
    HELLO,
    Message(Role.ASSISTANT, (Thinking("Hm", "s"), ToolCall("a", "f", "{}"))),
    Message(Role.USER, (ToolResult("a", ()),)),
)


@pytest.mark.parametrize(
    ("said", "choice", "thinks"),
    [
        ((HELLO,), None, True),
        (CALLED, None, False),
        ((*CALLED, Message(Role.ASSISTANT, (Text("So"),)), HELLO), None, True),
        (THOUGHT, None, True),
        ((HELLO,), ToolChoice(), True),
        ((HELLO,), ToolChoice(Choosing.REQUIRED), False),
        ((HELLO,), ToolChoice(Choosing.NAMED, "f"), False),
    ],
)
def test_it_is_not_said_where_the_model_would_answer_it_with_an_error(
    said: tuple[Message, ...], choice: ToolChoice | None, thinks: bool
) -> None:
    """Within the turn of a tool whose thoughts did not come back, and with a tool that it must ask for."""
    there = Chat((), said, tools=(Tool("f"),), tool_choice=choice, effort=Effort("low"))
    body, lost = written(there, BUDGETED)
    assert ("thinking" in body, "effort" in lost) == (thinks, not thinks)


@pytest.mark.parametrize(
    ("settings", "effort", "expected", "lost"),
    [
        ({"temperature": 0.5}, None, {"temperature": 0.5}, ()),
        ({"temperature": 1.7}, None, {"temperature": 1}, ("temperature",)),
        ({"temperature": 0.5, "top_p": 0.9}, None, {"temperature": 0.5}, ("top_p",)),
        ({"temperature": 0.5, "top_p": 1}, None, {"temperature": 0.5}, ()),
        ({"temperature": 1, "top_p": 0.9}, None, {"top_p": 0.9}, ()),
        ({"temperature": 1.7, "top_p": 0.9}, None, {"temperature": 1}, ("temperature", "top_p")),
        ({"top_k": 3, "seed": 0, "n": 2}, None, {"top_k": 3}, ("n", "seed")),
        ({"temperature": 0.5, "top_k": 3}, Effort("low"), {}, ("temperature", "top_k")),
        ({"top_p": 0.5}, Effort("low"), {}, ("top_p",)),
        ({"top_p": 0.95}, Effort("low"), {"top_p": 0.95}, ()),
    ],
)
def test_settings_are_those_that_the_model_takes(
    settings: dict[str, Any], effort: Effort | None, expected: dict[str, Any], lost: tuple[str, ...]
) -> None:
    """U-46: what is left out is named, unless it is as it would be anyway."""
    body, named = written(Chat((), (HELLO,), settings=settings, effort=effort), BUDGETED)
    assert body.keys().isdisjoint(settings.keys() - expected.keys())
    assert {name: body[name] for name in expected} == expected
    assert named == lost


def test_a_parameter_that_the_model_refuses_is_left_out_and_named() -> None:
    """U-57."""
    body, lost = written(Chat((), (HELLO,), settings={"temperature": 0.5, "top_k": 3}), ADAPTIVE)
    assert body.keys().isdisjoint({"temperature", "top_k"})
    assert lost == ("temperature", "top_k")


def test_stops_of_white_space_are_left_out_and_named() -> None:
    body, lost = written(Chat((), (HELLO,), stop_sequences=("a", "\n"), user="u"))
    assert (body["stop_sequences"], body["metadata"]) == (["a"], {"user_id": "u"})
    assert lost == ("stop_sequences",)
    assert "stop_sequences" not in written(Chat((), (HELLO,), stop_sequences=("\n",)))[0]


@pytest.mark.parametrize("said", [(), (HELLO, Message(Role.ASSISTANT, (Text("{"),)))])
def test_only_what_the_user_said_last_is_answered(said: tuple[Message, ...]) -> None:
    """This dialect would go on with the assistant's words, which nobody asked for."""
    refusal = ANTHROPIC.write_request(Chat((), said), MODEL, NO_PARAMS, 1)
    assert isinstance(refusal, Refusal)
    assert refusal.param == "messages"
