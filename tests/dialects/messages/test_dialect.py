import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.messages.dialect import AnthropicMessages, conversation_of
from gateway.dialects.base import Answer, Bad, Blame
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import PlainAnswer, PlainChat, Role, Stop, Turn
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Surface
from tests.dialects.exchanges import ABOUT, BLAME, ID, chat, edits, odd_messages, odd_values, plain_chats

OPENAI = OpenAIChat()
ANTHROPIC = AnthropicMessages()
SOURCE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
IMAGE = {"type": "image", "source": SOURCE}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}


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
    there = ANTHROPIC.plain(fields)
    if isinstance(there, PlainChat):
        OPENAI.write_request(there, "up", NO_PARAMS, 1)
    else:
        assert there.param.split("[")[0].split(".")[0] in fields
    ANTHROPIC.pass_on(request, "up", NO_PARAMS)


def test_a_plain_chat_carries_all_that_crosses_dialects() -> None:
    messages = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "One", "citations": None}, {"type": "text", "text": "two"}],
        },
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Why?"},
    ]
    fields = chat(messages=messages, stream=True, max_tokens=5, temperature=0.5, top_p=1, stop_sequences=["END"])
    neutral = {"thinking": {"type": "disabled"}, "service_tier": "auto", "tools": [], "metadata": {}}
    assert ANTHROPIC.plain({**fields, **neutral, "system": [{"type": "text", "text": "Be brief"}]}) == PlainChat(
        "Be brief",
        (Turn(Role.USER, "One\ntwo"), Turn(Role.USER, "Why?")),
        True,
        5,
        ("END",),
        {"temperature": 0.5, "top_p": 1},
    )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (chat(tools=[TOOL], top_k=1), "tools"),
        (chat(top_k=5), "top_k"),
        (chat(thinking={"type": "enabled"}), "thinking"),
        (chat(metadata={"user_id": "u"}), "metadata"),
        (chat(system=[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]), "system.cache_control"),
        (chat(system=7), "system"),
        (chat(temperature="hot"), "temperature"),
        (chat(max_tokens=1.5), "max_tokens"),
        (chat(stop_sequences="END!"), None),
        (chat(stop_sequences={"a": 1}), "stop_sequences"),
        (chat(messages=[]), "messages"),
        (chat(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]), "messages"),
        (chat(messages=[7]), "messages[0]"),
        (user(IMAGE), "messages[0].content"),
        (chat(messages=[{"role": "system", "content": "x"}]), "messages[0].role"),
        (chat(messages=[{"role": ["user"], "content": "x"}]), "messages[0].role"),
    ],
)
def test_the_first_field_that_cannot_be_carried_is_named(fields: Mapping[str, Any], name: str | None) -> None:
    """U-46: never silently."""
    refusal = ANTHROPIC.plain(fields)
    assert (refusal.param if isinstance(refusal, Refusal) else None) == name


@given(plain_chats)
def test_a_chat_crosses_to_this_dialect_and_back(there: PlainChat) -> None:
    """OpenAI to Anthropic to OpenAI: roles, order and text stay."""
    first = OPENAI.plain(json.loads(OPENAI.write_request(there, "up", NO_PARAMS, 1)))
    assert isinstance(first, PlainChat)
    second = ANTHROPIC.plain(json.loads(ANTHROPIC.write_request(first, "up", NO_PARAMS, 1)))
    assert second == first == there


def written(there: PlainChat, **parts: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    sent: dict[str, Any] = json.loads(
        ANTHROPIC.write_request(there, "up", edits(**parts) if parts else NO_PARAMS, 64_000)
    )
    return sent


PLAIN = PlainChat("", (Turn(Role.USER, "Hi"),), False, None, (), {})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, 64_000),
        ({"default": {"max_tokens": 1000}}, 1000),
        ({"default": {"max_completion_tokens": 1000}}, 1000),
        ({"cap": {"max_tokens": 500}}, 500),
        ({"set": {"max_completion_tokens": 9}}, 9),
    ],
)
def test_the_models_maximum_stands_in_where_neither_caller_nor_rule_limits_the_output(
    parts: dict[str, Any], expected: int
) -> None:
    """U-56, in the one name that this dialect has."""
    assert written(PLAIN, **parts) == {
        "model": "up",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": expected,
    }


def test_a_temperature_past_this_dialects_end_is_its_end() -> None:
    there = OPENAI.plain(chat(temperature=1.7))
    assert isinstance(there, PlainChat)
    assert written(there)["temperature"] == 1


def test_what_needs_no_edit_gets_none() -> None:
    """U-42 and U-49: byte for byte but for the model, cache markers included."""
    marked = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    request = read({**user(marked), "model": "auto", "stream": True})
    assert ANTHROPIC.pass_on(request, "up", NO_PARAMS) == request.body.replace(b'"auto"', b'"up"')
    assert not ANTHROPIC.hides_usage(request)


def test_version_and_betas_are_the_callers_and_the_credential_is_not() -> None:
    """U-59."""
    asked = {"anthropic-beta": "b", "anthropic-version": "v", "x-api-key": "theirs"}
    assert ANTHROPIC.headers("ours", read(chat(), asked)) == {**asked, "x-api-key": "ours"}
    other = OPENAI.read_request(json.dumps(chat()).encode(), asked)
    assert isinstance(other, Request)
    assert ANTHROPIC.headers(None, other) == {"anthropic-version": "2023-06-01"}


def message(**fields: Any) -> bytes:  # noqa: ANN401 - JSON values
    content = [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "text", "text": "Hi"}]
    return json.dumps(
        {"id": "m1", "type": "message", "model": "c", "content": content, "stop_reason": "end_turn", **fields}
    ).encode()


