import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Outgoing
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.messages.conversation import conversation_of
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.domain.chat import Role, Turn
from gateway.domain.message import Chat
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS
from gateway.domain.words import Surface
from tests.dialects.exchanges import MODEL, chat, edits, model, odd_messages, odd_values

OPENAI = OpenAIChat()
ANTHROPIC = AnthropicMessages()
SOURCE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
IMAGE = {"type": "image", "source": SOURCE}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}


def asked(fields: Mapping[str, Any]) -> Chat:
    conversation = OPENAI.chat(fields)
    assert isinstance(conversation, Chat)
    return conversation


def read(fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Request:
    request = ANTHROPIC.read_request(json.dumps(fields).encode(), headers or {})
    assert isinstance(request, Request)
    return request


def user(*blocks: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def test_a_request_is_read() -> None:
    request = read(chat(stream=True, max_tokens=7, metadata={"user_id": "u"}))
    assert (request.surface, request.model, request.stream, request.max_tokens) == (Surface.MESSAGES, "auto", True, 7)
    assert request.metadata == {"user_id": "u"}
    assert request.read().turns == (Turn(Role.USER, "Hello"),)
    assert read(chat(max_tokens=True)).max_tokens is None


@pytest.mark.parametrize(
    ("body", "param"), [(b"[]", ""), (b'{"messages": []}', "model"), (b'{"model": "x"}', "messages")]
)
def test_a_body_that_is_no_request_is_refused_by_field(body: bytes, param: str) -> None:
    refusal = ANTHROPIC.read_request(body, {})
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.param) == (RefusalKind.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("fields", "has", "attachments", "last"),
    [
        pytest.param(chat(), set(), 0, Turn(Role.USER, "Hello"), id="text"),
        pytest.param(
            {**user({"type": "text", "text": "What"}, IMAGE), "system": [{"type": "text", "text": "Be brief"}]},
            {"system", "images"},
            1,
            Turn(Role.USER, "What"),
            id="system blocks and an image",
        ),
        pytest.param(
            {"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello"}]},
            {"system"},
            0,
            Turn(Role.USER, "Hello"),
            id="system message",
        ),
        pytest.param(
            user({"type": "document", "source": SOURCE}), {"documents"}, 1, Turn(Role.USER, ""), id="document"
        ),
        pytest.param(
            {
                **chat(messages=[{"role": "assistant", "content": [{"type": "tool_use", "input": {"x": 1}}]}]),
                "tools": [TOOL],
            },
            {"tools"},
            0,
            Turn(Role.ASSISTANT, "", '{"x":1}'),
            id="tool use",
        ),
        pytest.param(
            user({"type": "tool_result", "content": "42"}, {"type": "text", "text": "Go on"}),
            {"tool_results"},
            0,
            Turn(Role.USER, "Go on", "42"),
            id="tool result",
        ),
        pytest.param(
            user({"type": "tool_result", "content": [{"type": "text", "text": "42"}, IMAGE]}),
            {"tool_results", "images"},
            1,
            Turn(Role.USER, "", "42"),
            id="tool result with an image",
        ),
        pytest.param(
            chat(output_format=FORMAT, thinking={"type": "enabled", "budget_tokens": 1024}),
            {"json_schema", "thinking"},
            0,
            Turn(Role.USER, "Hello"),
            id="schema and thinking",
        ),
        pytest.param(
            chat(output_config={"effort": "low", "format": FORMAT}),
            {"json_schema"},
            0,
            Turn(Role.USER, "Hello"),
            id="config",
        ),
        pytest.param(
            chat(thinking={"type": "disabled"}, tools=[], system="", output_config={"effort": "schema"}),
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


@pytest.mark.parametrize(
    ("block", "needs"),
    [
        ({"type": "document", "source": SOURCE}, {"documents"}),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello"}}, set()),
        ({"type": "document", "source": {"type": "content", "content": "Hello"}}, set()),
        ({"type": "search_result", "source": "https://a", "title": "A", "content": []}, set()),
        (IMAGE, {"images"}),
    ],
)
def test_a_document_of_text_asks_nothing_of_a_model(block: Mapping[str, Any], needs: set[str]) -> None:
    """U-15: `has` sees documents there all the same, also within the result of a tool."""
    for content in (block, {"type": "tool_result", "content": [block]}):
        seen = conversation_of(user(content))
        assert seen.needs == needs
        assert seen.attachments == 1
        assert not seen.has.isdisjoint({"documents", "images"})


def test_system_messages_are_system_text_too() -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "system", "content": "B"}]
    seen = conversation_of(chat(system=[{"type": "text", "text": "A"}], messages=messages))
    assert (seen.system, seen.turns) == ("A\n\nB", (Turn(Role.USER, "x"),))


