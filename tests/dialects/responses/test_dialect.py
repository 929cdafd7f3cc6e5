"""Both sides of the responses dialect, from bodies to bodies."""

import json
from typing import Any

import pytest
from hypothesis import given

from gateway.dialects.base import Blame
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.dialects.responses.dialect import OpenAIResponses
from gateway.domain.attempt import ProviderError
from gateway.domain.message import Chat
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS, Params
from gateway.domain.words import Prefer, Surface
from tests.dialects.exchanges import BLAME, ID, MODEL, edits, model
from tests.dialects.responses.asking import events_in, odd_fields

RESPONSES = OpenAIResponses()
OWN = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
SEALED = {"type": "reasoning", "id": "rs_rulegate_1", "summary": [], "encrypted_content": "rulegate.anthropic.signed.s"}


def read(body: bytes | dict[str, Any], **headers: str) -> Request:
    request = RESPONSES.read_request(body if isinstance(body, bytes) else json.dumps(body).encode(), headers)
    assert isinstance(request, Request), request
    return request


def passed(body: dict[str, Any], params: Params = NO_PARAMS) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(RESPONSES.pass_on(read(body), MODEL, params, 9).body)
    return sent


def test_a_request_is_read() -> None:
    body = {"model": "auto", "input": "Hi", "stream": True, "max_output_tokens": 9, "metadata": {"a": "b", "c": None}}
    request = read(body, **{"x-rulegate-prefer": "cost"})
    assert (request.surface, request.model, request.stream) == (Surface.RESPONSES, "auto", True)
    assert (request.max_tokens, request.prefer, request.metadata) == (9, Prefer.COST, {"a": "b"})
    assert request.read().turns[0].text == "Hi"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", ""),
        (b"[]", ""),
        (b'{"input": "x"}', "model"),
        (b'{"model": "auto"}', "input"),
        (b'{"model": "auto", "input": 5}', "input"),
        (b'{"model": "auto", "input": "x", "store": true}', "store"),
    ],
)
def test_a_body_that_is_none_is_refused_with_the_field(body: bytes, param: str) -> None:
    refusal = RESPONSES.read_request(body, {})
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.param) == (400, param)


def test_a_body_is_passed_on_byte_for_byte_but_for_the_model_and_store() -> None:
    """U-42: unknown fields and the spelling of numbers survive."""
    body = b'{ "model" : "auto", "store": false, "input":[{"a":1.50}],"new_field":{"x":[1e3]} }'
    assert RESPONSES.pass_on(read(body), MODEL, NO_PARAMS, 9).body == body.replace(b'"auto"', b'"up"')
    body = b'{ "model" : "auto", "input":"x" }'
    sent = RESPONSES.pass_on(read(body), MODEL, NO_PARAMS, 9)
    assert sent.body == b'{"store":false, "model" : "up", "input":"x" }'
    assert passed({"model": "auto", "input": "x", "store": None})["store"] is False


def test_thoughts_that_another_provider_sealed_stay_behind_and_are_named() -> None:
    """U-47: and every other item keeps its bytes."""
    body = b'{"model":"auto","input":[{"a":1.50},%s,%s]}' % tuple(json.dumps(item).encode() for item in (SEALED, OWN))
    sent = RESPONSES.pass_on(read(body), MODEL, NO_PARAMS, 9)
    assert b'"input":[{"a":1.50},%s]' % json.dumps(OWN).encode() in sent.body
    assert sent.lost == ("input.reasoning",)
    for whole in ([OWN], "rs_rulegate_1"):
        assert RESPONSES.pass_on(read({"model": "auto", "input": whole}), MODEL, NO_PARAMS, 9).lost == ()


