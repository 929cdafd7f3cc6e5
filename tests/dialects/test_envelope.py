"""What both chat dialects read alike: what names another place to connect to is dropped, and named."""

import json
from typing import Any

import pytest

from gateway.dialects.base import CallerDialect, Outgoing
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.edit import ELSEWHERE
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.domain.message import Chat
from gateway.domain.refusal import Refusal
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS
from tests.dialects.exchanges import MODEL

DIALECTS = [OpenAIChat(), AnthropicMessages()]
PLAIN: dict[str, Any] = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def read(dialect: CallerDialect, body: bytes) -> Request:
    request = dialect.read_request(body, {})
    assert isinstance(request, Request), request
    return request


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_where_to_connect_and_as_whom_is_dropped_and_named(dialect: OpenAIChat | AnthropicMessages, name: str) -> None:
    """U-108: it goes to no provider of either dialect, and everything else goes as it came."""
    plain = json.dumps(PLAIN).encode()
    request = read(dialect, json.dumps({name: "http://elsewhere.example/v1", **PLAIN}).encode())
    assert (request.dropped, request.body, request.fields) == ((name,), plain, PLAIN)
    assert dialect.pass_on(request, "up", NO_PARAMS) == plain.replace(b"auto", b"up")
    chat = dialect.chat(request.fields)
    assert isinstance(chat, Chat)
    written = dialect.write_request(chat, MODEL, NO_PARAMS, 9)
    assert isinstance(written, Outgoing)
    assert b"elsewhere" not in written.body


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_what_is_within_the_body_is_the_callers_own(dialect: CallerDialect) -> None:
    """Only the top level is a client library's: a message or a tool may speak of anything."""
    body = {**PLAIN, "metadata": {"api_key": "x"}, "messages": [{"role": "user", "content": "api_key", "base_url": 1}]}
    request = read(dialect, json.dumps(body).encode())
    assert (request.dropped, request.fields) == ((), body)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_all_that_is_dropped_is_named_once_in_its_order(dialect: CallerDialect) -> None:
    body = b'{"base_url": 1, "model": "auto", "api_key": 2, "messages": [], "api_key": 3, "base\\u005furl": 4}'
    request = read(dialect, body)
    assert request.dropped == ("base_url", "api_key")
    assert request.body == b'{"model": "auto", "messages": []}'


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_body_of_nothing_else_is_refused_like_an_empty_object(dialect: CallerDialect) -> None:
    refusals = [dialect.read_request(body, {}) for body in (b'{"api_key": "sk-1"}', b"{}")]
    assert isinstance(refusals[0], Refusal)
    assert refusals[0] == refusals[1]
