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
from gateway.domain.message import Reply, Text, Thinking
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
    assert ANTHROPIC.read_answer(body) == Answer("c", None, json.loads(body))


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
    ("status", "providers", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (404, 404, "not_found_error"),
        (413, 413, "request_too_large"),
        (429, 429, "rate_limit_error"),
        (502, 500, "api_error"),
        (503, 503, "api_error"),
        (503, 529, "overloaded_error"),
        (504, 0, "timeout_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(status: int, providers: int, kind: str) -> None:
    """U-61 and U-62: the status is ours, after what all attempts came to; 529 has a type but is no status of ours."""
    body = json.loads(ANTHROPIC.failure(status, ProviderError(providers, "server_error", "c", "m"), BLAME, ID))
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
