"""What conditions see of a responses request."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.dialects.base import Fields
from gateway.dialects.fields import dict_of, list_of, text_of
from gateway.domain.chat import Conversation, Role, Turn

_KINDS = {"input_image": "images", "input_file": "documents", "input_audio": "audio"}
_encode = msgspec.json.encode


def conversation_of(fields: Fields) -> Conversation:
    """Give what conditions see; an item of a shape that is not known counts as no text."""
    system = [text_of(fields.get("instructions"))]
    turns: list[Turn] = []
    has: set[str] = set()
    attachments = 0
    for item in _items(fields.get("input")):
        output = item.get("type") == "function_call_output"
        parts = list(_parts(item.get("output") if output else item.get("content")))
        text = "\n".join(part for kind, part in parts if kind == "text")
        others = [kind for kind, _ in parts if kind != "text"]
        has.update(others)
        attachments += len(others)
        match item.get("type"), item.get("role"):
            case None | "message", "system" | "developer":
                system.append(text)
            case None | "message", "assistant":
                turns.append(Turn(Role.ASSISTANT, text))
            case None | "message", _:
                turns.append(Turn(Role.USER, text))
            case "function_call", _:
                turns.append(Turn(Role.ASSISTANT, "", _called(item)))
            case "function_call_output", _:
                has.add("tool_results")
                turns.append(Turn(Role.USER, "", text))
            case _:
                pass
    tools, output_form = fields.get("tools"), dict_of(dict_of(fields.get("text")).get("format"))
    marks = {
        "tools": bool(tools),
        "json_schema": output_form.get("type") == "json_schema",
        "system": any(system),
        "thinking": dict_of(fields.get("reasoning")).get("effort") not in (None, "none"),
    }
    schemas = [part for part in (tools, output_form) if part]
    return Conversation(
        system="\n\n".join(filter(None, system)),
        turns=tuple(_joined(turns)),
        has=frozenset(has | {name for name, present in marks.items() if present}),
        attachments=attachments,
        tools_text=_encode(schemas).decode() if schemas else "",
    )


def _items(asked: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - decoded JSON
    if isinstance(asked, str):
        yield {"role": "user", "content": asked}
    yield from filter(None, map(dict_of, list_of(asked)))


def _called(item: dict[str, Any]) -> str:
    return f"{text_of(item.get('name'))} {text_of(item.get('arguments'))}"


def _joined(turns: list[Turn]) -> Iterator[Turn]:
    """Join what the model wrote and asked of tools in one go, which stands here in several items."""
    waiting: Turn | None = None
    for turn in turns:
        if waiting is not None and waiting.role is turn.role is Role.ASSISTANT:
            text = "\n".join(filter(None, (waiting.text, turn.text)))
            waiting = Turn(Role.ASSISTANT, text, "\n".join(filter(None, (waiting.tool_text, turn.tool_text))))
            continue
        if waiting is not None:
            yield waiting
        waiting = turn
    if waiting is not None:
        yield waiting


def _parts(content: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - decoded JSON
    """Give the parts of an item as (kind, text); kind is `text` or a word of the `has` condition."""
    if isinstance(content, str):
        yield "text", content
    for part in map(dict_of, list_of(content)):
        if kind := _KINDS.get(text_of(part.get("type"))):
            yield kind, ""
        elif text := text_of(part.get("text")) or text_of(part.get("refusal")):
            yield "text", text
