"""The Anthropic side: messages as api.anthropic.com sends them, byte by byte.

Shapes: https://docs.anthropic.com/en/api/messages and .../messages-streaming; errors: .../errors.
Pure: no input or output, no clock. Ids follow from the request.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

from gateway.simulator.faults import Fault
from gateway.simulator.wire import JSON_TYPE, Reply, encode, retry_after
from gateway.simulator.wishes import Tool, Wishes, called
from gateway.simulator.world import (
    Answer,
    Call,
    Finish,
    Question,
    Telling,
    Usage,
    count_characters,
    digest_of,
    estimate_tokens,
    last_user_text,
    pieces,
)

NAME = "anthropic"

_WINDOW_TOKENS = 200_000
_REQUEST_ID = "req_simulated"
_SIGNATURE = "c2ltdWxhdGVk"


def read(document: Mapping[str, object], header_names: frozenset[str]) -> Question | Reply:
    """Read a messages request, or complain about the first field or header that is missing or of the wrong type."""
    if "anthropic-version" not in header_names:
        return complaint("anthropic-version: header is required")
    for name in ("model", "max_tokens", "messages"):
        if document.get(name) is None:
            return complaint(f"{name}: Field required")
    model, limit, messages = document["model"], document["max_tokens"], document["messages"]
    if not isinstance(model, str) or not model:
        return complaint("model: Input should be a valid string")
    if not isinstance(limit, int) or limit < 1:
        return complaint("max_tokens: Input should be greater than or equal to 1")
    if not isinstance(messages, list):
        return complaint("messages: Input should be a valid list")
    if not messages:
        return complaint("messages: at least one message is required")
    stop = document.get("stop_sequences")
    return Question(
        model=model,
        prompt=last_user_text(messages),
        input_characters=count_characters([messages, document.get("system"), document.get("tools")]),
        output_limit=limit,
        stop=tuple(item for item in stop if isinstance(item, str)) if isinstance(stop, list) else (),
        stream=document.get("stream") is True,
        stream_usage=True,
        digest=digest_of(document),
        wishes=_wishes(document),
    )


def _wishes(document: Mapping[str, object]) -> Wishes:
    """Read tools that must be called, a schema of the answer, and whether to think."""
    listed = document.get("tools")
    tools = tuple(
        Tool(each["name"], each.get("input_schema"))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and isinstance(each.get("name"), str)
    )
    choice = document.get("tool_choice")
    choice = choice if isinstance(choice, dict) else {}
    thinking = document.get("thinking")
    return Wishes(
        calls=called(
            tools,
            must=choice.get("type") in ("any", "tool"),
            name=choice.get("name"),
            parallel=choice.get("disable_parallel_tool_use") is not True,
        ),
        output=_output(document.get("output_config")),
        thoughts=isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive"),
    )


def _output(config: object) -> object:
    match config:
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return schema
        case _:
            return None


def unreadable() -> Reply:
    """Complain about a body that is not a JSON object."""
    return complaint("The request body is not valid JSON")


def failure(fault: Fault, question: Question, retry_after_s: float | None) -> Reply:
    """Give the error response for a fault that has one; any other fault gives the overloaded one."""
    hint = retry_after(retry_after_s)
    match fault:
        case Fault.RATE_LIMITED:
            message = (
                "This request would exceed the rate limit for your organization (simulated) of 50 requests per minute."
                " For details, refer to: https://docs.claude.com/en/api/rate-limits."
            )
            seconds = 1.0 if retry_after_s is None else retry_after_s
            return _error(429, "rate_limit_error", message, retry_after(seconds))
        case Fault.QUOTA:
            return complaint(
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade"
                " or purchase credits.",
                hint,
            )
        case Fault.SERVER_ERROR:
            return _error(500, "api_error", "Internal server error", hint)
        case Fault.AUTH:
            return _error(401, "authentication_error", "invalid x-api-key", hint)
        case Fault.NOT_FOUND:
            return _error(404, "not_found_error", f"model: {question.model}", hint)
        case Fault.BAD_REQUEST:
            return complaint("temperature: range: 0..1", hint)
        case Fault.CONTEXT_LENGTH:
            tokens = max(_WINDOW_TOKENS + 1, estimate_tokens(question.input_characters))
            return complaint(f"prompt is too long: {tokens} tokens > {_WINDOW_TOKENS} maximum", hint)
        case _:
            return _error(529, "overloaded_error", "Overloaded", hint)


def whole(question: Question, answer: Answer) -> Reply:
    """Give a message object; an answer without text has no content block."""
    document = _message(question, [*_thought(answer), *_text(answer.text), *map(_call, answer.calls)])
    document |= {"stop_reason": _stop_reason(answer.finish), "stop_sequence": answer.stop_sequence}
    if answer.usage is not None:
        document["usage"] = _usage(answer.usage, answer.telling)
    return Reply(200, (JSON_TYPE, *identity(question)), encode(document))


def stream_headers(question: Question) -> tuple[tuple[str, str], ...]:
    """Give the headers of a streamed answer."""
    return (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), *identity(question))


def opening(question: Question, answer: Answer) -> tuple[bytes, ...]:
    """Give message_start, the thoughts, the start of the text block if there will be text, and a ping."""
    message = _message(question, [])
    if answer.usage is not None:
        told = _usage(answer.usage, answer.telling)
        message["usage"] = {**told, "output_tokens": min(1, answer.usage.output_tokens)}
    start = _event("message_start", {"message": message})
    place = _text_index(question)
    block = _event("content_block_start", {"index": place, "content_block": {"type": "text", "text": ""}})
    return (start, *_thought_events(answer), *((block,) if answer.text else ()), _event("ping", {}))


def piece(question: Question, text: str, _place: int) -> bytes:
    """Give one content_block_delta."""
    return _delta(_text_index(question), {"type": "text_delta", "text": text})


def closing(question: Question, answer: Answer) -> tuple[bytes, ...]:
    """Give the end of the text block, the calls, and message_delta, whose usage is cumulative.

    A split usage comes in two of them, where null stands for what message_start has told; its fields may be null by
    the API reference, and are: https://github.com/langchain-ai/langchain/pull/32525.
    """
    delta = {"stop_reason": _stop_reason(answer.finish), "stop_sequence": answer.stop_sequence}
    told: list[dict[str, object]] = [{"delta": delta}]
    if answer.usage is not None:
        counters = _counters(answer.usage, answer.telling)
        told = [{"delta": delta, "usage": counters}]
        if answer.telling is Telling.SPLIT:
            outputs = (answer.usage.output_tokens // 2, answer.usage.output_tokens)
            half, full = ({**dict.fromkeys(counters), "output_tokens": count} for count in outputs)
            told = [{"delta": dict.fromkeys(delta), "usage": half}, {"delta": delta, "usage": full}]
    place = _text_index(question)
    stop = (_event("content_block_stop", {"index": place}),) if answer.text else ()
    calls = _call_events(answer.calls, place + len(stop))
    return (*stop, *calls, *(_event("message_delta", fields) for fields in told))


def _text_index(question: Question) -> int:
    return 1 if question.wishes.thoughts else 0


def _text(text: str) -> Sequence[object]:
    return [{"type": "text", "text": text}] if text else []


def _thought(answer: Answer) -> Sequence[object]:
    return [{"type": "thinking", "thinking": answer.thought, "signature": _SIGNATURE}] if answer.thought else []


def _call(call: Call) -> dict[str, object]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}


def _thought_events(answer: Answer) -> Iterator[bytes]:
    if not answer.thought:
        return
    block = {"type": "thinking", "thinking": "", "signature": ""}
    yield _event("content_block_start", {"index": 0, "content_block": block})
    for text in pieces(answer.thought):
        yield _delta(0, {"type": "thinking_delta", "thinking": text})
    yield _delta(0, {"type": "signature_delta", "signature": _SIGNATURE})
    yield _event("content_block_stop", {"index": 0})


def _call_events(calls: Sequence[Call], first: int) -> Iterator[bytes]:
    for place, call in enumerate(calls, first):
        yield _event("content_block_start", {"index": place, "content_block": {**_call(call), "input": {}}})
        for text in ("", *pieces(call.arguments)):
            yield _delta(place, {"type": "input_json_delta", "partial_json": text})
        yield _event("content_block_stop", {"index": place})


def _delta(index: int, delta: Mapping[str, object]) -> bytes:
    return _event("content_block_delta", {"index": index, "delta": delta})


def marker(_question: Question, _answer: Answer) -> bytes:
    """Give the last event of every stream."""
    return _event("message_stop", {})


def error_event() -> bytes:
    """Give the event that says the provider failed."""
    return _event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})


def garbage_event() -> bytes:
    """Give an event whose data is not JSON."""
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"ty\n\n'


def ping() -> bytes:
    """Give a ping."""
    return _event("ping", {})


def models(names: Sequence[str]) -> Reply:
    """List models as GET /v1/models does, all on one page."""
    listed = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2025-01-01T00:00:00Z"} for name in names
    ]
    page = {
        "data": listed,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }
    return Reply(200, (JSON_TYPE,), encode(page))


def _error(status: int, kind: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    document = {"type": "error", "error": {"type": kind, "message": message}, "request_id": _REQUEST_ID}
    return Reply(status, (JSON_TYPE, ("request-id", _REQUEST_ID), *headers), encode(document))


def complaint(message: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Say what is wrong with a request."""
    return _error(400, "invalid_request_error", message, headers)


