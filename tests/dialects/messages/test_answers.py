"""Answers and errors of the messages dialect."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Answer, Bad, Blame
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.dialects.messages.stream import STOPS
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.message import Citation, Declined, Part, Reply, Text, Thinking, ToolCall
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from tests.dialects.exchanges import ABOUT, BLAME, ID, chat, odd_values

ANTHROPIC = AnthropicMessages()


def message(**fields: Any) -> bytes:  # noqa: ANN401 - JSON values
    content = [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "text", "text": "Hi"}]
    return json.dumps(
        {"id": "m1", "type": "message", "model": "c", "content": content, "stop_reason": "end_turn", **fields}
    ).encode()


def test_an_answer_is_read() -> None:
    body = message(usage={"input_tokens": 3, "output_tokens": 2})
    read = ANTHROPIC.read_answer(body)
    assert isinstance(read, Answer)
    assert read == Answer("c", Usage(fresh_input_tokens=3, output_tokens=2), json.loads(body))
    assert ANTHROPIC.reply(read) == Reply("m1", "c", (Thinking("Hm", "s"), Text("Hi")), Stop.END)
    body = message(usage={"input_tokens": None})
    assert ANTHROPIC.read_answer(body) == Answer("c", None, json.loads(body), characters=4)


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
    read = ANTHROPIC.read_answer(json.dumps(fields).encode())
    if isinstance(read, Answer):
        ANTHROPIC.reply(read)
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
    there = Reply("c1", "gpt", (Text("Hi"),), stop)
    body = ANTHROPIC.write_answer(there, used, ABOUT, chat())
    assert json.loads(body)["stop_reason"] == reason
    read = ANTHROPIC.read_answer(body)
    assert isinstance(read, Answer)
    assert read.usage == used
    assert ANTHROPIC.reply(read) == there


@pytest.mark.parametrize(("reason", "stop"), [*STOPS.items(), ("new", Stop.END), (None, Stop.END)])
def test_every_reason_to_stop_is_read(reason: str | None, stop: Stop) -> None:
    """U-44."""
    read = ANTHROPIC.read_answer(message(stop_reason=reason))
    assert isinstance(read, Answer)
    assert ANTHROPIC.reply(read).stop is stop


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
        (413, "request_too_large"),
        (418, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(status: int, kind: str) -> None:
    """U-61 and U-62."""
    body = json.loads(ANTHROPIC.failure(status, ProviderError(500, "server_error", "c", "m"), BLAME, ID))
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


def reply(*blocks: object) -> Reply:
    read = ANTHROPIC.read_answer(message(content=list(blocks)))
    assert isinstance(read, Answer)
    return ANTHROPIC.reply(read)


PAGE = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "quoted"}


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ({"type": "text", "text": "Hi", "citations": None}, (Text("Hi"),)),
        (
            {"type": "text", "text": "Hi", "citations": [PAGE, {"type": "char_location", "cited_text": "x"}]},
            (Text("Hi", citations=(Citation("https://a.example", "A", "quoted"),)),),
        ),
        ({"type": "thinking", "thinking": "Hm", "signature": "s"}, (Thinking("Hm", "s"),)),
        ({"type": "redacted_thinking", "data": "x"}, (Thinking("", redacted="x"),)),
        ({"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}, (ToolCall("a", "f", '{"x":1}'),)),
        ({"type": "tool_use", "id": "a", "name": "f", "input": {}}, (ToolCall("a", "f", "{}"),)),
        ({"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}}, ()),
        ({"type": "new", "text": "x"}, ()),
    ],
)
def test_each_kind_of_block_is_read(block: dict[str, Any], parts: tuple[Part, ...]) -> None:
    assert reply(block).parts == parts


SAID = (
    *(Thinking("Hm", "s"), Thinking("", redacted="x"), Text("Hi", citations=(Citation("https://a.example"),))),
    *(Declined("No"), ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", ""), ToolCall("c", "g", "no json")),
)
SHOWN = [
    *({"type": "text", "text": "Hi"}, {"type": "text", "text": "No"}),
    {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
    *({"type": "tool_use", "id": each, "name": "g", "input": {}} for each in "bc"),
]
THOUGHTS = [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        (None, SHOWN),
        ({"type": "disabled"}, SHOWN),
        ({"type": "enabled", "budget_tokens": 1024}, [*THOUGHTS, *SHOWN]),
        ({"type": "adaptive"}, [*THOUGHTS, *SHOWN]),
    ],
)
def test_each_kind_of_part_is_written(thinking: object, expected: list[object]) -> None:
    """U-43: thoughts are for those who asked the model to think, as in this dialect's own answers."""
    body = ANTHROPIC.write_answer(Reply("c1", "gpt", SAID, Stop.TOOL_USE), None, ABOUT, chat(thinking=thinking))
    assert json.loads(body)["content"] == expected


def test_a_thought_that_nobody_signed_has_no_signature() -> None:
    """U-47: none is made up."""
    there = Reply("c1", "gpt", (Thinking("Hm"), Text("Hi")), Stop.END)
    body = ANTHROPIC.write_answer(there, None, ABOUT, chat(thinking={"type": "adaptive"}))
    assert json.loads(body)["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": ""}


def test_the_sequence_at_which_a_model_stopped_is_told() -> None:
    there = Reply("c1", "gpt", (Text("Hi"),), Stop.STOP_SEQUENCE, "END")
    fields = json.loads(ANTHROPIC.write_answer(there, None, ABOUT, chat()))
    assert (fields["stop_reason"], fields["stop_sequence"]) == ("stop_sequence", "END")
    assert ANTHROPIC.reply(Answer("gpt", None, fields)) == there
