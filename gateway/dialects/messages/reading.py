"""A messages request as a Chat: what it says, in no dialect.

Source: the API reference of `POST /v1/messages`, versions 2023-06-01 and 2026-10-21.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Any

import msgspec

from gateway.dialects import carry, media
from gateway.dialects.carry import CannotCarryError, Lost
from gateway.dialects.fields import count_of, dict_of, text_of
from gateway.domain.chat import Role
from gateway.domain.message import (
    LEVELS,
    Chat,
    Choosing,
    Document,
    Effort,
    Image,
    Inline,
    Link,
    Message,
    Output,
    Part,
    Source,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

LIMITS = ("max_tokens",)
"""The name of the output limit."""
_RANGES = {"temperature": (0, 1), "top_p": (0, 1)}
_KNOWN = frozenset(
    {
        *("model", "messages", "system", "stream", "max_tokens", "stop_sequences", "tools", "tool_choice", "thinking"),
        *("output_config", "output_format", "metadata", "service_tier", "temperature", "top_p", "top_k"),
    }
)
_CHOICES = {"auto": Choosing.AUTO, "any": Choosing.REQUIRED, "none": Choosing.NONE, "tool": Choosing.NAMED}
_TEXT, _TOOL = ("type", "text", "cache_control", "citations"), ("type", "name", "description", "input_schema")
_WITHIN_RESULTS = ("text", "image", "document")
_encode = msgspec.json.encode


def chat_of(fields: Mapping[str, Any]) -> Chat:
    """Read a request. Raises CannotCarryError."""
    lost = Lost()
    lost.unknown(fields, _KNOWN)
    system = list(_parts(fields.get("system"), "system", lost, ("text",)))
    messages: list[Message] = []
    for position, message in enumerate(carry.objects(fields["messages"], "messages")):
        where = f"messages[{position}]"
        match message.get("role"):
            case "user" | "assistant" as role:
                messages.append(Message(Role(role), tuple(_parts(message.get("content"), f"{where}.content", lost))))
            case "system":
                system += _parts(message.get("content"), f"{where}.content", lost, ("text",))
            case _:
                raise CannotCarryError(f"{where}.role", "must be user, assistant or system")
    if messages and messages[-1].role is Role.ASSISTANT:
        # here the model goes on with these words, and any other answers them
        raise CannotCarryError("messages", "must end with a message of the user: other providers go on with no text")
    tools = tuple(_tools(fields, lost))
    return Chat(
        system=tuple(part for part in system if isinstance(part, Text)),
        messages=carry.merged(messages),
        stream=fields.get("stream") is True,
        max_tokens=carry.whole_number(fields, "max_tokens"),
        stop_sequences=carry.texts(fields, "stop_sequences"),
        tools=tools,
        tool_choice=_choice(fields) if tools else None,
        output=_output(fields),
        effort=_effort(fields, lost),
        user=text_of(dict_of(fields.get("metadata")).get("user_id")),
        settings=_settings(fields, lost),
        lost=lost.names,
    )


def _settings(fields: Mapping[str, Any], lost: Lost) -> dict[str, Any]:
    lost.unknown(dict_of(fields.get("metadata")), ("user_id",), "metadata.")
    if fields.get("service_tier") not in (None, "auto"):
        lost.add("service_tier")
    ranged = {name: carry.number(fields, name, *limits) for name, limits in _RANGES.items()}
    return {
        name: value
        for name, value in {**ranged, "top_k": carry.whole_number(fields, "top_k")}.items()
        if value is not None
    }


def _parts(content: Any, where: str, lost: Lost, kinds: Container[Any] | None = None) -> Iterator[Part]:  # noqa: ANN401 - decoded JSON
    """Give the parts of a content, which is a text or a list of blocks of these `kinds`; empty texts are left out."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for position, block in enumerate(carry.objects(content or [], where)):
        if kinds is not None and block.get("type") not in kinds:
            raise CannotCarryError(f"{where}[{position}]", "is of a type that cannot be carried over at this place")
        part = _part(block, f"{where}[{position}]", lost)
        if not isinstance(part, Text) or part.text.strip():
            yield part