def test_an_answer_is_read() -> None:
    expected = Answer(PlainAnswer("m1", "c", "Hi", Stop.END), Usage(fresh_input_tokens=3, output_tokens=2))
    assert ANTHROPIC.read_answer(message(usage={"input_tokens": 3, "output_tokens": 2})) == expected
    assert ANTHROPIC.read_answer(message(usage={"input_tokens": None})) == Answer(expected.plain, None)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", Failure.MALFORMED),
        (b'{"id": "\xff"}', Failure.MALFORMED),
        (b"{}", Failure.EMPTY),
        (message(content=7), Failure.EMPTY),
        (message(content=[{"type": "text", "text": ""}, 7]), Failure.EMPTY),
        (message(content=[], stop_reason="refusal"), Failure.CONTENT_FILTER),
        (message(content=[], stop_reason=["odd"]), Failure.EMPTY),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}', Failure.OVERLOADED),
        (b'{"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}', Failure.RATE_LIMITED),
        (b'{"type": "error", "error": {"type": "invalid_request_error", "message": "x"}}', Failure.BAD_REQUEST),
        (b'{"type": "error", "error": {"type": "api_error", "message": "x"}}', Failure.SERVER_ERROR),
        (b'{"type": "error"}', Failure.SERVER_ERROR),
    ],
)
def test_a_whole_answer_that_is_none_is_the_failure_it_stands_for(body: bytes, failure: Failure) -> None:
    """U-13 and U-14: an error or nothing at all under a 2xx is classified like its status."""
    bad = ANTHROPIC.read_answer(body)
    assert isinstance(bad, Bad)
    assert bad.failure is failure


@given(
    st.dictionaries(st.sampled_from(["content", "usage", "id", "model", "stop_reason", "error", "type"]), odd_values)
)
def test_no_answer_is_too_odd_to_read(fields: dict[str, Any]) -> None:
    ANTHROPIC.read_answer(json.dumps(fields).encode())
    ANTHROPIC.read_error(500, json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (Stop.END, "end_turn"),
        (Stop.STOP_SEQUENCE, "stop_sequence"),
        (Stop.LENGTH, "max_tokens"),
        (Stop.TOOL_USE, "tool_use"),
        (Stop.REFUSAL, "refusal"),
    ],
)
def test_an_answer_is_written_and_reads_as_it_was(stop: Stop, reason: str) -> None:
    """U-44: the whole table of reasons."""
    used = Usage(fresh_input_tokens=5, cache_read_tokens=4, cache_write_5m_tokens=6, output_tokens=3)
    body = ANTHROPIC.write_answer(PlainAnswer("c1", "gpt", "Hi", stop), used, ABOUT)
    assert json.loads(body)["stop_reason"] == reason
    assert ANTHROPIC.read_answer(body) == Answer(PlainAnswer("c1", "gpt", "Hi", stop), used)


@pytest.mark.parametrize(
    ("reason", "stop"), [("pause_turn", Stop.END), ("model_context_window_exceeded", Stop.LENGTH), ("new", Stop.END)]
)
def test_reasons_that_only_providers_give_are_read(reason: str, stop: Stop) -> None:
    read = ANTHROPIC.read_answer(message(stop_reason=reason))
    assert isinstance(read, Answer)
    assert read.plain.stop is stop


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"type": "error", "error": {"type": "t", "message": "m"}}', ProviderError(500, "t", "", "m")),
        (b'{"error": "down"}', ProviderError(500, message="down")),
        (b"<html>" + b"x" * 900, ProviderError(500, message="<html>" + "x" * 494)),
    ],
)
def test_an_error_is_read_in_the_providers_words(body: bytes, expected: ProviderError) -> None:
    assert ANTHROPIC.read_error(500, body) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(status: int, kind: str) -> None:
    """U-61 and U-62."""
    body = json.loads(ANTHROPIC.failure(status, ProviderError(status, "server_error", "c", "m"), BLAME, ID))
    about = {"blame": "provider", "attempts": BLAME.attempts}
    assert body == {"type": "error", "error": {"type": kind, "message": "m", "rulegate": about}, "request_id": ID}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (RefusalKind.MODEL_NOT_FOUND, "not_found_error"),
        (RefusalKind.UNAUTHENTICATED, "authentication_error"),
        (RefusalKind.FORBIDDEN, "permission_error"),
        (RefusalKind.RATE_LIMITED, "rate_limit_error"),
        (RefusalKind.TOO_LARGE, "request_too_large"),
        (RefusalKind.INTERNAL, "api_error"),
    ],
)
def test_a_refusal_has_the_words_of_the_dialect(kind: RefusalKind, expected: str) -> None:
    """U-62: and says that the gateway is to blame."""
    body = json.loads(ANTHROPIC.refusal(Refusal(kind, "no"), Blame("gateway", ()), ID))
    assert (body["error"]["type"], body["error"]["rulegate"]["blame"]) == (expected, "gateway")


@pytest.mark.parametrize(
    ("reset_s", "told"),
    [(0.0, "2026-01-05T12:00:00Z"), (0.001, "2026-01-05T12:00:01Z"), (60.0, "2026-01-05T12:01:00Z")],
)
def test_where_a_caller_stands_is_told_as_anthropic_does(reset_s: float, told: str) -> None:
    """U-122: a reset is never told too early."""
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert ANTHROPIC.limit_headers({LimitKind.TOKENS: Standing(1000, 7, reset_s)}, now) == {
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "7",
        "anthropic-ratelimit-tokens-reset": told,
    }
