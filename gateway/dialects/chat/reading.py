"""A chat completions request as a Chat: what it says, in no dialect.

Source: the API reference of `POST /v1/chat/completions`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects import carry, media
from gateway.dialects.carry import CannotCarryError, Lost
from gateway.dialects.fields import dict_of, text_of
from gateway.domain.chat import Role
from gateway.domain.message import (
    LEVELS,
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
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

LIMITS = ("max_completion_tokens", "max_tokens")
"""The names of the output limit; a body has one of them: the second is the older, which newer models refuse."""
_RANGES = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "logit_bias": ({},),
    "service_tier": ("auto", "default"),
}
"""Values of settings that ask for nothing that is not so anyway."""
_SETTINGS = (
    *_RANGES,
    *("n", "seed", "logit_bias", "logprobs", "top_logprobs", "verbosity", "prompt_cache_key", "service_tier", "top_k"),
)
_KNOWN = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "stop", "user", "tools", "tool_choice", "reasoning_effort"),
        *("response_format", "parallel_tool_calls", "functions", "function_call", "modalities", "audio"),
        *LIMITS,
        *_SETTINGS,
    }
)
_SPOKEN = {"role", "content", "tool_calls", "refusal", "tool_call_id"}


def chat_of(fields: Mapping[str, Any]) -> Chat:
    """Read a request. Raises CannotCarryError."""
    lost = Lost()
    lost.unknown(fields, _KNOWN)
    _only_text(fields)
    system: list[Text] = []
    messages: list[Message] = []
    for position, message in enumerate(carry.objects(fields["messages"], "messages")):
        where = f"messages[{position}]"
        lost.unknown(message, _SPOKEN if message.get("role") != "tool" else {*_SPOKEN, "name"}, "messages.")
        match message.get("role"):
            case "system" | "developer":
                system += [part for part in _parts(message, where, lost) if isinstance(part, Text)]
            case "user":
                messages.append(Message(Role.USER, tuple(_parts(message, where, lost))))
            case "assistant":
                messages.append(Message(Role.ASSISTANT, tuple(_said(message, where, lost))))
            case "tool":
                messages.append(Message(Role.USER, (_result(message, where, lost),)))
            case _:
                raise CannotCarryError(f"{where}.role", "must be system, developer, user, assistant or tool")
    tools = tuple(_tools(fields, lost))
    return Chat(
        system=tuple(system),
        messages=carry.merged(messages),
        stream=fields.get("stream") is True,
        max_tokens=next((most for name in LIMITS if (most := carry.whole_number(fields, name)) is not None), None),
        stop_sequences=carry.texts(fields, "stop"),
        tools=tools,
        tool_choice=_choice(fields) if tools else None,
        output=_output(fields),
        effort=_effort(fields),
        user=text_of(fields.get("user")),
        settings=_settings(fields),
        lost=lost.names,
    )


def _only_text(fields: Mapping[str, Any]) -> None:
    """Raise CannotCarryError for what asks for sound, or for tools in the form that tools had before 2024."""
    if fields.get("audio") or fields.get("modalities") not in (None, [], ["text"]):
        raise CannotCarryError("modalities")
    for name in ("functions", "function_call"):
        if fields.get(name):
            raise CannotCarryError(name, "is the older form of 'tools': use 'tools' and 'tool_choice'")


def _settings(fields: Mapping[str, Any]) -> dict[str, Any]:
    for name, (least, most) in _RANGES.items():
        carry.number(fields, name, least, most)
    given = {name: fields[name] for name in _SETTINGS if fields.get(name) is not None}
    return {name: value for name, value in given.items() if value not in _NEUTRAL.get(name, ())}


def _parts(message: Mapping[str, Any], where: str, lost: Lost) -> Iterator[Part]:
    """Give the parts of a message's content, which is a text or a list; empty texts are left out."""
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for position, part in enumerate(carry.objects(content or [], f"{where}.content")):
        read = _part(part, f"{where}.content[{position}]", lost)
        if not isinstance(read, Text | Declined) or read.text.strip():
            yield read