def test_schemas_are_kept_as_text() -> None:
    assert json.loads(conversation_of(chat(tools=[TOOL], output_format=FORMAT)).tools_text) == [[TOOL], FORMAT]


@given(
    st.fixed_dictionaries(
        {"model": st.just("auto"), "messages": odd_messages},
        optional=dict.fromkeys(
            ("tools", "system", "thinking", "output_config", "stop_sequences", "max_tokens", "temperature", "metadata"),
            odd_values,
        ),
    )
)
def test_no_body_with_a_list_of_messages_is_too_odd_to_read(fields: dict[str, Any]) -> None:
    request = read(fields)
    request.read()
    ANTHROPIC.pass_on(request, MODEL, NO_PARAMS, 4096)


def test_what_needs_no_edit_gets_none() -> None:
    """U-42 and U-49: byte for byte but for the model, cache markers included."""
    marked = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    request = read({**user(marked), "model": "auto", "stream": True, "max_tokens": 9})
    assert ANTHROPIC.pass_on(request, MODEL, NO_PARAMS, 4096).body == request.body.replace(b'"auto"', b'"up"')
    assert not ANTHROPIC.hides_usage(request)


def test_version_and_betas_are_the_callers_and_the_credential_is_not() -> None:
    """U-59."""
    asked = {"anthropic-beta": "b", "anthropic-version": "v", "x-api-key": "theirs"}
    assert ANTHROPIC.headers("ours", read(chat(), asked)) == {**asked, "x-api-key": "ours"}
    other = OPENAI.read_request(json.dumps(chat()).encode(), asked)
    assert isinstance(other, Request)
    assert ANTHROPIC.headers(None, other) == {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("parts", "sent", "defaulted"),
    [
        ({}, 4096, 4096),
        ({"cap": {"max_tokens": 500}}, 500, None),
        ({"cap": {"max_output_tokens": 9000}}, 4096, None),
        ({"default": {"max_tokens": 700}}, 700, None),
        ({"default": {"max_completion_tokens": 700}}, 700, None),
        ({"set": {"max_tokens": 800}}, 800, None),
        ({"set": {"top_p": 1}}, 4096, 4096),
    ],
)
@pytest.mark.parametrize("fields", [{}, {"max_tokens": None}], ids=["absent", "null"])
def test_an_output_limit_that_nobody_gave_is_the_models_own(
    parts: Mapping[str, Any], sent: int, defaulted: int | None, fields: Mapping[str, Any]
) -> None:
    """U-56: within the dialect and across; a rule's limit comes before it, and is not said to be ours."""
    params = edits(**parts) if parts else NO_PARAMS
    passed = ANTHROPIC.pass_on(read(chat(**fields)), MODEL, params, 4096)
    translated = ANTHROPIC.write_request(asked(chat(**fields)), MODEL, params, 4096)
    assert isinstance(translated, Outgoing)
    for outgoing in (passed, translated):
        assert (json.loads(outgoing.body)["max_tokens"], outgoing.defaulted) == (sent, defaulted)


def test_an_output_limit_that_the_caller_gave_stays() -> None:
    """U-42, U-56: unless a rule takes it out, for the dialect needs one."""
    given = read(chat(max_tokens=7))
    assert ANTHROPIC.pass_on(given, MODEL, NO_PARAMS, 4096) == Outgoing(given.body.replace(b'"auto"', b'"up"'))
    dropped = ANTHROPIC.pass_on(given, MODEL, edits(drop=["max_tokens"]), 4096)
    assert (json.loads(dropped.body)["max_tokens"], dropped.defaulted) == (4096, 4096)


@pytest.mark.parametrize(
    ("cap", "thinking", "lost"),
    [
        (20_000, {"type": "enabled", "budget_tokens": 16_384}, ()),
        (16_384, {"type": "enabled", "budget_tokens": 16_383}, ()),
        (1_025, {"type": "enabled", "budget_tokens": 1_024}, ()),
        (1_024, None, ("effort",)),
        (10, None, ("effort",)),
    ],
)
def test_thinking_fits_the_limit_that_a_rule_gives(
    cap: int, thinking: Mapping[str, Any] | None, lost: tuple[str, ...]
) -> None:
    """A budget for thinking that is not below the limit on the output is an error."""
    thinker = model("anthropic", can="thinking")
    written = ANTHROPIC.write_request(
        asked(chat(reasoning_effort="high")), thinker, edits(cap={"max_tokens": cap}), 64_000
    )
    assert isinstance(written, Outgoing)
    body = json.loads(written.body)
    assert (body["max_tokens"], body.get("thinking"), written.lost) == (cap, thinking, lost)
