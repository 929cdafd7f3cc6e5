import json
from typing import Any

import pytest

from gateway.dialects.execute import Execute
from gateway.domain.chat import Role, Stop, Turn
from gateway.domain.message import Chat, Declined, Message, Part, Reply, Text, Thinking
from gateway.domain.refusal import Refusal
from gateway.domain.request import AUTO, Request
from gateway.domain.words import Prefer, Surface
from tests.dialects.exchanges import ABOUT, BLAME, ID

EXECUTE = Execute()


def test_a_prompt_is_a_chat_of_one_turn() -> None:
    request = EXECUTE.read_request(b'{"prompt": "Why?", "prefer": "cost"}', {"x-rulegate-prefer": "speed"})
    assert isinstance(request, Request)
    assert (request.surface, request.model, request.stream, request.prefer) == (
        Surface.EXECUTE,
        AUTO,
        False,
        Prefer.COST,
    )
    assert request.read().turns == (Turn(Role.USER, "Why?"),)
    assert EXECUTE.chat(request.fields) == Chat((), (Message(Role.USER, (Text("Why?"),)),))


@pytest.mark.parametrize("body", [b'{"prompt": "x"}', b'{"prompt": "x", "prefer": null}'])
def test_the_header_says_what_is_preferred_where_the_body_does_not(body: bytes) -> None:
    request = EXECUTE.read_request(body, {"x-rulegate-prefer": "speed"})
    assert isinstance(request, Request)
    assert request.prefer is Prefer.SPEED


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "x", "model": "gpt"}, "model"),
        ({"prompt": "x", "stream": True}, "stream"),
        ({}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": ["x"]}, "prompt"),
        ({"prompt": "x", "prefer": "cheap"}, "prefer"),
        ({"prompt": "x", "prefer": {"a": 1}}, "prefer"),
    ],
)
def test_anything_else_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    refusal = EXECUTE.read_request(json.dumps(fields).encode(), {})
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.param) == (400, param)
    assert json.loads(EXECUTE.refusal(refusal, BLAME, ID))["error"]["param"] == param


@pytest.mark.parametrize("body", [b"x", b'"prompt"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert isinstance(EXECUTE.read_request(body, {}), Refusal)


@pytest.mark.parametrize("part", [Text("Because"), Declined("Because")])
def test_an_answer_says_who_answered_and_for_how_much(part: Part) -> None:
    """Its text is what the model wrote, or else the words with which it declined; never what it thought."""
    reply = Reply("c1", "gpt-4o-mini-2024", (Thinking("Hm"), part), Stop.END)
    body = EXECUTE.write_answer(reply, None, ABOUT, {})
    assert json.loads(body) == {
        "text": "Because",
        "model": "mini",
        "provider": "openai",
        "rule": "code",
        "category": "code_generation",
        "cost_usd": 0.0015,
        "request_id": ID,
    }


def test_there_are_no_streams() -> None:
    with pytest.raises(TypeError):
        EXECUTE.stream_writer({}, ID)
