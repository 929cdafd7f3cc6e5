"""A Chat as a chat completions request, and what of it the dialect has no words for.

Source: the API reference of `POST /v1/chat/completions`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from gateway.dialects.carry import CannotCarryError, Lost, lowered, short_id
from gateway.dialects.media import url_of
from gateway.domain.chat import Role
from gateway.domain.message import (
    Chat,
    Choosing,
    Declined,
    Document,
    Effort,
    Image,
    Inline,
    Message,
    Output,
    Part,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.domain.registry import Model

MOST_STOPS = 4
_FOREIGN = frozenset({"top_k"})
"""Settings that this dialect has no name for."""
_LEVELS = ((4096, "low"), (16384, "medium"))
"""Budgets of thinking below which a level is meant; any other is high."""
_encode = msgspec.json.encode


def body_of(chat: Chat, model: Model, lost: Lost) -> dict[str, Any]:
    """Give the body, without the edits of a rule, and name what it leaves out. Raises CannotCarryError."""
    messages: list[dict[str, Any]] = []
    if chat.system:
        messages.append({"role": "system", "content": "\n\n".join(_plain(part, lost) for part in chat.system)})
    for message in chat.messages:
        messages += _spoken(message, lost) if message.role is Role.ASSISTANT else _asked(message, lost)
    body: dict[str, Any] = {"model": model.upstream, "messages": messages}
    if chat.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if (limit := lowered(chat.max_tokens, model, lost)) is not None:
        body[limit_name(model)] = limit
    if chat.tools:
        body["tools"] = [_tool(tool, lost) for tool in chat.tools]
        body |= _choice(chat.tool_choice)
    if chat.user:
        body["user"] = chat.user
    return body | _format(chat.output) | _effort(chat.effort, model, lost) | _settings(chat, lost)


def _settings(chat: Chat, lost: Lost) -> dict[str, Any]:
    if len(chat.stop_sequences) > MOST_STOPS:
        lost.add("stop_sequences")
    for name in chat.settings.keys() & _FOREIGN:
        lost.add(name)
    settings = {name: value for name, value in chat.settings.items() if name not in _FOREIGN}
    return settings | ({"stop": list(chat.stop_sequences[:MOST_STOPS])} if chat.stop_sequences else {})


def limit_name(model: Model) -> str:
    """Give the name of the output limit: OpenAI's own models refuse the older one, many others know no other."""
    ours = model.known is not None and model.known.provider == "openai"
    return "max_completion_tokens" if ours or "max_tokens" in model.refuses else "max_tokens"


def _plain(part: Text, lost: Lost) -> str:
    if part.cache is not None:
        lost.add("cache_control")
    if part.citations:
        lost.add("citations")
    return part.text


def _spoken(message: Message, lost: Lost) -> Iterator[dict[str, Any]]:
    """Give what the assistant said; thoughts stay behind, for no other provider takes them."""
    texts = [_plain(part, lost) for part in message.parts if isinstance(part, Text)]
    texts += [part.text for part in message.parts if isinstance(part, Declined)]
    calls = [_call(part, lost) for part in message.parts if isinstance(part, ToolCall)]
    if any(isinstance(part, Thinking) for part in message.parts):
        lost.add("thinking")
    if not texts and not calls:
        return
    said: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    yield said | {"tool_calls": calls} if calls else said


def _call(call: ToolCall, lost: Lost) -> dict[str, Any]:
    if call.cache is not None:
        lost.add("cache_control")
    return {
        "id": short_id(call.id, call.id),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }


