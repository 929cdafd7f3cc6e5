import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.chat.conversation import conversation_of
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.domain.chat import Role, Turn
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS
from gateway.domain.words import Prefer, Surface
from tests.dialects.exchanges import ID, chat, edits, odd_messages, odd_values

OPENAI = OpenAIChat()
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}


def read(fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Request:
    request = OPENAI.read_request(json.dumps(fields).encode(), headers or {})
    assert isinstance(request, Request)
    return request


def test_a_request_is_read() -> None:
    request = read(chat(stream=True, max_tokens=7, metadata={"a": "b"}), {"x-rulegate-prefer": "cost"})
    assert (request.surface, request.model, request.stream, request.max_tokens) == (Surface.CHAT, "auto", True, 7)
    assert (request.prefer, request.metadata) == (Prefer.COST, {"a": "b"})
    assert request.read().turns == (Turn(Role.USER, "Hello"),)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_completion_tokens": 5, "max_tokens": 9}, 5),
        ({"max_completion_tokens": None, "max_tokens": 9}, 9),
        ({"max_tokens": True}, None),
        ({"max_tokens": "9"}, None),
        ({}, None),
    ],
)
def test_the_output_limit_is_read_under_either_name(limits: Mapping[str, Any], expected: int | None) -> None:
    assert read(chat(**limits)).max_tokens == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", ""),
        (b'{"messages": []}', "model"),
        (b'{"model": "x"}', "messages"),
        (b'{"model":"x","messages":{}}', "messages"),
    ],
)
def test_a_body_that_is_no_request_is_refused_by_field(body: bytes, param: str) -> None:
    refusal = OPENAI.read_request(body, {})
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.param) == (RefusalKind.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("fields", "has", "attachments", "last"),
    [
        pytest.param(chat(), set(), 0, Turn(Role.USER, "Hello"), id="text"),
        pytest.param(
            {
                "messages": [
                    {"role": "developer", "content": [{"type": "text", "text": "Be brief"}]},
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "What"}, IMAGE, {"type": "text", "text": "is"}],
                    },
                ]
            },
            {"system", "images"},
            1,
            Turn(Role.USER, "What\nis"),
            id="developer and image",
        ),
        pytest.param(
            {
                "messages": [
                    {"role": "user", "content": [{"type": "input_audio"}, {"type": "file", "file": {"file_id": "f"}}]}
                ]
            },
            {"audio", "documents"},
            2,
            Turn(Role.USER, ""),
            id="audio and document",
        ),
        pytest.param(
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}], "tools": [TOOL]},
            {"tools"},
            0,
            Turn(Role.ASSISTANT, "", json.dumps([CALL], separators=(",", ":"))),
            id="tool call",
        ),
        pytest.param(
            {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "42"}]},
            {"tool_results"},
            0,
            Turn(Role.USER, "", "42"),
            id="tool result",
        ),
        pytest.param(
            {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]}]},
            set(),
            0,
            Turn(Role.ASSISTANT, "No"),
            id="refusal",
        ),
        pytest.param(
            chat(response_format=SCHEMA, reasoning_effort="low"),
            {"json_schema", "thinking"},
            0,
            Turn(Role.USER, "Hello"),
            id="schema and reasoning",
        ),
        pytest.param(
            chat(response_format={"type": "text"}, reasoning_effort="none", tools=[]),
            set(),
            0,
            Turn(Role.USER, "Hello"),
            id="asked for nothing",
        ),
    ],
)
def test_conditions_see_what_a_body_holds(
    fields: Mapping[str, Any], has: set[str], attachments: int, last: Turn
) -> None:
    seen = conversation_of(fields)
    assert (set(seen.has), seen.attachments, seen.turns[-1]) == (has, attachments, last)


def test_system_text_stands_apart_and_schemas_are_kept_as_text() -> None:
    messages = [
        {"role": "system", "content": "A"},
        {"role": "user", "content": "x"},
        {"role": "developer", "content": "B"},
    ]
    seen = conversation_of({"messages": messages, "tools": [TOOL], "response_format": SCHEMA})
    assert (seen.system, seen.turns) == ("A\n\nB", (Turn(Role.USER, "x"),))
    assert json.loads(seen.tools_text) == [[TOOL], SCHEMA]


@given(
    st.fixed_dictionaries(
        {"model": st.just("auto"), "messages": odd_messages},
        optional=dict.fromkeys(
            (
                "tools",
                "response_format",
                "stop",
                "max_tokens",
                "temperature",
                "metadata",
                "stream_options",
                "n",
            ),
            odd_values,
        ),
    )
)
def test_no_body_with_a_list_of_messages_is_too_odd_to_read(fields: dict[str, Any]) -> None:
    request = read(fields)
    request.read()
    OPENAI.pass_on(request, "up", NO_PARAMS)
    OPENAI.stream_writer(fields, ID)


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_obfuscation": False}])
def test_a_stream_is_asked_for_its_usage_on_the_callers_behalf(options: Mapping[str, Any] | None) -> None:
    """U-31: metered although the caller did not ask."""
    request = read(chat(stream=True, **({} if options is None else {"stream_options": options})))
    assert OPENAI.hides_usage(request)
    sent = json.loads(OPENAI.pass_on(request, "up", NO_PARAMS))
    assert sent["stream_options"] == {**(options or {}), "include_usage": True}


@pytest.mark.parametrize("fields", [chat(), chat(stream=True, stream_options={"include_usage": True})])
def test_what_needs_no_edit_gets_none(fields: Mapping[str, Any]) -> None:
    """U-42: byte for byte but for the model."""
    request = read(fields)
    assert not OPENAI.hides_usage(request)
    assert OPENAI.pass_on(request, "up", NO_PARAMS) == request.body.replace(b'"auto"', b'"up"')


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_cap_of_the_output_holds_under_the_name_the_caller_used(name: str) -> None:
    sent = json.loads(OPENAI.pass_on(read(chat(**{name: 9000})), "up", edits(cap={"max_tokens": 500})))
    assert sent == {**chat(), "model": "up", name: 500}


def test_the_credential_is_a_bearer() -> None:
    assert OPENAI.headers("sk", read(chat())) == {"Authorization": "Bearer sk"}
    assert OPENAI.headers(None, read(chat())) == {}
