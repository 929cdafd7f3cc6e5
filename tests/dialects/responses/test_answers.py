"""Whole response objects: what the gateway writes is what the client's types want, and what providers send is read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from gateway.dialects.base import Answer, Bad
from gateway.dialects.responses.answers import response_of
from gateway.dialects.responses.dialect import OpenAIResponses
from gateway.domain.chat import Stop
from gateway.domain.message import Citation, Declined, Part, Reply, Text, Thinking, ToolCall
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from tests.dialects.exchanges import CREATED, ID, odd_values
from tests.dialects.responses.asking import USED, message, parts, response

RESPONSES = OpenAIResponses()
NUMBER = ID.replace("-", "")
SPENT = Usage(fresh_input_tokens=5, cache_read_tokens=4, output_tokens=5, reasoning_tokens=2)


def written(*said: Part, stop: Stop = Stop.END, used: Usage | None = SPENT, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    return response_of(Reply("x", "up", said, stop), used, {"input": "Hi", **fields}, ID, CREATED)


@given(st.lists(parts, max_size=5), st.sampled_from(Stop))
def test_every_answer_is_a_response_of_the_clients_types(said: list[Part], stop: Stop) -> None:
    """Strictly, as the client itself does not check them; every id fits into OpenAI's 64 characters."""
    whole = Response.model_validate_json(json.dumps(written(*said, stop=stop)), strict=True)
    assert whole.id == f"resp_{NUMBER}"
    ids = [item.id for item in whole.output]
    assert len(set(ids)) == len(ids)
    assert all(each is not None and len(each) <= 64 for each in ids)


def test_the_items_of_an_answer_are_in_the_order_in_which_the_model_said_them() -> None:
    """Texts that follow each other are one message, which a thought or a call ends."""
    page = Citation("https://x", "X")
    said = (
        *(Thinking("Hm", "sig"), Thinking("", redacted="data"), Text("Hé"), Text("llo", citations=(page,))),
        *(ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", ""), Text("!")),
    )
    output = written(*said, stop=Stop.TOOL_USE)["output"]
    assert [item["type"] for item in output] == [
        *("reasoning", "reasoning", "message", "function_call", "function_call", "message")
    ]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert output[1]["summary"] == []
    [part] = output[2]["content"]
    assert part["text"] == "Héllo"
    assert part["annotations"] == [
        {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 2, "end_index": 5}
    ]
    calls = [(item["call_id"], item["name"], item["arguments"], item["status"]) for item in output[3:5]]
    assert calls == [("c1", "f", '{"a":1}', "completed"), ("c2", "g", "{}", "completed")]


@pytest.mark.parametrize(
    ("stop", "said", "status", "reason"),
    [
        (Stop.END, Text("x"), "completed", None),
        (Stop.STOP_SEQUENCE, Text("x"), "completed", None),
        (Stop.TOOL_USE, ToolCall("c", "f", "{}"), "completed", None),
        (Stop.LENGTH, Text("x"), "incomplete", "max_output_tokens"),
        (Stop.REFUSAL, Text("x"), "incomplete", "content_filter"),
        (Stop.REFUSAL, Declined("no"), "completed", None),
    ],
)
def test_why_it_ended_is_told(stop: Stop, said: Part, status: str, reason: str | None) -> None:
    """U-44: the whole table of reasons; a model that declines in its own words has answered."""
    whole = written(said, stop=stop)
    assert whole["status"] == whole["output"][-1]["status"] == status
    assert whole["incomplete_details"] == (None if reason is None else {"reason": reason})


def test_a_response_repeats_its_request_and_says_that_nothing_is_stored() -> None:
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}],
        "tool_choice": "required",
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
    }
    whole = written(Text("x"), **asked)
    nested = {"reasoning": {"effort": "low", "summary": None}, "text": {"format": {"type": "text"}, "verbosity": "low"}}
    assert {name: whole[name] for name in asked} == {**asked, **nested}
    assert (whole["store"], whole["background"], whole["previous_response_id"]) == (False, False, None)
    assert (whole["object"], whole["created_at"], whole["model"], whole["error"]) == ("response", CREATED, "up", None)


def test_usage_is_told_as_the_provider_told_it_or_not_at_all() -> None:
    """U-32: no guess of the gateway's looks like a figure of the provider."""
    assert written(Text("x"))["usage"] == USED | {"input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0}}
    assert written(Text("x"), used=None)["usage"] is None


def test_logprobs_stand_with_the_text() -> None:
    told = [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}]
    reply = Reply("x", "up", (Text("x"),), Stop.END, logprobs={"content": told})
    whole = response_of(reply, None, {"input": "Hi"}, ID, CREATED)
    assert whole["output"][0]["content"][0]["logprobs"] == told


def test_an_answer_of_a_provider_is_read() -> None:
    """U-33: the searches that its usage leaves out are counted, and its tier is kept."""
    whole = response({"type": "web_search_call", "id": "ws_1"}, message("Hi"), usage=USED, service_tier="flex")
    read = RESPONSES.read_answer(json.dumps(whole).encode())
    used = Usage(
        fresh_input_tokens=5,
        cache_read_tokens=4,
        output_tokens=5,
        reasoning_tokens=2,
        web_searches=1,
        service_tier="flex",
    )
    assert read == Answer("gpt", used, whole)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", Failure.MALFORMED),
        (b"{}", Failure.EMPTY),
        (response(), Failure.EMPTY),
        (response(message("")), Failure.EMPTY),
        (response({"type": "reasoning", "summary": []}, status="incomplete"), Failure.EMPTY),
        (response(incomplete_details={"reason": "content_filter"}), Failure.CONTENT_FILTER),
        (response(error={"code": "server_error", "message": "x"}, status="failed"), Failure.SERVER_ERROR),
        (response(error={"code": "rate_limit_exceeded", "message": "x"}, status="failed"), Failure.RATE_LIMITED),
        (response(error={"code": "invalid_prompt", "message": "x"}, status="failed"), Failure.BAD_REQUEST),
        (response(message("x"), status="failed"), Failure.SERVER_ERROR),
        (b'{"error": {"type": "invalid_request_error", "message": "x"}}', Failure.BAD_REQUEST),
    ],
)
def test_a_whole_answer_that_is_none_is_the_failure_it_stands_for(
    body: bytes | dict[str, Any], failure: Failure
) -> None:
    """U-13 and U-14: an error or nothing at all under a 2xx is classified like its status."""
    bad = RESPONSES.read_answer(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert isinstance(bad, Bad)
    assert bad.failure is failure


@pytest.mark.parametrize(
    ("output", "characters"),
    [
        ((message("Hi"),), 2),
        ((message("Hi"), {"type": "function_call", "arguments": "{}"}), 4),
        (({"type": "reasoning", "summary": [{"text": "Hm."}]},), 3),
        (({"type": "message", "content": [{"type": "refusal", "refusal": "No"}]},), 2),
    ],
)
def test_what_the_model_wrote_is_counted_where_no_usage_is_told(output: tuple[Any, ...], characters: int) -> None:
    """U-34: for the estimate."""
    read = RESPONSES.read_answer(json.dumps(response(*output)).encode())
    assert isinstance(read, Answer)
    assert (read.usage, read.characters) == (None, characters)


@given(
    st.dictionaries(st.sampled_from(["output", "usage", "model", "status", "error", "incomplete_details"]), odd_values)
)
def test_no_answer_is_too_odd_to_read(fields: dict[str, Any]) -> None:
    RESPONSES.read_answer(json.dumps(fields).encode())
