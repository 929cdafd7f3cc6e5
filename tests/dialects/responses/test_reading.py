"""What a responses request says, in no dialect; what it cannot say is named, or keeps it from being carried over."""

import base64
from typing import Any

import pytest
from hypothesis import given

from gateway.dialects.carry import CannotCarryError
from gateway.dialects.responses.reading import chat_of
from gateway.domain.chat import Role
from gateway.domain.message import (
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
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.dialects.responses.asking import odd_fields

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "description": "d"}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(9)).decode()


def read(asked: object = "Hello", **fields: Any) -> Chat:  # noqa: ANN401 - JSON values
    return chat_of({"model": "auto", "input": asked, **fields})


def test_a_text_is_what_the_user_says_and_instructions_come_before_other_system_texts() -> None:
    chat = read("Hello", instructions="Be brief.")
    assert (chat.system, chat.messages) == ((Text("Be brief."),), (Message(Role.USER, (Text("Hello"),)),))
    chat = read(
        [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hi"}], instructions="Brief."
    )
    assert chat.system == (Text("Brief."), Text("Be kind."))
    assert chat.lost == ()


def test_the_items_of_a_loop_become_turns_in_their_order() -> None:
    """U-43: what the model said and asked in several items is one turn, and so are the results of its tools."""
    chat = read(
        [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "reasoning", "id": "rs_rulegate_1", "summary": [{"type": "summary_text", "text": "Hm"}]}
            | {"encrypted_content": "rulegate.anthropic.signed.sig"},
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "Wait.", "annotations": []},
                    {"type": "refusal", "refusal": "No"},
                ],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a":1}', "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [
                    {"type": "input_text", "text": "two"},
                    {"type": "input_image", "image_url": "https://x/y.png"},
                ],
            },
        ]
    )
    said = (
        Thinking("Hm", "sig"),
        Text("Wait."),
        Declined("No"),
        ToolCall("c1", "f", "{}"),
        ToolCall("c2", "g", '{"a":1}'),
    )
    results = (
        ToolResult("c1", (Text("one"),)),
        ToolResult("c2", (Text("two"), Image(Link("https://x/y.png")))),
    )
    assert chat.messages == (
        Message(Role.USER, (Text("Hi"),)),
        Message(Role.ASSISTANT, said),
        Message(Role.USER, results),
    )
    assert chat.lost == ()


def test_images_and_documents_are_read_by_address_and_as_data() -> None:
    """U-58."""
    parts = [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "high"},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "auto"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://x/b.pdf"},
    ]
    [message] = read([{"role": "user", "content": parts}]).messages
    assert message.parts == (
        Image(Inline("image/png", PNG), "high"),
        Image(Link("https://x/y.png")),
        Document(Inline("application/pdf", "JVBERg=="), title="a.pdf"),
        Document(Link("https://x/b.pdf")),
    )


def test_what_is_empty_is_left_out() -> None:
    """U-55."""
    chat = read([{"role": "user", "content": ""}, {"role": "user", "content": [{"type": "input_text", "text": "x"}]}])
    assert chat.messages == (Message(Role.USER, (Text("x"),)),)
    assert read(instructions=" ").system == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tools": [TOOL]}, {"tools": (Tool("f", "d", {"type": "object"}, strict=True),)}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tool_choice": ToolChoice(Choosing.REQUIRED)}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": False},
            {"tool_choice": ToolChoice(Choosing.NAMED, "f", parallel=False)},
        ),
        ({"tools": [TOOL], "parallel_tool_calls": True}, {"tool_choice": ToolChoice(parallel=True)}),
        ({"text": {"format": {"type": "text"}}}, {"output": None}),
        ({"text": {"format": {"type": "json_object"}}}, {"output": Output(None)}),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True}}},
            {"output": Output({"a": 1}, "n", strict=True)},
        ),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"effort": Effort("low"), "lost": ()}),
        ({"reasoning": {"effort": None}}, {"effort": None}),
        ({"max_output_tokens": 7, "stream": True}, {"max_tokens": 7, "stream": True}),
        ({"user": "u"}, {"user": "u"}),
        ({"safety_identifier": "s"}, {"user": "s", "lost": ()}),
        ({"user": "u", "safety_identifier": "s"}, {"user": "u", "lost": ("safety_identifier",)}),
        ({"text": {"verbosity": "low"}}, {"settings": {"verbosity": "low"}}),
        ({"temperature": 1.5, "top_p": 0.5}, {"settings": {"temperature": 1.5, "top_p": 0.5}}),
        (
            {"service_tier": "auto", "top_logprobs": 0, "truncation": "disabled", "store": False},
            {"settings": {}, "lost": ()},
        ),
        ({"include": ["message.output_text.logprobs"]}, {"settings": {"logprobs": True}, "lost": ()}),
        ({"top_logprobs": 2}, {"settings": {"top_logprobs": 2, "logprobs": True}}),
        ({"include": ["reasoning.encrypted_content"], "metadata": {"a": "b"}}, {"lost": ()}),
        ({"include": ["file_search_call.results"]}, {"lost": ("include",)}),
        ({"truncation": "auto"}, {"lost": ("truncation",)}),
        ({"max_tool_calls": 3, "moderation": {"model": "m"}}, {"lost": ("max_tool_calls", "moderation")}),
        ({"stream_options": {"include_obfuscation": True}}, {"lost": ("stream_options.include_obfuscation",)}),
        ({"reasoning": {"effort": "low", "context": "x"}}, {"lost": ("reasoning.context",)}),
    ],
)
def test_a_field_becomes_what_it_means(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """U-46: what has no meaning here is named."""
    chat = read(**fields)
    assert {name: getattr(chat, name) for name in expected} == expected


def test_a_thought_that_another_provider_keeps_to_itself_is_taken_out_and_named() -> None:
    """U-47: and leaves no empty turn behind."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    chat = read([{"role": "user", "content": "Hi"}, thought, {"role": "user", "content": "there"}])
    assert chat.messages == (Message(Role.USER, (Text("Hi"), Text("there"))),)
    assert chat.lost == ("thinking",)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": "mcp", "server_label": "x"}]}, "tools[1].type"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "tools": []}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": 5}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"reasoning": {"effort": "very"}}, "reasoning.effort"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": "7"}, "max_output_tokens"),
        ({"instructions": ["x"]}, "instructions"),
        ({"asked": [{"type": "computer_call_output", "output": {}}]}, "input[0]"),
        ({"asked": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input[0].arguments"),
        ({"asked": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"asked": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"asked": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0]"),
        (
            {"asked": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            {
                "asked": [
                    {"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/gif;base64,{PNG}"}]}
                ]
            },
            "input[0].content[0].image_url",
        ),
        (
            {
                "asked": [
                    {"role": "user", "content": [{"type": "input_file", "file_data": "data:text/csv;base64,YQ=="}]}
                ]
            },
            "input[0].content[0].file_data",
        ),
    ],
)
def test_what_the_meaning_hangs_on_keeps_a_request_from_being_carried_over(fields: dict[str, Any], name: str) -> None:
    """U-46, U-58: it is named by its path."""
    with pytest.raises(CannotCarryError) as error:
        read(**fields)
    assert error.value.name == name


@given(odd_fields)
def test_no_request_is_too_odd_to_read(fields: dict[str, Any]) -> None:
    """It is a chat, or an error that names a field."""
    try:
        chat = chat_of(fields)
    except CannotCarryError as error:
        assert error.refusal().param  # noqa: PT017 - either will do
    else:
        assert all(message.parts for message in chat.messages)
