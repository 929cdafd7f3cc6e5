"""The OpenAI side: chat completions as api.openai.com sends them, byte by byte.

Shapes: https://platform.openai.com/docs/api-reference/chat; error wordings: the provider's own answers.
Pure: no input or output, no clock. Ids and `created` follow from the request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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

NAME = "openai"

_EPOCH_S = 1_735_689_600
_WINDOW_TOKENS = 128_000


def read(document: Mapping[str, object], _header_names: frozenset[str]) -> Question | Reply:
    """Read a chat completion request, or complain about the first field that is missing or of the wrong type."""
    model, messages = document.get("model"), document.get("messages")
    if not isinstance(model, str) or not model:
        return _error(400, "you must provide a model parameter")
    if messages is None:
        return _error(
            400, "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if not isinstance(messages, list):
        return _error(
            400,
            "Invalid type for 'messages': expected an array of objects.",
            param="messages",
            code="invalid_type",
        )
    if not messages:
        return _error(
            400,
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    limit = document.get("max_completion_tokens", document.get("max_tokens"))
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        return _error(
            400, "Invalid 'max_tokens': expected a value >= 1.", param="max_tokens", code="integer_below_min_value"
        )
    options = document.get("stream_options")
    return Question(
        model=model,
        prompt=last_user_text(messages),
        input_characters=count_characters([messages, document.get("tools"), document.get("response_format")]),
        output_limit=limit,
        stop=_stop(document.get("stop")),
        stream=document.get("stream") is True,
        stream_usage=isinstance(options, dict) and options.get("include_usage") is True,
        digest=digest_of(document),
        wishes=_wishes(document),
    )


def _wishes(document: Mapping[str, object]) -> Wishes:
    """Read tools that must be called, a schema of the answer, and whether to think."""
    listed = document.get("tools")
    functions = [tool.get("function") for tool in listed if isinstance(tool, dict)] if isinstance(listed, list) else []
    tools = tuple(
        Tool(each["name"], each.get("parameters"))
        for each in functions
        if isinstance(each, dict) and isinstance(each.get("name"), str)
    )
    name = _named(document.get("tool_choice"))
    must = name is not None or document.get("tool_choice") == "required"
    return Wishes(
        calls=called(tools, must=must, name=name, parallel=document.get("parallel_tool_calls") is not False),
        output=_output(document.get("response_format")),
        thoughts=document.get("reasoning_effort") not in (None, "none"),
    )


def _named(choice: object) -> str | None:
    match choice:
        case {"type": "function", "function": {"name": str(name)}}:
            return name
        case _:
            return None


def _output(form: object) -> object:
    match form:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case _:
            return None


def unreadable() -> Reply:
    """Complain about a body that is not a JSON object."""
    return _error(
        400,
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP"
        " library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
    )


def failure(fault: Fault, question: Question, retry_after_s: float | None) -> Reply:
    """Give the error response for a fault that has one; any other fault gives the overloaded one."""
    hint = retry_after(retry_after_s)
    match fault:
        case Fault.RATE_LIMITED:
            seconds = 1.0 if retry_after_s is None else retry_after_s
            return _error(
                429,
                f"Rate limit reached for {question.model} in organization org-simulated on requests per min (RPM):"
                f" Limit 3, Used 3, Requested 1. Please try again in {seconds:g}s. Visit"
                " https://platform.openai.com/account/rate-limits to learn more.",
                kind="requests",
                code="rate_limit_exceeded",
                headers=retry_after(seconds),
            )
        case Fault.QUOTA:
            return _error(
                429,
                "You exceeded your current quota, please check your plan and billing details. For more information"
                " on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
                kind="insufficient_quota",
                code="insufficient_quota",
                headers=hint,
            )
        case Fault.SERVER_ERROR:
            message = "The server had an error while processing your request. Sorry about that!"
            return _error(500, message, kind="server_error", headers=hint)
        case Fault.AUTH:
            return _error(
                401,
                "Incorrect API key provided: simulated. You can find your API key at"
                " https://platform.openai.com/account/api-keys.",
                code="invalid_api_key",
                headers=hint,
            )
        case Fault.NOT_FOUND:
            message = f"The model `{question.model}` does not exist or you do not have access to it."
            return _error(404, message, code="model_not_found", headers=hint)
        case Fault.BAD_REQUEST:
            return _error(
                400,
                "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
                param="temperature",
                code="decimal_above_max_value",
                headers=hint,
            )
        case Fault.CONTEXT_LENGTH:
            tokens = max(_WINDOW_TOKENS + 1, estimate_tokens(question.input_characters))
            return _error(
                400,
                f"This model's maximum context length is {_WINDOW_TOKENS} tokens. However, your messages resulted in"
                f" {tokens} tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
                headers=hint,
            )
        case _:
            message = "The engine is currently overloaded, please try again later"
            return _error(503, message, kind="server_error", headers=hint)


def whole(question: Question, answer: Answer) -> Reply:
    """Give a chat.completion object."""
    message: dict[str, object] = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    if answer.thought:
        message["reasoning_content"] = answer.thought
    if answer.calls:
        message |= {"content": None, "tool_calls": [_call(call) for call in answer.calls]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(answer.finish)}
    document: dict[str, object] = {**_frame(question, "chat.completion"), "choices": [choice]}
    if answer.usage is not None:
        document["usage"] = _told(answer.usage, answer.telling)
    document |= {"service_tier": "default", "system_fingerprint": _fingerprint(question)}
    return Reply(200, (JSON_TYPE, *identity(question)), encode(document))


def stream_headers(question: Question) -> tuple[tuple[str, str], ...]:
    """Give the headers of a streamed answer."""
    return (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), *identity(question))


def opening(question: Question, answer: Answer) -> tuple[bytes, ...]:
    """Give the chunk that says the role, and the thoughts; of a split usage the first tells the part known by then.

    Thoughts are told as DeepSeek, vLLM and others do, for OpenAI tells none here. The split usage is as SGLang does: https://github.com/theopenco/llmgateway/pull/2861.
    """
    split = answer.usage is not None and answer.telling is Telling.SPLIT
    known = {"prompt_tokens_details": {"cached_tokens": 0}} if split else None
    role = _chunk(question, {"role": "assistant", "content": "", "refusal": None}, usage=known)
    return (role, *(_chunk(question, {"reasoning_content": text}) for text in pieces(answer.thought)))


def piece(question: Question, text: str, _place: int) -> bytes:
    """Give one chunk of content."""
    return _chunk(question, {"content": text})


def closing(question: Question, answer: Answer) -> tuple[bytes, ...]:
    """Give the calls, the chunk that says why it ended and, if it was asked for, the one with the usage.

    A split usage stands in the first of the two, where many servers have it, and the second one's counters are null:
    https://github.com/odysseus-dev/odysseus/pull/1703, https://github.com/openai/openai-agents-python/issues/1179.
    """
    reason = _finish_reason(answer.finish)
    calls = [_chunk(question, {"tool_calls": [delta]}) for delta in _call_deltas(answer.calls)]
    if not question.stream_usage or answer.usage is None:
        return (*calls, _chunk(question, {}, reason))
    told = _told(answer.usage, answer.telling)
    early, late = (told, dict.fromkeys(told)) if answer.telling is Telling.SPLIT else (None, told)
    last = _event({**_chunk_frame(question), "choices": [], "usage": late})
    return (*calls, _chunk(question, {}, reason, early), last)


def _call(call: Call) -> dict[str, object]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _call_deltas(calls: Sequence[Call]) -> Iterator[dict[str, object]]:
    """Give each call as a stream does: its name first, then its arguments a word at a time."""
    for place, call in enumerate(calls):
        yield {"index": place, **_call(replace(call, arguments=""))}
        for text in pieces(call.arguments):
            yield {"index": place, "function": {"arguments": text}}


def marker(_question: Question, _answer: Answer) -> bytes:
    """Give the last line of every stream."""
    return b"data: [DONE]\n\n"


def error_event() -> bytes:
    """Give the event that says the provider failed."""
    message = "The server had an error while processing your request. Sorry about that!"
    return _event({"error": {"message": message, "type": "server_error", "param": None, "code": None}})


def garbage_event() -> bytes:
    """Give an event whose data is not JSON."""
    return b'data: {"id":"chatcmpl-garbage","choices":[{"delta":{"conte\n\n'


def ping() -> bytes:
    """Give a comment, as servers in front of OpenAI's do."""
    return b": ping\n\n"


