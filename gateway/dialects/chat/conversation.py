"""What conditions see of a chat completions request."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.dialects.base import Fields
from gateway.dialects.fields import dict_of, list_of, text_of
from gateway.domain.chat import Conversation, Role, Turn

_KINDS = {"image_url": "images", "input_audio": "audio", "file": "documents"}
_USER, _ASSISTANT = Role.USER, Role.ASSISTANT  # looking a member up takes as long as making a turn
_encode = msgspec.json.encode


def conversation_of(fields: Fields) -> Conversation:
    """Give what conditions see; a message of a shape that is not known counts as no text."""
    system: list[str] = []
    turns: list[Turn] = []
    has: set[str] = set()
    attachments = 0
    for message in fields["messages"]:
        if type(message) is not dict:
            continue
        text = message.get("content")
        if type(text) is not str:
            parts = list(_parts(text))
            others = [kind for kind, _ in parts if kind != "text"]
            has.update(others)
            attachments += len(others)
            text = "\n".join(part for kind, part in parts if kind == "text")
        match message.get("role"):
            case "user":
                turns.append(Turn(_USER, text))
            case "assistant":
                calls = message.get("tool_calls") or message.get("function_call")
                turns.append(Turn(_ASSISTANT, text, _encode(calls).decode() if calls else ""))
            case "system" | "developer":
                system.append(text)
            case "tool" | "function":
                has.add("tool_results")
                turns.append(Turn(_USER, "", text))
            case _:
                turns.append(Turn(_USER, text))
    tools = fields.get("tools") or fields.get("functions")
    output = fields.get("response_format")
    if tools:
        has.add("tools")
    if dict_of(output).get("type") == "json_schema":
        has.add("json_schema")
    if any(system):
        has.add("system")
    if fields.get("reasoning_effort") not in (None, "none"):
        has.add("thinking")
    schemas = [part for part in (tools, output) if part]
    return Conversation(
        system="\n\n".join(filter(None, system)),
        turns=tuple(turns),
        has=frozenset(has),
        attachments=attachments,
        tools_text=_encode(schemas).decode() if schemas else "",
    )


def _parts(content: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - decoded JSON
    """Give the parts of a message as (kind, text); kind is `text` or a word of the `has` condition."""
    if isinstance(content, str):
        yield "text", content
    for part in map(dict_of, list_of(content)):
        if kind := _KINDS.get(text_of(part.get("type"))):
            yield kind, ""
        elif text := text_of(part.get("text")) or text_of(part.get("refusal")):
            yield "text", text
