"""What conditions see of a responses request."""

from typing import Any

import pytest
from hypothesis import given

from gateway.dialects.responses.conversation import conversation_of
from gateway.domain.chat import Conversation, Role, Turn
from tests.dialects.responses.asking import odd_fields

LOOP = [
    {"role": "developer", "content": "Be kind."},
    {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", "image_url": "x"}]},
    {"type": "reasoning", "summary": [{"text": "secret"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_url": "y"}]},
    {"role": "user", "content": "And now?"},
]


def test_a_text_is_one_turn_of_the_user() -> None:
    assert conversation_of({"input": "Hi"}) == Conversation("", (Turn(Role.USER, "Hi"),))


def test_items_are_turns_and_what_the_model_did_in_one_go_is_one() -> None:
    """Text conditions see what people wrote; what tools were asked and answered stands apart."""
    conversation = conversation_of({"input": LOOP, "instructions": "Be brief."})
    assert conversation.system == "Be brief.\n\nBe kind."
    assert conversation.turns == (
        Turn(Role.USER, "Hi"),
        Turn(Role.ASSISTANT, "Wait.", 'f {"a":1}'),
        Turn(Role.USER, "", ""),
        Turn(Role.USER, "And now?"),
    )
    assert conversation.has == {"images", "documents", "system", "tool_results"}
    assert conversation.attachments == 2


@pytest.mark.parametrize(
    ("fields", "has"),
    [
        ({}, set()),
        ({"tools": [{"type": "function"}]}, {"tools"}),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, {"json_schema"}),
        ({"text": {"format": {"type": "text"}}}, set()),
        ({"reasoning": {"effort": "low"}}, {"thinking"}),
        ({"reasoning": {"effort": "none"}}, set()),
        ({"instructions": "x"}, {"system"}),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, {"audio"}),
    ],
)
def test_the_parts_of_a_request_are_told_by_its_structure(fields: dict[str, Any], has: set[str]) -> None:
    assert conversation_of({"input": "Hi", **fields}).has == has


@given(odd_fields)
def test_no_request_is_too_odd_for_conditions(fields: dict[str, Any]) -> None:
    conversation_of(fields)