def models(names: Sequence[str]) -> Reply:
    """List models as GET /v1/models does."""
    listed = [{"id": name, "object": "model", "created": _EPOCH_S, "owned_by": "simulator"} for name in names]
    return Reply(200, (JSON_TYPE,), encode({"object": "list", "data": listed}))


def complaint(message: str, *, param: str | None = None, code: str | None = None) -> Reply:
    """Say what is wrong with a request."""
    return _error(400, message, param=param, code=code)


def created(question: Question) -> int:
    """Give when an answer began, in seconds."""
    return _EPOCH_S + int.from_bytes(question.digest[21:24])


def _error(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Reply:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Reply(status, (JSON_TYPE, *headers), encode({"error": error}))


def _stop(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str))


def _finish_reason(finish: Finish) -> str:
    match finish:
        case Finish.COMPLETE | Finish.STOP_SEQUENCE:
            return "stop"
        case Finish.LENGTH:
            return "length"
        case Finish.FILTERED:
            return "content_filter"
        case Finish.CALLED:
            return "tool_calls"
        case _:
            assert_never(finish)


def identity(question: Question) -> tuple[tuple[str, str], ...]:
    """Give the headers that name an answer."""
    return (("x-request-id", f"req_{question.digest[:16].hex()}"), ("openai-version", "2020-10-01"))


def _fingerprint(question: Question) -> str:
    return f"fp_{question.digest[16:21].hex()}"


def _frame(question: Question, kind: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{question.digest[:14].hex()}",
        "object": kind,
        "created": created(question),
        "model": question.model,
    }


def _chunk_frame(question: Question) -> dict[str, object]:
    frame = _frame(question, "chat.completion.chunk")
    return {**frame, "service_tier": "default", "system_fingerprint": _fingerprint(question)}


def _chunk(
    question: Question,
    delta: Mapping[str, object],
    finish_reason: str | None = None,
    usage: Mapping[str, object] | None = None,
) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    document: dict[str, object] = {**_chunk_frame(question), "choices": [choice]}
    if question.stream_usage:
        document["usage"] = usage
    return _event(document)


def _event(document: object) -> bytes:
    return b"data: " + encode(document) + b"\n\n"


def _told(usage: Usage, telling: Telling) -> dict[str, object]:
    """Give the usage object; a wrong one counts no output, and more cached tokens than there were in the prompt.

    Zeros beside text: https://github.com/bkataru/igllama/pull/82; cache reads that are no part of the prompt:
    https://github.com/langchain-ai/langsmith-sdk/issues/1858.
    """
    if telling is not Telling.WRONG:
        return _usage(usage)
    details = {"prompt_tokens_details": {"cached_tokens": usage.input_tokens * 3}, "completion_tokens_details": None}
    return _usage(usage) | {"completion_tokens": 0, **details}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
