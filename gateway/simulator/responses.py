"""The other endpoint of the OpenAI side: responses as api.openai.com sends them, event by event.

Shapes: the API reference of `POST /v1/responses`; errors are those of the chat completions.
Pure: no input or output, no clock. Ids and `created_at` follow from the request.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.simulator import openai
from gateway.simulator.faults import Fault
from gateway.simulator.wire import JSON_TYPE, Reply, encode
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
    last_user_text,
    pieces,
)

NAME = "responses"

_EVENTS_BEFORE_ITEMS = 2
_EVENTS_BEFORE_CONTENT = 4
_LEAST_OUTPUT_TOKENS = 16


def read(document: Mapping[str, object], _header_names: frozenset[str]) -> Question | Reply:
    """Read a request, or complain about the first field that is missing or of the wrong type."""
    model, asked = document.get("model"), document.get("input")
    if not isinstance(model, str) or not model:
        return openai.complaint(
            "Missing required parameter: 'model'.", param="model", code="missing_required_parameter"
        )
    if asked is None:
        return openai.complaint(
            "Missing required parameter: 'input'.", param="input", code="missing_required_parameter"
        )
    if not isinstance(asked, str | list):
        return openai.complaint(
            "Invalid type for 'input': expected a string or an array.", param="input", code="invalid_type"
        )
    limit = document.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < _LEAST_OUTPUT_TOKENS):
        return openai.complaint(
            f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {_LEAST_OUTPUT_TOKENS}.",
            param="max_output_tokens",
            code="integer_below_min_value",
        )
    if (place := _unknown(asked)) is not None:
        return openai.complaint(
            "The encrypted content of item could not be verified.",
            param=f"input[{place}]",
            code="invalid_encrypted_content",
        )
    return Question(
        model=model,
        prompt=asked if isinstance(asked, str) else last_user_text(asked),
        input_characters=count_characters([asked, *(document.get(name) for name in ("instructions", "tools", "text"))]),
        output_limit=limit,
        stop=(),
        stream=document.get("stream") is True,
        stream_usage=True,
        digest=digest_of(document),
        wishes=_wishes(document),
    )


def _wishes(document: Mapping[str, object]) -> Wishes:
    """Read tools that must be called and a schema of the answer; thoughts are shown to nobody here."""
    listed = document.get("tools")
    tools = tuple(
        Tool(each["name"], each.get("parameters"))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and each.get("type") == "function" and isinstance(each.get("name"), str)
    )
    choice = document.get("tool_choice")
    name = _named(choice)
    parallel = document.get("parallel_tool_calls") is not False
    return Wishes(
        calls=called(tools, must=name is not None or choice == "required", name=name, parallel=parallel),
        output=_output(document.get("text")),
    )


def _named(choice: object) -> str | None:
    match choice:
        case {"type": "function", "name": str(name)}:
            return name
        case _:
            return None


def _output(text: object) -> object:
    match text:
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return schema
        case _:
            return None


def _unknown(asked: object) -> int | None:
    """Give the place of the first thought that this provider did not seal itself."""
    items = asked if isinstance(asked, list) else []
    thoughts = ((place, item) for place, item in enumerate(items) if isinstance(item, dict))
    return next((place for place, item in thoughts if item.get("type") == "reasoning"), None)


def unreadable() -> Reply:
    """Complain about a body that is not a JSON object."""
    return openai.unreadable()


def failure(fault: Fault, question: Question, retry_after_s: float | None) -> Reply:
    """Give the error response for a fault that has one; any other fault gives the overloaded one."""
    return openai.failure(fault, question, retry_after_s)


def whole(question: Question, answer: Answer) -> Reply:
    """Give a response object."""
    return Reply(200, (JSON_TYPE, *openai.identity(question)), encode(_ended(question, answer)))


def stream_headers(question: Question) -> tuple[tuple[str, str], ...]:
    """Give the headers of a streamed answer."""
    return openai.stream_headers(question)


def opening(question: Question, answer: Answer) -> tuple[bytes, ...]:
    """Give the events before the text; of a split usage the first ones tell the part that is known by then."""
    split = answer.usage is not None and answer.telling is Telling.SPLIT
    known = {**_usage(answer.usage), "output_tokens": None} if split and answer.usage else None
    begun = {**_frame(question), "usage": known}
    return (
        _event(0, "response.created", response=begun),
        _event(1, "response.in_progress", response=begun),
        *(() if answer.calls else _beginning_of_text(question)),
    )


def _beginning_of_text(question: Question) -> tuple[bytes, ...]:
    item = _message(question, "in_progress", [])
    return (
        _event(_EVENTS_BEFORE_ITEMS, "response.output_item.added", output_index=0, item=item),
        _event(_EVENTS_BEFORE_ITEMS + 1, "response.content_part.added", **_place(question), part=_text("")),
    )


def piece(question: Question, text: str, place: int) -> bytes:
    """Give one event of text."""
    number = _EVENTS_BEFORE_CONTENT + place
    return _event(number, "response.output_text.delta", **_place(question), delta=text, logprobs=[])


def closing(question: Question, answer: Answer) -> tuple[bytes, ...]:
    """Give the events of the calls, or else those after the text; all but the last."""
    if answer.calls:
        told = enumerate(_of_calls(answer.calls), _EVENTS_BEFORE_ITEMS)
        return tuple(_event(number, kind, **fields) for number, (kind, fields) in told)
    first, part = _EVENTS_BEFORE_CONTENT + len(pieces(answer.text)), _text(answer.text)
    item = _message(question, _status(answer), [part])
    return (
        _event(first, "response.output_text.done", **_place(question), text=answer.text, logprobs=[]),
        _event(first + 1, "response.content_part.done", **_place(question), part=part),
        _event(first + 2, "response.output_item.done", output_index=0, item=item),
    )


def marker(question: Question, answer: Answer) -> bytes:
    """Give the last event of every stream, which tells the usage."""
    response = _ended(question, answer)
    if answer.telling is Telling.SPLIT and answer.usage is not None:
        response["usage"] = dict.fromkeys(_usage(answer.usage)) | {"output_tokens": answer.usage.output_tokens}
    before = opening(question, answer), pieces(answer.text), closing(question, answer)
    return _event(sum(map(len, before)), f"response.{_status(answer)}", response=response)


def _of_calls(calls: Sequence[Call]) -> Iterator[tuple[str, dict[str, object]]]:
    """Give the kind and the fields of each event of each call: its name first, then its arguments a word at a time."""
    for index, call in enumerate(calls):
        place: dict[str, object] = {"item_id": _call_id(call), "output_index": index}
        begun = {**_call(call), "arguments": "", "status": "in_progress"}
        yield "response.output_item.added", {"output_index": index, "item": begun}
        for text in pieces(call.arguments):
            yield "response.function_call_arguments.delta", {**place, "delta": text}
        ended = {"name": call.name, "arguments": call.arguments}
        yield "response.function_call_arguments.done", {**place, **ended}
        yield "response.output_item.done", {"output_index": index, "item": _call(call)}


def error_event() -> bytes:
    """Give the event that says the provider failed."""
    message = "The server had an error while processing your request. Sorry about that!"
    return _event(_EVENTS_BEFORE_CONTENT, "error", code="server_error", message=message, param=None)


def garbage_event() -> bytes:
    """Give an event whose data is not JSON."""
    return b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delt\n\n'


def ping() -> bytes:
    """Give a comment."""
    return openai.ping()


def models(names: Sequence[str]) -> Reply:
    """List models as GET /v1/models does."""
    return openai.models(names)


def _event(number: int, kind: str, **fields: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), encode({"type": kind, **fields, "sequence_number": number}))


def _place(question: Question) -> dict[str, object]:
    return {"item_id": _item_id(question), "output_index": 0, "content_index": 0}


def _item_id(question: Question) -> str:
    return f"msg_{question.digest[:25].hex()}"


def _text(text: str) -> dict[str, object]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _message(question: Question, status: str, content: list[dict[str, object]]) -> dict[str, object]:
    return {
        "id": _item_id(question),
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    }


def _call(call: Call) -> dict[str, object]:
    said = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
    return {"id": _call_id(call), "type": "function_call", "status": "completed", **said}


def _call_id(call: Call) -> str:
    return call.id.replace("call_", "fc_", 1)


def _status(answer: Answer) -> str:
    return "incomplete" if answer.finish in (Finish.LENGTH, Finish.FILTERED) else "completed"


def _ended(question: Question, answer: Answer) -> dict[str, object]:
    reason = {Finish.LENGTH: "max_output_tokens", Finish.FILTERED: "content_filter"}.get(answer.finish)
    status = _status(answer)
    return {
        **_frame(question),
        "status": status,
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": [_call(call) for call in answer.calls] or [_message(question, status, [_text(answer.text)])],
        "service_tier": "default",
        "usage": None if answer.usage is None else _told(answer.usage, answer.telling),
    }


def _frame(question: Question) -> dict[str, object]:
    return {
        "id": f"resp_{question.digest[:25].hex()}",
        "object": "response",
        "created_at": openai.created(question),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": question.output_limit,
        "model": question.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "auto",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def _told(usage: Usage, telling: Telling) -> dict[str, object]:
    """Give the usage object; a wrong one counts no output, and more cached tokens than there were in the input."""
    if telling is not Telling.WRONG:
        return _usage(usage)
    details = {"cached_tokens": usage.input_tokens * 3, "cache_write_tokens": 0}
    return _usage(usage) | {"output_tokens": 0, "input_tokens_details": details}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