def _asked(message: Message, lost: Lost) -> Iterator[dict[str, Any]]:
    """Give what the user said: results of tools first, one message each, then all else.

    An image in a result follows in the user's message, for results are text here.
    """
    others: list[Part] = []
    for part in message.parts:
        if not isinstance(part, ToolResult):
            others.append(part)
            continue
        if part.failed:
            lost.add("is_error")
        if part.cache is not None:
            lost.add("cache_control")
        texts = [each for each in part.content if isinstance(each, Text)]
        others += [each for each in part.content if not isinstance(each, Text)]
        yield {"role": "tool", "tool_call_id": short_id(part.call_id, part.call_id), "content": _content(texts, lost)}
    if others:
        yield {"role": "user", "content": _content(others, lost)}


def _content(parts: Sequence[Part], lost: Lost) -> str | list[dict[str, Any]]:
    """Give a content: a string for one text, else a list of parts."""
    written = list(_written(parts, lost))
    if not written:
        return ""
    return written[0]["text"] if len(written) == 1 and "text" in written[0] else written


def _written(parts: Iterable[Part], lost: Lost) -> Iterator[dict[str, Any]]:
    for part in parts:
        match part:
            case Text():
                yield {"type": "text", "text": _plain(part, lost)}
            case Image():
                if part.cache is not None:
                    lost.add("cache_control")
                detail = {"detail": part.detail} if part.detail else {}
                yield {"type": "image_url", "image_url": {"url": url_of(part.source), **detail}}
            case Document():
                yield _document(part, lost)
            case _:
                raise CannotCarryError("messages.content", f"has a {type(part).__name__.lower()} where none may be")


def _document(document: Document, lost: Lost) -> dict[str, Any]:
    if document.cache is not None:
        lost.add("cache_control")
    if document.source is None:
        if document.title:
            lost.add("title")
        return {"type": "text", "text": document.text}
    if not isinstance(document.source, Inline):
        raise CannotCarryError("messages.content.source.url", "is a document by its address, which is not carried over")
    name = document.title or "document.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": url_of(document.source)}}


def _tool(tool: Tool, lost: Lost) -> dict[str, Any]:
    if tool.cache is not None:
        lost.add("cache_control")
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    fields: dict[str, Any] = {}
    if choice.choosing is Choosing.NAMED:
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.choosing is not Choosing.AUTO or choice.parallel is None:
        fields["tool_choice"] = choice.choosing.value
    if choice.parallel is not None:
        fields["parallel_tool_calls"] = choice.parallel
    return fields


def _format(output: Output | None) -> dict[str, Any]:
    if output is None:
        return {}
    if output.schema is None:
        return {"response_format": {"type": "json_object"}}
    about: dict[str, Any] = {"name": output.name or "output", "schema": output.schema}
    if output.description:
        about["description"] = output.description
    if output.strict and all_required(output.schema):
        about["strict"] = True
    return {"response_format": {"type": "json_schema", "json_schema": about}}


def all_required(schema: Any) -> bool:  # noqa: ANN401 - a JSON Schema
    """Say whether OpenAI enforces a schema: each object in it is closed and requires all of its members."""
    left = [schema]  # and no recursion: a schema may be nested as deeply as a body
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if not _closed(part):
                return False
            left += part.values()
        elif isinstance(part, list):
            left += part
    return True


def _closed(schema: dict[str, Any]) -> bool:
    if schema.get("type") != "object" and "properties" not in schema:
        return True
    names, required = schema.get("properties"), schema.get("required")
    if schema.get("additionalProperties") is not False or not isinstance(names, dict) or not isinstance(required, list):
        return False
    return sorted(names) == sorted(each for each in required if isinstance(each, str))


def _effort(effort: Effort | None, model: Model, lost: Lost) -> dict[str, Any]:
    """Say how much to think to a model that is known to think: others answer the parameter with an error."""
    if effort is None:
        return {}
    if not model.thinks:
        if effort.level != "none":
            lost.add("effort")
        return {}
    level = "high" if effort.level in ("xhigh", "max") else effort.level
    if not level and effort.budget_tokens is not None:
        level = next((word for budget, word in _LEVELS if effort.budget_tokens < budget), "high")
    return {"reasoning_effort": level} if level else {}
