"""Thoughts that are not taken back leave a request, and nothing else does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Outgoing
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.dialects.messages.thoughts import Without, has_unsigned, turned_down, without_thoughts
from gateway.domain.attempt import ProviderError
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS
from tests.dialects.exchanges import MODEL, odd_messages

ANTHROPIC = AnthropicMessages()
SIGNED = {"type": "thinking", "thinking": "so I thought", "signature": "c2ln"}
UNSIGNED = {"type": "thinking", "thinking": "so I thought", "signature": ""}
BARE = {"type": "thinking", "thinking": "so I thought"}
SEALED = {"type": "redacted_thinking", "data": "c2VhbGVk"}
TEXT = {"type": "text", "text": 'I was "thinking" of {"type": "thinking", "signature": ""}'}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"signature": "", "type": "thinking", "n": 1.50}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "thinking"}]}
THINKS = {"type": "enabled", "budget_tokens": 2000}
blocks = st.sampled_from([SIGNED, UNSIGNED, BARE, SEALED, TEXT, CALL, RESULT])
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]),
        "content": st.lists(blocks, max_size=4) | st.just('a "thinking" text'),
    }
)


def body_of(*messages: dict[str, Any], **others: object) -> bytes:
    return json.dumps({"model": "m", **others, "messages": messages}).encode()


def said(*content: dict[str, Any], role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def is_thought(block: dict[str, Any], *, signed: bool) -> bool:
    if signed:
        return block["type"] in ("thinking", "redacted_thinking")
    return block["type"] == "thinking" and not block.get("signature")


@given(
    said=st.lists(messages, max_size=4),
    thinking=st.sampled_from([None, THINKS, {"type": "adaptive"}]),
    signed=st.booleans(),
)
def test_all_else_keeps_its_bytes(said: list[dict[str, Any]], thinking: dict[str, Any] | None, *, signed: bool) -> None:
    """U-48: blocks that are no thoughts, and messages without any, stay as they were written."""
    body = body_of(*said, thinking=thinking, temperature=1.0)
    without = without_thoughts(body, signed=signed)
    expected = []
    for message in said:
        content = message["content"]
        kept = [b for b in content if not is_thought(b, signed=signed)] if isinstance(content, list) else content
        if kept or kept == content:
            expected.append({**message, "content": kept})
    sent = json.loads(without.body)
    assert sent["messages"] == expected
    assert without.thoughts is (expected != said)
    assert without.asked is (thinking is not None and "thinking" not in sent)
    if not without.thoughts and not without.asked:
        assert without.body == body
    again = without_thoughts(without.body, signed=signed)
    assert again == Without(without.body, thoughts=False, asked=False)


@given(st.fixed_dictionaries({"model": st.just("m"), "messages": odd_messages, "thinking": st.just(THINKS)}))
def test_no_body_is_too_odd(fields: dict[str, Any]) -> None:
    body = json.dumps(fields).encode()
    for signed in (True, False):
        assert isinstance(json.loads(without_thoughts(body, signed=signed).body), dict)
    assert has_unsigned(json.loads(body), body) in (True, False)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"messages": {"thinking": 1}}', b'{"messages": 3}', b"{"])
def test_what_is_no_request_stays_as_it_is(body: bytes) -> None:
    assert without_thoughts(body, signed=True) == Without(body, thoughts=False, asked=False)


@pytest.mark.parametrize(
    ("history", "asked"),
    [
        ((said(SIGNED, CALL), said(RESULT, role="user")), True),
        ((said(CALL), said(RESULT, role="user")), True),
        ((said(SIGNED, TEXT), said(TEXT, role="user")), False),
        ((said(SIGNED, CALL), said(RESULT, role="user"), said(TEXT), said(TEXT, role="user")), False),
    ],
    ids=["in the turn of a tool", "without a thought", "in a turn of its own", "after that turn"],
)
def test_within_the_turn_of_a_tool_the_model_is_not_asked_to_think(
    history: tuple[dict[str, Any], ...], *, asked: bool
) -> None:
    """U-48: there a thought has to stand at the beginning, and it is gone."""
    without = without_thoughts(body_of(*history, thinking=THINKS), signed=True)
    assert without.asked is asked
    assert ("thinking" in json.loads(without.body)) is not asked
    adaptive = without_thoughts(body_of(*history, thinking={"type": "adaptive"}), signed=True)
    assert not adaptive.asked


SIGNATURES = [
    "messages.1.content.0: Invalid `signature` in `thinking` block",
    "messages.1.content.0.thinking.signature: Field required",
    (
        "messages.3.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be"
        " modified. These blocks must remain as they were in the original response."
    ),
    "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    (
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking`"
        " is enabled, a final `assistant` message must start with a thinking block"
    ),
]


@pytest.mark.parametrize("message", SIGNATURES)
def test_a_refused_thought_is_told_by_the_providers_words(message: str) -> None:
    """U-48: with a 400 alone."""
    assert turned_down(ProviderError(400, "invalid_request_error", "", message))
    assert not turned_down(ProviderError(500, "api_error", "", message))


@pytest.mark.parametrize(
    "message",
    ["thinking.budget_tokens: must be at least 1024", "max_tokens must be greater than thinking.budget_tokens", "no"],
)
def test_other_words_about_thinking_are_no_refused_thought(message: str) -> None:
    assert not turned_down(ProviderError(400, "invalid_request_error", "", message))


def test_a_request_is_mended_once_there_is_something_to_leave_out() -> None:
    """U-48: what is left out is named in our words."""
    error = ProviderError(400, "invalid_request_error", "", SIGNATURES[0])
    body = body_of(said(SIGNED, CALL), said(RESULT, role="user"), thinking=THINKS)
    mended = ANTHROPIC.mended(body, error)
    assert mended is not None
    assert mended.lost == ("thinking", "effort")
    assert ANTHROPIC.mended(mended.body, error) is None
    assert ANTHROPIC.mended(body, ProviderError(400, message="temperature: range: 0..1")) is None


def passed(body: bytes) -> Outgoing:
    request = ANTHROPIC.read_request(body, {})
    assert isinstance(request, Request)
    return ANTHROPIC.pass_on(request, MODEL, NO_PARAMS, 4096)


def test_a_thought_that_nobody_signed_is_not_passed_on() -> None:
    """U-48: such as that of a model of another provider, which a client shows as its own."""
    turn = said({"type": "text", "text": "Go on"}, role="user")
    outgoing = passed(body_of(said(UNSIGNED, SIGNED, TEXT), turn, max_tokens=9))
    assert json.loads(outgoing.body)["messages"] == [said(SIGNED, TEXT), turn]
    assert outgoing.lost == ("messages.content.thinking",)
    of_a_tool = passed(body_of(said(UNSIGNED, CALL), said(RESULT, role="user"), max_tokens=9, thinking=THINKS))
    assert of_a_tool.lost == ("messages.content.thinking", "thinking")


def test_signed_thoughts_are_passed_on_byte_for_byte() -> None:
    """U-42, U-48."""
    body = body_of(said(SIGNED, SEALED, TEXT, CALL), said(RESULT, role="user"), max_tokens=9, thinking=THINKS)
    assert passed(body) == Outgoing(body.replace(b'"model": "m"', b'"model": "up"'))
