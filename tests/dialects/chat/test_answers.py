"""Answers and errors of the chat completions dialect."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Answer, Bad, Blame
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.message import Citation, Declined, Part, Reply, Text, Thinking, ToolCall
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from gateway.engine.waits import wait_asked_s
from tests.dialects.exchanges import ABOUT, BLAME, CREATED, ID, chat, odd_values

OPENAI = OpenAIChat()


def answer(**fields: Any) -> bytes:  # noqa: ANN401 - JSON values
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    return json.dumps({"id": "c1", "model": "gpt-x", "choices": [choice], **fields}).encode()


def choice(reason: object, **message: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON values
    return [{"message": {"role": "assistant", **message}, "finish_reason": reason}]


def test_an_answer_is_read() -> None:
    body = answer(usage={"prompt_tokens": 3, "completion_tokens": 2}, service_tier="flex")
    used = Usage(fresh_input_tokens=3, output_tokens=2, service_tier="flex")
    read = OPENAI.read_answer(body)
    assert isinstance(read, Answer)
    assert read == Answer("gpt-x", used, json.loads(body))
    assert OPENAI.reply(read) == Reply("c1", "gpt-x", (Text("Hi"),), Stop.END)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": None}, [], 7])
def test_no_usage_is_not_zero_usage(usage: object) -> None:
    """U-34: nothing reported is told from nothing used."""
    read = OPENAI.read_answer(answer(usage=usage))
    assert isinstance(read, Answer)
    assert read.usage is None


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", Failure.MALFORMED),
        (b"<html>", Failure.MALFORMED),
        (b"[]", Failure.MALFORMED),
        (b'{"id": "\xff"}', Failure.MALFORMED),
        (b"{}", Failure.EMPTY),
        (answer(choices=7), Failure.EMPTY),
        (answer(choices=["x"]), Failure.EMPTY),
        (answer(choices=choice("stop", content="", refusal=None, tool_calls=[])), Failure.EMPTY),
        (answer(choices=choice("length", content=None)), Failure.EMPTY),
        (answer(choices=choice(["odd"], content=None)), Failure.EMPTY),
        (answer(choices=choice("content_filter", content="")), Failure.CONTENT_FILTER),
        (answer(error={"message": "x", "code": "rate_limit_exceeded"}), Failure.RATE_LIMITED),
        (answer(error={"message": "x", "code": 429}), Failure.RATE_LIMITED),
        (answer(error={"message": "x", "type": "insufficient_quota", "code": None}), Failure.QUOTA),
        (
            answer(error={"message": "x", "type": "invalid_request_error", "code": "context_length_exceeded"}),
            Failure.CONTEXT_LENGTH,
        ),
        (answer(error={"message": "x", "type": "invalid_request_error"}), Failure.BAD_REQUEST),
        (answer(error={"message": "x", "type": "new", "code": 500}), Failure.SERVER_ERROR),
        (answer(error="down"), Failure.SERVER_ERROR),
    ],
)
def test_a_whole_answer_that_is_none_is_the_failure_it_stands_for(body: bytes, failure: Failure) -> None:
    """U-13 and U-14: an error or nothing at all under a 2xx is classified like its status."""
    bad = OPENAI.read_answer(body)
    assert isinstance(bad, Bad)
    assert bad.failure is failure
    assert bad.error.message


@given(st.dictionaries(st.sampled_from(["choices", "usage", "id", "model", "error"]), odd_values))
def test_no_answer_is_too_odd_to_read(fields: dict[str, Any]) -> None:
    read = OPENAI.read_answer(json.dumps(fields).encode())
    if isinstance(read, Answer):
        OPENAI.reply(read)
    OPENAI.read_error(500, json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (Stop.END, "stop"),
        (Stop.STOP_SEQUENCE, "stop"),
        (Stop.LENGTH, "length"),
        (Stop.TOOL_USE, "tool_calls"),
        (Stop.REFUSAL, "content_filter"),
    ],
)
def test_an_answer_is_written_and_reads_as_it_was(stop: Stop, reason: str) -> None:
    """U-44: the whole table of reasons."""
    used = Usage(fresh_input_tokens=5, cache_read_tokens=4, output_tokens=3, reasoning_tokens=2)
    there = Reply("m1", "claude", (Text("Hi"),), stop)
    body = OPENAI.write_answer(there, used, ABOUT, chat())
    fields = json.loads(body)
    assert (fields["created"], fields["choices"][0]["finish_reason"]) == (CREATED, reason)
    assert fields["usage"]["prompt_tokens"] == 9
    read = OPENAI.read_answer(body)
    assert isinstance(read, Answer)
    assert read == Answer("claude", used, fields)
    assert OPENAI.reply(read) == msgspec.structs.replace(there, stop=Stop.END if stop is Stop.STOP_SEQUENCE else stop)


def test_an_answer_without_usage_says_none() -> None:
    there = Reply("m1", "claude", (Text("Hi"),), Stop.END)
    assert "usage" not in json.loads(OPENAI.write_answer(there, None, ABOUT, chat()))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"message": "m", "type": "t", "code": 7}}', ProviderError(500, "t", "7", "m")),
        (b'{"error": {"message": null}}', ProviderError(500)),
        (b'{"error": "down"}', ProviderError(500, message="down")),
        (b"<html>" + b"x" * 900, ProviderError(500, message="<html>" + "x" * 494)),
        (b"\xff", ProviderError(500, message="\ufffd")),
    ],
)
def test_an_error_is_read_in_the_providers_words(body: bytes, expected: ProviderError) -> None:
    assert OPENAI.read_error(500, body) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (RefusalKind.INVALID_REQUEST, ("invalid_request_error", None)),
        (RefusalKind.MODEL_NOT_FOUND, ("invalid_request_error", "model_not_found")),
        (RefusalKind.NOT_FOUND, ("invalid_request_error", "unknown_url")),
        (RefusalKind.TOO_LARGE, ("invalid_request_error", "request_too_large")),
        (RefusalKind.UNAUTHENTICATED, ("invalid_request_error", "invalid_api_key")),
        (RefusalKind.FORBIDDEN, ("permission_error", None)),
        (RefusalKind.RATE_LIMITED, ("rate_limit_error", "rate_limit_exceeded")),
        (RefusalKind.INTERNAL, ("server_error", None)),
    ],
)
def test_a_refusal_has_the_words_of_the_dialect(kind: RefusalKind, expected: tuple[str, str | None]) -> None:
    """U-62: and says that the gateway is to blame."""
    error = json.loads(OPENAI.refusal(Refusal(kind, "no", "model"), Blame("gateway", ()), ID))["error"]
    assert (error["type"], error["code"]) == expected
    assert (error["message"], error["param"], error["rulegate"]) == (
        "no",
        "model",
        {"blame": "gateway", "attempts": []},
    )


def test_a_failure_keeps_the_providers_words_where_there_are_some() -> None:
    """U-61."""
    given_words = json.loads(OPENAI.failure(429, ProviderError(429, "t", "c", "slow down"), BLAME, ID))["error"]
    assert (given_words["type"], given_words["code"], given_words["message"]) == ("t", "c", "slow down")
    none = json.loads(OPENAI.failure(429, ProviderError(0, message="slow"), BLAME, ID))["error"]
    assert (none["type"], none["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert none["rulegate"]["attempts"] == BLAME.attempts


@pytest.mark.parametrize(
    ("reset_s", "told"),
    [
        (0.0, "0ms"),
        (0.0000001, "1ms"),
        (0.02, "20ms"),
        (0.9991, "1s"),
        (1.0, "1s"),
        (17.28, "17.28s"),
        (59.9999, "1m0s"),
        (60.0, "1m0s"),
        (75.5, "1m15.5s"),
    ],
)
def test_where_a_caller_stands_is_told_as_openai_does(reset_s: float, told: str) -> None:
    """U-122: a reset is never told too early."""
    standings = {LimitKind.REQUESTS: Standing(60, 59, reset_s), LimitKind.TOKENS: Standing(1000, 0, 1.5)}
    assert OPENAI.limit_headers(standings, datetime(2026, 1, 5, tzinfo=UTC)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": told,
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1.5s",
    }
    now = datetime(2026, 1, 5, tzinfo=UTC)
    headers = {**OPENAI.limit_headers(standings, now), "x-ratelimit-remaining-requests": "0"}
    wait_s = wait_asked_s(429, headers, now)
    assert wait_s is not None
    assert max(reset_s, 1.5) <= wait_s <= max(reset_s, 1.5) + 0.001


def reply(reason: object = "stop", **message: Any) -> Reply:  # noqa: ANN401 - JSON values
    read = OPENAI.read_answer(answer(choices=choice(reason, **message)))
    assert isinstance(read, Answer)
    return OPENAI.reply(read)


MISTRALS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm "}, {"type": "text", "text": "so"}]},
    {"type": "text", "text": "Hi"},
]
CALLS = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}, (Text("Hi"),)),
        ({"content": MISTRALS}, (Thinking("Hm so"), Text("Hi"))),
        ({"content": "Hi", "reasoning_content": "Hm"}, (Thinking("Hm"), Text("Hi"))),
        ({"content": "Hi", "reasoning": "Hm"}, (Thinking("Hm"), Text("Hi"))),
        ({"content": None, "refusal": "No"}, (Declined("No"),)),
        ({"content": None, "tool_calls": CALLS}, (ToolCall("a", "f", '{"x": 1}'),)),
        (
            {
                "content": "Hi",
                "annotations": [
                    {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}},
                    {"type": "file_citation"},
                ],
            },
            (Text("Hi", citations=(Citation("https://a.example", "A"),)),),
        ),
    ],
)
def test_each_kind_of_part_is_read(message: dict[str, Any], parts: tuple[Part, ...]) -> None:
    assert reply(**message).parts == parts


@pytest.mark.parametrize(
    ("reason", "message", "stop"),
    [
        ("stop", {"content": "Hi"}, Stop.END),
        ("length", {"content": "Hi"}, Stop.LENGTH),
        ("content_filter", {"content": "Hi"}, Stop.REFUSAL),
        ("stop", {"content": None, "refusal": "No"}, Stop.REFUSAL),
        ("tool_calls", {"tool_calls": CALLS}, Stop.TOOL_USE),
        ("function_call", {"tool_calls": CALLS}, Stop.TOOL_USE),
        ("stop", {"tool_calls": CALLS}, Stop.TOOL_USE),
        (None, {"tool_calls": CALLS}, Stop.TOOL_USE),
        ("length", {"tool_calls": CALLS}, Stop.LENGTH),
        ("new", {"content": "Hi"}, Stop.END),
    ],
)
def test_every_reason_to_stop_is_read(reason: object, message: dict[str, Any], stop: Stop) -> None:
    """U-44: a call of a tool is one whatever some servers say at its end."""
    assert reply(reason, **message).stop is stop


def test_calls_without_ids_get_some_that_tell_them_apart() -> None:
    """U-43: else their results could not be told apart."""
    calls = [{"function": {"name": each, "arguments": "{}"}} for each in "fg"]
    assert reply(tool_calls=[*calls, *CALLS]).parts == (
        ToolCall("call_0_c1", "f", "{}"),
        ToolCall("call_1_c1", "g", "{}"),
        ToolCall("a", "f", '{"x": 1}'),
    )


def test_each_kind_of_part_is_written() -> None:
    """U-43 U-47: what only the model's own provider can read is left out: signatures and sealed thoughts."""
    page = Citation("https://a.example", "A", "quoted")
    parts = (
        *(Thinking("Hm", "signature"), Thinking("", redacted="sealed"), Text("Hé 🙂 "), Text("yes", citations=(page,))),
        *(ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "")),
    )
    body = OPENAI.write_answer(Reply("m1", "claude", parts, Stop.TOOL_USE), None, ABOUT, chat())
    assert json.loads(body)["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hé 🙂 yes",
        "refusal": None,
        "reasoning_content": "Hm",
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"url": "https://a.example", "title": "A", "start_index": 5, "end_index": 8},
            }
        ],
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert b"sealed" not in body
    assert b"signature" not in body


def test_a_refusal_is_written_as_one() -> None:
    body = OPENAI.write_answer(Reply("m1", "claude", (Declined("No"),), Stop.REFUSAL), None, ABOUT, chat())
    message = json.loads(body)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "refusal": "No"}
