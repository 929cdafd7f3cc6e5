# ruff: noqa: FBT001 - a flag of a parametrised test is no flag argument
"""Conversations that cross dialects and come back: roles, order, text, tool ids and arguments stay as they were."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Outgoing
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.domain.message import Chat, Text
from gateway.domain.rule import NO_PARAMS
from tests.dialects.conversations import chats
from tests.dialects.exchanges import MODEL

OPENAI = OpenAIChat()
ANTHROPIC = AnthropicMessages()
DIALECTS = (OPENAI, ANTHROPIC)
few = settings(max_examples=40)  # a conversation takes long to make up


def sent(by: OpenAIChat | AnthropicMessages, there: Chat) -> Outgoing:
    written = by.write_request(there, MODEL, NO_PARAMS, 4096)
    assert isinstance(written, Outgoing), written
    return written


def body_of(by: OpenAIChat | AnthropicMessages, there: Chat) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sent(by, there).body)
    return body


def read(by: OpenAIChat | AnthropicMessages, body: bytes) -> Chat:
    there = by.chat(json.loads(body))
    assert isinstance(there, Chat), there
    return there


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@few
@given(there=chats())
def test_a_request_reads_as_what_it_was_written_from(dialect: OpenAIChat | AnthropicMessages, there: Chat) -> None:
    """U-43, and nothing is named as lost that was not."""
    written = sent(dialect, there)
    assert read(dialect, written.body) == there
    assert written.lost == ()


@few
@given(chats(anthropic=True))
def test_all_that_anthropic_has_words_for_goes_there_and_back(there: Chat) -> None:
    """U-47 U-49: markers, failures, signatures and images in results, each at its place."""
    assert read(ANTHROPIC, sent(ANTHROPIC, there).body) == there


@pytest.mark.parametrize(("first", "second"), [DIALECTS, DIALECTS[::-1]], ids=["openai first", "anthropic first"])
@few
@given(there=chats())
def test_a_request_that_crosses_over_and_back_is_the_same_to_the_byte(
    first: OpenAIChat | AnthropicMessages, second: OpenAIChat | AnthropicMessages, there: Chat
) -> None:
    """Body to body, through the other dialect: U-43, and U-50 for the bytes."""
    body = sent(first, there).body
    crossed = sent(second, read(first, body)).body
    assert sent(first, read(second, crossed)).body == body


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@few
@given(there=chats(anthropic=True), more=st.booleans())
def test_what_was_said_before_is_sent_as_before(
    dialect: OpenAIChat | AnthropicMessages, there: Chat, more: bool
) -> None:
    """U-50: the same request has the same bytes, and each turn leaves those before it as they were."""
    assert sent(dialect, there) == sent(dialect, there)
    messages = there.messages if more else there.messages[:1]
    shorter = Chat(there.system, messages, there.stream, there.max_tokens, tools=there.tools)
    before, after = body_of(dialect, shorter)["messages"], body_of(dialect, there)["messages"]
    assert after[: len(before)] == before


@few
@given(chats(anthropic=True))
def test_text_calls_and_results_cross_whatever_else_is_lost(there: Chat) -> None:
    """U-43 U-46 U-47: what the other dialect lacks is named and nothing else changes."""
    written = sent(OPENAI, there)
    back = read(OPENAI, written.body)
    assert "".join(part.text for part in back.system) == "\n\n".join(part.text for part in there.system)
    for kind in ("ToolCall", "ToolResult"):
        assert [ids(part) for part in parts_of(back, kind)] == [ids(part) for part in parts_of(there, kind)]
    assert "".join(part.text for part in parts_of(back, "Text")) == "".join(
        part.text for part in parts_of(there, "Text")
    )
    assert ("thinking" in written.lost) == bool(parts_of(there, "Thinking"))
    assert ("cache_control" in written.lost) == (b'"cache_control"' in sent(ANTHROPIC, there).body)
    assert ("is_error" in written.lost) == any(part.failed for part in parts_of(there, "ToolResult"))


def parts_of(there: Chat, kind: str) -> list[Any]:
    return [part for message in there.messages for part in message.parts if type(part).__name__ == kind]


def ids(part: Any) -> tuple[str, ...]:  # noqa: ANN401 - a call or a result
    if hasattr(part, "arguments"):
        return (part.id, part.name, part.arguments)
    return (part.call_id, *(each.text for each in part.content if isinstance(each, Text)))
