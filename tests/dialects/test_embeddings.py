"""Requests for embeddings as rules see them, and answers that hold a vector for each input or are none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import NOT_JSON, Answer, Bad
from gateway.dialects.embeddings import NOTHING, Embeddings, EmbeddingsUpstream, conversation_of, inputs_of
from gateway.domain.chat import Conversation, Role, Turn
from gateway.domain.refusal import Refusal
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS, Params
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Surface
from tests.dialects.exchanges import odd_values

TOKENS = st.lists(st.integers(0, 200_000), min_size=1, max_size=5)
INPUTS = st.one_of(
    st.text(), st.lists(st.text(), min_size=1, max_size=4), TOKENS, st.lists(TOKENS, min_size=1, max_size=4)
)


def request_of(asked: Any, **fields: Any) -> Request:  # noqa: ANN401 - any input
    read = Embeddings().read_request(json.dumps({"model": "auto", "input": asked, **fields}).encode(), {})
    assert isinstance(read, Request), read
    return read


def read_answer(asked: Any, body: object) -> Answer | Bad:  # noqa: ANN401 - any input
    return EmbeddingsUpstream(request_of(asked)).read_answer(json.dumps(body).encode())


def user(*texts: str, token_ids: int = 0) -> Conversation:
    return Conversation("", tuple(Turn(Role.USER, text) for text in texts), token_ids=token_ids)


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("hello", user("hello")),
        (["a", "b"], user("a", "b")),
        ([5, 6, 7], user("", token_ids=3)),
        ([[5, 6], [7]], user("", "", token_ids=3)),
        ([{"text": "a part of another provider's own"}], user("")),
    ],
)
def test_each_input_is_a_turn_and_token_ids_are_counted(asked: Any, seen: Conversation) -> None:  # noqa: ANN401 - any input
    request = request_of(asked, user="u", metadata={"ticket": 7})
    assert request.read() == seen
    assert (request.surface, request.model, request.stream, request.max_tokens) == (
        *(Surface.EMBEDDINGS, "auto", False, None),
    )
    assert request.metadata == {"ticket": "7"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"model": "auto"}', "input"),
        ('{"model": "auto", "input": null}', "input"),
        ('{"model": "auto", "input": []}', "input"),
        ('{"model": "auto", "input": 5}', "input"),
        ('{"model": "auto", "input": true}', "input"),
        ('{"input": "x"}', "model"),
        ("[]", ""),
        ("", ""),
    ],
)
def test_what_is_no_request_is_refused_by_the_field_at_fault(body: str, param: str) -> None:
    refusal = Embeddings().read_request(body.encode(), {})
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.param) == (400, param)


def test_what_names_another_place_is_dropped() -> None:
    """U-108: as on every surface."""
    request = request_of("x", api_base="http://elsewhere", dimensions=5)
    assert request.dropped == ("api_base",)
    assert json.loads(request.body) == {"model": "auto", "input": "x", "dimensions": 5}


@given(INPUTS, st.sampled_from(["float", "base64"]))
def test_a_body_without_edits_keeps_every_byte_but_those_of_the_model(asked: Any, form: str) -> None:  # noqa: ANN401 - any input
    """U-42."""
    request = request_of(asked, encoding_format=form, x=[1.0, {"b": None}])
    sent = EmbeddingsUpstream(request).pass_on(request, "upstream-1", NO_PARAMS)
    assert sent == request.body.replace(b'"auto"', b'"upstream-1"', 1)


def test_the_edits_of_a_rule_are_carried_out_but_never_an_output_limit() -> None:
    """What a budget caps is no field of this surface."""
    request = request_of("x", dimensions=900)
    edits = Params({"user": "u"}, {}, {"dimensions": 512, "max_tokens": 9}, ())
    sent = json.loads(EmbeddingsUpstream(request).pass_on(request, "v", edits))
    assert sent == {"model": "v", "input": "x", "dimensions": 512, "user": "u"}


@given(INPUTS)
def test_an_answer_needs_a_vector_for_each_input(asked: Any) -> None:  # noqa: ANN401 - any input
    """One more or less is malformed, none is empty; what it used is known all the same."""
    wanted = len(inputs_of(asked))
    for count in range(wanted + 2):
        data = [{"index": place, "embedding": [0.5] if place % 2 else "AAAA"} for place in range(count)]
        answer = read_answer(asked, {"data": data, "model": "v", "usage": {"prompt_tokens": 7, "total_tokens": 7}})
        assert answer.usage == Usage(fresh_input_tokens=7)
        if count == wanted:
            assert isinstance(answer, Answer)
            assert (answer.model, answer.characters) == ("v", 0)
        else:
            assert isinstance(answer, Bad)
            assert answer.failure is (Failure.MALFORMED if count else Failure.EMPTY)


@pytest.mark.parametrize("vector", [b'""', b"[]", b"[ \n]", b"null"])
def test_a_vector_of_nothing_is_none(vector: bytes) -> None:
    body = b'{"data": [{"embedding": ' + vector + b"}]}"
    assert EmbeddingsUpstream(request_of("x")).read_answer(body) == NOTHING


@pytest.mark.parametrize(
    ("reported", "used"),
    [
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(fresh_input_tokens=8)),
        ({"total_tokens": 8}, Usage(fresh_input_tokens=8)),
        ({"prompt_tokens": 8, "completion_tokens": 0}, Usage(fresh_input_tokens=8)),
        ({"prompt_tokens": 0, "total_tokens": 0}, Usage()),
        ({"prompt_tokens": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage_is_the_tokens_of_the_input_and_no_guess(reported: object, used: Usage | None) -> None:
    """U-32 U-34: zero stays zero, and nothing stays nothing."""
    answer = read_answer("x", {"data": [{"embedding": [1]}], "usage": reported})
    assert answer.usage == used


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, Failure.RATE_LIMITED),
        ({"error": "no"}, Failure.SERVER_ERROR),
    ],
)
def test_an_error_in_a_good_status_is_what_its_own_status_would_mean(body: object, failure: Failure) -> None:
    """U-14."""
    answer = read_answer("x", body)
    assert isinstance(answer, Bad)
    assert answer.failure is failure


@given(st.one_of(st.binary(max_size=40), odd_values.map(lambda value: json.dumps(value).encode())))
def test_no_answer_is_too_odd_to_be_read(body: bytes) -> None:
    assert isinstance(EmbeddingsUpstream(request_of("x")).read_answer(body), Answer | Bad)


@given(odd_values)
def test_no_input_is_too_odd_to_be_read(asked: Any) -> None:  # noqa: ANN401 - decoded JSON
    read = Embeddings().read_request(json.dumps({"model": "auto", "input": asked}).encode(), {})
    if isinstance(read, Request):
        assert len(read.read().turns) == len(inputs_of(asked))
        assert read.read() == conversation_of(read.fields)


def test_what_is_no_json_is_malformed() -> None:
    assert EmbeddingsUpstream(request_of("x")).read_answer(b'{"data": [') == NOT_JSON


def test_it_does_not_cross_dialects() -> None:
    refusal = Embeddings().chat({"input": "x"})
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
