"""Requests for a count as Anthropic takes them, and what is one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import NOT_JSON, Answer, Bad
from gateway.dialects.messages.counting import NO_COUNT, CountTokens, written
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS, Params
from gateway.domain.words import Failure
from tests.dialects.exchanges import odd_values

BODY = b'{ "model":"auto","messages": [ ],  "metadata": {"user_id": "u"},"x":1.0}'


def request() -> Request:
    read = AnthropicMessages().read_request(BODY, {"anthropic-beta": "b-1", "anthropic-version": "2023-06-01"})
    assert isinstance(read, Request)
    return read


@pytest.mark.parametrize(
    "edits",
    [
        NO_PARAMS,
        Params({"temperature": 1, "max_tokens": 5}, {"stop_sequences": ["x"]}, {"max_tokens": 9}, ("seed",)),
    ],
    ids=["none", "none-of-the-input"],
)
def test_a_body_keeps_every_byte_but_those_of_the_model(edits: Params) -> None:
    """U-42: edits that change no count are left out, for the endpoint refuses such fields."""
    assert CountTokens().pass_on(request(), "claude-1", edits) == BODY.replace(b'"auto"', b'"claude-1"')


def test_edits_of_the_input_are_carried_out() -> None:
    edits = Params({"system": "s", "top_p": 1}, {"tools": [], "top_k": 1}, {}, ("metadata", "seed"))
    sent = json.loads(CountTokens().pass_on(request(), "claude-1", edits))
    assert sent == {"model": "claude-1", "messages": [], "x": 1.0, "system": "s", "tools": []}


def test_the_callers_version_and_betas_go_with_it() -> None:
    """U-59."""
    assert CountTokens().headers("k", request()) == {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "b-1",
        "x-api-key": "k",
    }


@given(st.integers(0, 2**40))
def test_what_we_write_is_what_we_read(tokens: int) -> None:
    read = CountTokens().read_answer(written(tokens))
    assert isinstance(read, Answer)
    assert read.usage is None


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        (b"{}", NO_COUNT),
        (b'{"input_tokens": null}', NO_COUNT),
        (b'{"input_tokens": "7"}', NO_COUNT),
        (b"[]", NOT_JSON),
        (b"{", NOT_JSON),
    ],
)
def test_what_is_no_count_is_malformed(body: bytes, bad: Bad) -> None:
    """U-14."""
    assert CountTokens().read_answer(body) == bad


def test_an_error_in_a_good_status_is_what_its_own_status_would_mean() -> None:
    """U-14."""
    said = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    read = CountTokens().read_answer(json.dumps(said).encode())
    assert isinstance(read, Bad)
    assert read.failure is Failure.OVERLOADED


@given(st.one_of(st.binary(max_size=40), odd_values.map(lambda value: json.dumps(value).encode())))
def test_no_answer_is_too_odd_to_be_read(body: bytes) -> None:
    assert isinstance(CountTokens().read_answer(body), Answer | Bad)