def _part(block: Mapping[str, Any], where: str, lost: Lost) -> Part:
    cache = block.get("cache_control")
    match block.get("type"):
        case "text":
            lost.unknown(block, _TEXT, "messages.content.")
            if block.get("citations"):
                lost.add("citations")
            return Text(carry.text(block.get("text"), f"{where}.text"), cache)
        case "image":
            return Image(media.checked_image(_source(block, where), f"{where}.source"), cache=cache)
        case "document":
            return _document(block, where, lost)
        case "thinking":
            return Thinking(text_of(block.get("thinking")), text_of(block.get("signature")))
        case "redacted_thinking":
            return Thinking("", redacted=text_of(block.get("data")))
        case "tool_use":
            arguments = _encode(block.get("input") or {}).decode()
            name = carry.text(block.get("name"), f"{where}.name")
            return ToolCall(carry.text(block.get("id"), f"{where}.id"), name, arguments, cache)
        case "tool_result":
            inner = _parts(block.get("content"), f"{where}.content", lost, _WITHIN_RESULTS)
            content = tuple(part for part in inner if isinstance(part, Text | Image | Document))
            call_id = carry.text(block.get("tool_use_id"), f"{where}.tool_use_id")
            return ToolResult(call_id, content, block.get("is_error") is True, cache)
        case kind:
            raise CannotCarryError(where, f"is of type {str(kind)[:60]!r}, which cannot be carried over")


def _source(block: Mapping[str, Any], where: str) -> Source:
    match block.get("source"):
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            return Inline(media_type.lower(), data)
        case {"type": "url", "url": str(url)}:
            return Link(url)
        case _:
            raise CannotCarryError(f"{where}.source", "cannot be carried over: it must be of type base64 or url")


def _document(block: Mapping[str, Any], where: str, lost: Lost) -> Document:
    lost.unknown(block, ("type", "source", "title", "cache_control"), "messages.content.")
    title, cache = text_of(block.get("title")), block.get("cache_control")
    match block.get("source"):
        case {"type": "text", "data": str(text)}:
            return Document(None, text, title, cache)
        case {"type": "content", "content": content}:
            parts = _parts(content, f"{where}.source.content", lost, ("text",))
            return Document(None, "\n".join(part.text for part in parts if isinstance(part, Text)), title, cache)
        case _:
            return Document(_source(block, where), "", title, cache)


def _tools(fields: Mapping[str, Any], lost: Lost) -> Iterator[Tool]:
    for position, tool in enumerate(carry.objects(fields.get("tools") or [], "tools")):
        if tool.get("type") not in (None, "custom"):
            raise CannotCarryError(f"tools[{position}].type", "is a tool of the provider, which others do not have")
        lost.unknown(tool, (*_TOOL, "cache_control", "strict"), "tools.")
        yield Tool(
            name=carry.text(tool.get("name"), f"tools[{position}].name"),
            description=text_of(tool.get("description")),
            schema=tool.get("input_schema"),
            strict=tool.get("strict") is True,
            cache=tool.get("cache_control"),
        )


def _choice(fields: Mapping[str, Any]) -> ToolChoice | None:
    choice = fields.get("tool_choice")
    if choice is None:
        return None
    choosing = _CHOICES.get(text_of(dict_of(choice).get("type")))
    if choosing is None or (choosing is Choosing.NAMED and not text_of(choice.get("name"))):
        raise CannotCarryError("tool_choice", "must be of type auto, any, none or tool with a name")
    parallel = False if choice.get("disable_parallel_tool_use") is True else None
    return ToolChoice(choosing, text_of(choice.get("name")), parallel)


def _output(fields: Mapping[str, Any]) -> Output | None:
    form = dict_of(fields.get("output_config")).get("format") or fields.get("output_format")
    match form:
        case None:
            return None
        case {"type": "json_schema", "schema": dict(schema)}:
            return Output(schema)
        case _:
            raise CannotCarryError("output_config.format", "must be of type json_schema, with a schema")


def _effort(fields: Mapping[str, Any], lost: Lost) -> Effort | None:
    """Read how much to think: a level stands beside the switch, and a budget within it."""
    config = dict_of(fields.get("output_config"))
    lost.unknown(config, ("format", "effort"), "output_config.")
    level = text_of(config.get("effort"))
    level = level if level in LEVELS else ""
    thinking = dict_of(fields.get("thinking"))
    match thinking.get("type"):
        case "enabled":
            return Effort(level, count_of(thinking.get("budget_tokens")))
        case "adaptive":
            return Effort(level)
        case None if level:
            return Effort(level)
        case None | "disabled":
            return None
        case _:
            lost.add("thinking")
            return None