def _part(part: Mapping[str, Any], where: str, lost: Lost) -> Part:
    cache = part.get("cache_control")
    match part.get("type"):
        case "text":
            lost.unknown(part, ("type", "text", "cache_control"), "messages.content.")
            return Text(carry.text(part.get("text"), f"{where}.text"), cache)
        case "refusal":
            return Declined(carry.text(part.get("refusal"), f"{where}.refusal"))
        case "image_url":
            image = dict_of(part.get("image_url"))
            place = f"{where}.image_url.url"
            source = media.source_of(carry.text(image.get("url"), place), place)
            return Image(media.checked_image(source, place), _detail(image), cache)
        case "file":
            return _document(dict_of(part.get("file")), f"{where}.file", cache)
        case kind:
            raise CannotCarryError(where, f"is of type {str(kind)[:60]!r}, which cannot be carried over")


def _detail(image: Mapping[str, Any]) -> str:
    detail = text_of(image.get("detail"))
    return "" if detail == "auto" else detail


def _document(file: Mapping[str, Any], where: str, cache: Any) -> Document:  # noqa: ANN401 - a marker as it came
    if file.get("file_id"):
        raise CannotCarryError(f"{where}.file_id", "names a file that another provider does not have")
    source = media.source_of(carry.text(file.get("file_data"), f"{where}.file_data"), f"{where}.file_data")
    if isinstance(source, Inline) and source.media_type != "application/pdf":
        raise CannotCarryError(
            f"{where}.file_data", f"is {source.media_type[:60]}; only application/pdf is carried over"
        )
    return Document(source, title=text_of(file.get("filename")), cache=cache)


def _said(message: Mapping[str, Any], where: str, lost: Lost) -> Iterator[Part]:
    """Give what an assistant said: its text, and the tools it asked for."""
    yield from _parts(message, where, lost)
    if refusal := text_of(message.get("refusal")):
        yield Declined(refusal)
    for position, call in enumerate(carry.objects(message.get("tool_calls") or [], f"{where}.tool_calls")):
        place = f"{where}.tool_calls[{position}]"
        if call.get("type", "function") != "function":
            raise CannotCarryError(place, "is not the call of a function, and cannot be carried over")
        function = dict_of(call.get("function"))
        arguments = carry.text(function.get("arguments") or "", f"{place}.function.arguments")
        name = carry.text(function.get("name"), f"{place}.function.name")
        yield ToolCall(carry.text(call.get("id"), f"{place}.id"), name, arguments)


def _result(message: Mapping[str, Any], where: str, lost: Lost) -> ToolResult:
    parts = _parts(message, where, lost)
    content = tuple(part for part in parts if isinstance(part, Text | Image | Document))
    return ToolResult(carry.text(message.get("tool_call_id"), f"{where}.tool_call_id"), content)


def _tools(fields: Mapping[str, Any], lost: Lost) -> Iterator[Tool]:
    for position, tool in enumerate(carry.objects(fields.get("tools") or [], "tools")):
        if tool.get("type") != "function":
            raise CannotCarryError(f"tools[{position}].type", "is not 'function': such a tool cannot be carried over")
        lost.unknown(tool, ("type", "function", "cache_control"), "tools.")
        function = dict_of(tool.get("function"))
        yield Tool(
            name=carry.text(function.get("name"), f"tools[{position}].function.name"),
            description=text_of(function.get("description")),
            schema=function.get("parameters"),
            strict=function.get("strict") is True,
            cache=tool.get("cache_control"),
        )


def _choice(fields: Mapping[str, Any]) -> ToolChoice | None:
    parallel = fields.get("parallel_tool_calls")
    parallel = parallel if isinstance(parallel, bool) else None
    match fields.get("tool_choice"):
        case None:
            return None if parallel is None else ToolChoice(parallel=parallel)
        case "auto" | "required" | "none" as word:
            return ToolChoice(Choosing(word), parallel=parallel)
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice(Choosing.NAMED, name, parallel)
        case {"type": "allowed_tools" | "custom"}:
            raise CannotCarryError("tool_choice")
        case _:
            raise CannotCarryError("tool_choice", "must be auto, none, required or a function by name")


def _output(fields: Mapping[str, Any]) -> Output | None:
    form = fields.get("response_format")
    match form:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return Output(None)
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)} as about}:
            name, description = text_of(about.get("name")), text_of(about.get("description"))
            return Output(schema, name, description, strict=about.get("strict") is True)
        case _:
            raise CannotCarryError("response_format", "must be of type text, json_object or json_schema with a schema")


def _effort(fields: Mapping[str, Any]) -> Effort | None:
    level = fields.get("reasoning_effort")
    if level is None:
        return None
    if level not in LEVELS:
        raise CannotCarryError("reasoning_effort", f"must be one of {', '.join(LEVELS)}")
    return Effort(level)
