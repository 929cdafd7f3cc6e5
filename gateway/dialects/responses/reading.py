"""A responses request as a Chat: what it says, in no dialect.

Source: the API reference of `POST /v1/responses`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects import carry, media
from gateway.dialects.carry import CannotCarryError, Lost
from gateway.dialects.fields import dict_of, text_of
from gateway.dialects.responses.sealing import thought_of
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

LIMITS = ("max_output_tokens",)
"""The name of the output limit."""
LOGPROBS = "message.output_text.logprobs"
"""What `include` holds where the logprobs of the text are wanted."""
_ANYWAY = frozenset({LOGPROBS, "reasoning.encrypted_content"})
"""What `include` may hold without a loss: sealed thoughts are in every answer that has some."""
_RANGES = {"temperature": (0, 2), "top_p": (0, 1)}
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {"service_tier": ("auto", "default"), "top_logprobs": (0,)}
"""Values of settings that ask for nothing that is not so anyway."""
_SETTINGS = (*_RANGES, "top_logprobs", "prompt_cache_key", "service_tier")
_KNOWN = frozenset(
    {
        *("model", "input", "instructions", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls"),
        *("text", "reasoning", "include", "metadata", "user", "safety_identifier", "truncation", "store"),
        *LIMITS,
        *_SETTINGS,
    }
)
_ABOUT = ("id", "status", "type")
"""What items hold beside what they say."""


def chat_of(fields: Mapping[str, Any]) -> Chat:
    """Read a request. Raises CannotCarryError."""
    lost = Lost()
    lost.unknown(fields, _KNOWN)
    lost.unknown(dict_of(fields.get("stream_options")), (), "stream_options.")
    if fields.get("truncation") == "auto":
        lost.add("truncation")
    system: list[Text] = []
    if instructions := fields.get("instructions"):
        system.append(Text(carry.text(instructions, "instructions")))
    messages: list[Message] = []
    asked = fields.get("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else carry.objects(asked, "input")
    for position, item in enumerate(items):
        _read(item, f"input[{position}]", system, messages, lost)
    tools = tuple(_tools(fields, lost))
    return Chat(
        system=tuple(part for part in system if part.text.strip()),
        messages=carry.merged(messages),
        stream=fields.get("stream") is True,
        max_tokens=carry.whole_number(fields, "max_output_tokens"),
        tools=tools,
        tool_choice=_choice(fields) if tools else None,
        output=_output(fields),
        effort=_effort(fields, lost),
        user=_user(fields, lost),
        settings=_settings(fields, lost),
        lost=lost.names,
    )


def _read(item: Mapping[str, Any], where: str, system: list[Text], messages: list[Message], lost: Lost) -> None:
    """Read one item of the input into what it belongs to."""
    match item.get("type"), item.get("role"):
        case None | "message", role:
            lost.unknown(item, (*_ABOUT, "role", "content", "phase"), "input.")
            parts = tuple(_parts(item.get("content"), f"{where}.content", lost))
            if role in ("system", "developer"):
                system += [part for part in parts if isinstance(part, Text)]
            elif role in ("user", "assistant"):
                messages.append(Message(Role(role), parts))
            else:
                raise CannotCarryError(f"{where}.role", "must be user, assistant, system or developer")
        case "function_call", _:
            lost.unknown(item, (*_ABOUT, "call_id", "name", "arguments"), "input.")
            name, arguments = (carry.text(item.get(key), f"{where}.{key}") for key in ("name", "arguments"))
            call = ToolCall(carry.text(item.get("call_id"), f"{where}.call_id"), name, arguments)
            messages.append(Message(Role.ASSISTANT, (call,)))
        case "function_call_output", _:
            lost.unknown(item, (*_ABOUT, "call_id", "output", "name"), "input.")
            parts = tuple(_parts(item.get("output"), f"{where}.output", lost))
            content = tuple(part for part in parts if isinstance(part, Text | Image | Document))
            result = ToolResult(carry.text(item.get("call_id"), f"{where}.call_id"), content)
            messages.append(Message(Role.USER, (result,)))
        case "reasoning", _:
            thought = thought_of(item)
            if thought.signature or thought.redacted:
                messages.append(Message(Role.ASSISTANT, (thought,)))
            else:
                lost.add("thinking")  # nobody takes back what nobody signed, or what OpenAI keeps to itself
        case kind, _:
            raise CannotCarryError(where, f"is of type {str(kind)[:60]!r}, which cannot be carried over")


def _parts(content: Any, where: str, lost: Lost) -> Iterator[Part]:  # noqa: ANN401 - decoded JSON
    """Give the parts of a content, which is a text or a list; empty texts are left out."""
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    for position, part in enumerate(carry.objects(content or [], where)):
        read = _part(part, f"{where}[{position}]", lost)
        if not isinstance(read, Text | Declined) or read.text.strip():
            yield read


def _part(part: Mapping[str, Any], where: str, lost: Lost) -> Part:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            lost.unknown(part, ("type", "text", "annotations", "logprobs"), "input.content.")
            if part.get("annotations"):
                lost.add("citations")
            return Text(carry.text(part.get("text"), f"{where}.text"))
        case "refusal":
            return Declined(carry.text(part.get("refusal"), f"{where}.refusal"))
        case "input_image":
            lost.unknown(part, ("type", "image_url", "file_id", "detail"), "input.content.")
            return _image(part, where)
        case "input_file":
            lost.unknown(part, ("type", "file_data", "file_id", "file_url", "filename"), "input.content.")
            return _document(part, where)
        case kind:
            raise CannotCarryError(where, f"is of type {str(kind)[:60]!r}, which cannot be carried over")


def _image(part: Mapping[str, Any], where: str) -> Image:
    if part.get("file_id"):
        raise CannotCarryError(f"{where}.file_id", "names a file that another provider does not have")
    place = f"{where}.image_url"
    source = media.source_of(carry.text(part.get("image_url"), place), place)
    detail = text_of(part.get("detail"))
    return Image(media.checked_image(source, place), "" if detail == "auto" else detail)


def _document(part: Mapping[str, Any], where: str) -> Document:
    if part.get("file_id"):
        raise CannotCarryError(f"{where}.file_id", "names a file that another provider does not have")
    name = "file_url" if part.get("file_url") else "file_data"
    place = f"{where}.{name}"
    source = media.source_of(carry.text(part.get(name), place), place)
    if isinstance(source, Inline) and source.media_type != "application/pdf":
        raise CannotCarryError(place, f"is {source.media_type[:60]}; only application/pdf is carried over")
    return Document(source, title=text_of(part.get("filename")))


def _tools(fields: Mapping[str, Any], lost: Lost) -> Iterator[Tool]:
    for position, tool in enumerate(carry.objects(fields.get("tools") or [], "tools")):
        if tool.get("type") != "function":
            kind = str(tool.get("type"))[:60]
            raise CannotCarryError(f"tools[{position}].type", f"is {kind!r}, a tool that other providers do not have")
        lost.unknown(tool, ("type", "name", "description", "parameters", "strict"), "tools.")
        yield Tool(
            name=carry.text(tool.get("name"), f"tools[{position}].name"),
            description=text_of(tool.get("description")),
            schema=tool.get("parameters"),
            strict=tool.get("strict") is True,
        )


def _choice(fields: Mapping[str, Any]) -> ToolChoice | None:
    parallel = fields.get("parallel_tool_calls")
    parallel = parallel if isinstance(parallel, bool) else None
    match fields.get("tool_choice"):
        case None:
            return None if parallel is None else ToolChoice(parallel=parallel)
        case "auto" | "required" | "none" as word:
            return ToolChoice(Choosing(word), parallel=parallel)
        case {"type": "function", "name": str(name)}:
            return ToolChoice(Choosing.NAMED, name, parallel)
        case {"type": str()}:
            raise CannotCarryError("tool_choice")
        case _:
            raise CannotCarryError("tool_choice", "must be auto, none, required or a function by name")


def _output(fields: Mapping[str, Any]) -> Output | None:
    match dict_of(fields.get("text")).get("format"):
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return Output(None)
        case {"type": "json_schema", "schema": dict(schema)} as about:
            name, description = text_of(about.get("name")), text_of(about.get("description"))
            return Output(schema, name, description, strict=about.get("strict") is True)
        case _:
            raise CannotCarryError("text.format", "must be of type text, json_object or json_schema with a schema")


def _effort(fields: Mapping[str, Any], lost: Lost) -> Effort | None:
    """Read how much to think; whatever summary is wanted, the thought is in the answer as its provider gives it."""
    reasoning = dict_of(fields.get("reasoning"))
    lost.unknown(reasoning, ("effort", "summary", "generate_summary"), "reasoning.")
    level = reasoning.get("effort")
    if level is None:
        return None
    if level not in LEVELS:
        raise CannotCarryError("reasoning.effort", f"must be one of {', '.join(LEVELS)}")
    return Effort(level)


def _user(fields: Mapping[str, Any], lost: Lost) -> str:
    """Give who the end user is; of its two names the older is the one that others have a place for."""
    user, identifier = text_of(fields.get("user")), text_of(fields.get("safety_identifier"))
    if user and identifier and user != identifier:
        lost.add("safety_identifier")
    return user or identifier


def _settings(fields: Mapping[str, Any], lost: Lost) -> dict[str, Any]:
    for name, (least, most) in _RANGES.items():
        carry.number(fields, name, least, most)
    given = {name: fields[name] for name in _SETTINGS if fields.get(name) is not None}
    settings = {name: value for name, value in given.items() if value not in _NEUTRAL.get(name, ())}
    text = dict_of(fields.get("text"))
    lost.unknown(text, ("format", "verbosity"), "text.")
    if verbosity := text_of(text.get("verbosity")):
        settings["verbosity"] = verbosity
    include = carry.texts(fields, "include")
    if not _ANYWAY.issuperset(include):
        lost.add("include")
    if LOGPROBS in include or "top_logprobs" in settings:
        settings["logprobs"] = True
    return settings