def _stop_reason(finish: Finish) -> str:
    match finish:
        case Finish.COMPLETE:
            return "end_turn"
        case Finish.LENGTH:
            return "max_tokens"
        case Finish.STOP_SEQUENCE:
            return "stop_sequence"
        case Finish.FILTERED:
            return "refusal"
        case Finish.CALLED:
            return "tool_use"
        case _:
            assert_never(finish)


def identity(question: Question) -> tuple[tuple[str, str], ...]:
    """Give the headers that name an answer."""
    return (
        ("request-id", f"req_{question.digest[:12].hex()}"),
        ("anthropic-organization-id", "00000000-0000-0000-0000-000000000000"),
    )


def _message(question: Question, content: Sequence[object]) -> dict[str, object]:
    return {
        "id": f"msg_{question.digest[:12].hex()}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _event(kind: str, fields: Mapping[str, object]) -> bytes:
    return f"event: {kind}\ndata: ".encode() + encode({"type": kind, **fields}) + b"\n\n"


def _counters(usage: Usage, telling: Telling) -> dict[str, object]:
    """Give disjoint counters: `input_tokens` is what was neither read from nor written to a cache.

    Wrong ones take a discount for cache reads off the input, below nothing, as Moonshot does
    (https://github.com/looplj/axonhub/pull/1276), and count no output (https://github.com/farion1231/cc-switch/pull/2485).
    """
    if telling is Telling.WRONG:
        return {
            "input_tokens": -2 * usage.input_tokens,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": 3 * usage.input_tokens,
            "output_tokens": 0,
        }
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }


def _usage(usage: Usage, telling: Telling) -> dict[str, object]:
    creation = {"ephemeral_5m_input_tokens": usage.cache_write_tokens, "ephemeral_1h_input_tokens": 0}
    return {**_counters(usage, telling), "cache_creation": creation, "service_tier": "standard"}