def test_a_rules_edits_are_carried_out_on_this_endpoints_own_names() -> None:
    """U-64: the output limit of any name, and the effort where it stands here."""
    body = {"model": "auto", "input": "x", "reasoning": {"summary": "auto"}}
    params = edits(cap={"max_tokens": 9}, set={"reasoning_effort": "low"}, drop=["user"])
    sent = passed({**body, "user": "u", "max_output_tokens": 99}, params)
    assert sent == {
        "model": "up",
        "input": "x",
        "store": False,
        "max_output_tokens": 9,
        "reasoning": {"summary": "auto", "effort": "low"},
    }


@pytest.mark.parametrize("of", [OpenAIChat(), AnthropicMessages()], ids=["chat", "messages"])
@given(fields=odd_fields)
def test_no_request_is_too_odd_to_be_refused_or_carried_over(
    of: OpenAIChat | AnthropicMessages, fields: dict[str, Any]
) -> None:
    """Nothing but a clean refusal, or a body."""
    request = RESPONSES.read_request(json.dumps(fields).encode(), {})
    if isinstance(request, Refusal):
        return
    RESPONSES.pass_on(request, MODEL, NO_PARAMS, 9)
    request.read()
    chat = RESPONSES.chat(request.fields)
    if isinstance(chat, Chat):
        of.write_request(chat, MODEL, NO_PARAMS, 9)


def test_a_request_reaches_anthropic_as_one_of_its_own() -> None:
    """U-43, U-46, U-47: a loop with a signed thought, and what has no name there is named."""
    items = [
        {"role": "user", "content": "Weather?"},
        {**SEALED, "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ]
    fields = {
        "model": "auto",
        "input": items,
        "instructions": "Be brief.",
        "max_output_tokens": 4000,
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "include": ["message.output_text.logprobs"],
    }
    chat = RESPONSES.chat(fields)
    assert isinstance(chat, Chat)
    written = AnthropicMessages().write_request(chat, model("anthropic", can="thinking tools"), NO_PARAMS, 9)
    assert not isinstance(written, Refusal)
    assert json.loads(written.body) == {
        "model": "up",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "s"},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}]},
        ],
        "max_tokens": 4000,
        "system": "Be brief.",
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    }
    assert {RESPONSES.names.get(name, name) for name in written.lost} == {"text.verbosity", "include"}


def test_the_same_request_is_written_the_same() -> None:
    """U-50."""
    fields = {"model": "auto", "input": "Hi", "text": {"verbosity": "low"}, "top_p": 0.5, "temperature": 0.2}
    chats = [RESPONSES.chat(fields), RESPONSES.chat(dict(reversed(fields.items())))]
    bodies = []
    for chat in chats:
        assert isinstance(chat, Chat)
        written = OpenAIChat().write_request(chat, MODEL, NO_PARAMS, 9)
        assert not isinstance(written, Refusal)
        bodies.append(json.loads(written.body))
    assert bodies[0] == bodies[1]


def test_an_error_event_is_numbered_and_says_it_in_both_ways() -> None:
    """U-39: at the top as the reference has it, and under `error`, at which the official client raises."""
    [event] = events_in(RESPONSES.error_event(ProviderError(0, "", "c", "m"), BLAME, ID, 7))
    about = {"blame": "provider", "attempts": BLAME.attempts}
    error = {"message": "m", "type": "server_error", "param": None, "code": "c", "rulegate": about}
    assert event == {"type": "error", "sequence_number": 7, "code": "c", "message": "m", "param": None, "error": error}


def test_a_refusal_has_openais_shape() -> None:
    """U-62."""
    body = json.loads(RESPONSES.refusal(Refusal(RefusalKind.INVALID_REQUEST, "no", "store"), Blame("gateway", ()), ID))
    assert (body["error"]["type"], body["error"]["param"]) == ("invalid_request_error", "store")
    assert body["error"]["rulegate"]["blame"] == "gateway"


def test_usage_is_never_a_block_of_its_own() -> None:
    assert RESPONSES.hides_usage(read({"model": "auto", "input": "x", "stream": True})) is False
