"""Whole answers of the chat completions dialect: chat.completion objects, read and written.

Source: the API reference of `POST /v1/chat/completions`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.dialects.chat.stream import FINISH, annotation, call_id, stop_of, usage_object, worded
from gateway.dialects.fields import dict_of, list_of, text_of
from gateway.domain.chat import Stop
from gateway.domain.message import Citation, Declined, Part, Reply, Text, Thinking, ToolCall
from gateway.domain.usage import Usage


def reply_of(answer: Mapping[str, Any]) -> Reply:
    """Read a chat.completion object: its first choice, for no other dialect has several."""
    choice = next(map(dict_of, list_of(answer.get("choices"))), {})
    parts = tuple(_parts(dict_of(choice.get("message")), text_of(answer.get("id"))))
    stop = stop_of(choice.get("finish_reason"))
    if any(isinstance(part, Declined) for part in parts):
        stop = Stop.REFUSAL
    elif stop is Stop.END and any(isinstance(part, ToolCall) for part in parts):
        stop = Stop.TOOL_USE  # some servers end with `stop` whatever the model asked for
    return Reply(
        id=text_of(answer.get("id")),
        model=text_of(answer.get("model")),
        parts=parts,
        stop=stop,
        logprobs=choice.get("logprobs"),
    )


def _parts(message: Mapping[str, Any], answer_id: str) -> Iterator[Part]:
    thought, text = worded(message)
    if thought:
        yield Thinking(thought)
    if text:
        yield Text(text, citations=tuple(_citations(message)))
    if refusal := text_of(message.get("refusal")):
        yield Declined(refusal)
    for place, call in enumerate(map(dict_of, list_of(message.get("tool_calls")))):
        function = dict_of(call.get("function"))
        given = text_of(call.get("id")) or call_id(answer_id, place)
        yield ToolCall(given, text_of(function.get("name")), text_of(function.get("arguments")))


def _citations(message: Mapping[str, Any]) -> Iterator[Citation]:
    for each in map(dict_of, list_of(message.get("annotations"))):
        page = dict_of(each.get("url_citation"))
        if url := text_of(page.get("url")):
            yield Citation(url, text_of(page.get("title")))


def completion_of(reply: Reply, used: Usage | None, created: int) -> dict[str, Any]:
    """Give a chat.completion object; `created` is in seconds."""
    choice = {
        "index": 0,
        "message": _message(reply.parts),
        "logprobs": reply.logprobs,
        "finish_reason": FINISH[reply.stop],
    }
    body: dict[str, Any] = {
        "id": reply.id,
        "object": "chat.completion",
        "created": created,
        "model": reply.model,
        "choices": [choice],
    }
    return body if used is None else body | {"usage": usage_object(used)}


def _message(parts: Iterable[Part]) -> dict[str, Any]:
    texts, thoughts, declined, calls, annotations = [], [], [], [], []
    start = 0
    for part in parts:
        match part:
            case Text():
                end = start + len(part.text)
                annotations += [annotation(citation, start, end) for citation in part.citations]
                texts.append(part.text)
                start = end
            case Thinking() if part.text:
                thoughts.append(part.text)
            case Declined():
                declined.append(part.text)
            case ToolCall():
                function = {"name": part.name, "arguments": part.arguments or "{}"}
                calls.append({"id": part.id, "type": "function", "function": function})
            case _:
                pass
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) or None,
        "refusal": "".join(declined) or None,
    }
    others = {"reasoning_content": "\n\n".join(thoughts), "annotations": annotations, "tool_calls": calls}
    return message | {name: value for name, value in others.items() if value}
