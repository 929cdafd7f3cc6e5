"""What conditions see of a messages request."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.dialects.base import Fields
from gateway.dialects.fields import dict_of, list_of, text_of
from gateway.domain.chat import Conversation, Role, Turn

_PLAIN = "plain documents"
_KINDS = {"image": "images", "document": "documents", "search_result": _PLAIN}
_USER = Role.USER
_ROLES = {"assistant": Role.ASSISTANT, "system": None}
"""Who speaks by the role of a message, nobody where it is system text; any other role is the user's."""
_encode = msgspec.json.encode


def conversation_of(fields: Fields) -> Conversation:
    """Give what conditions see; a message of a shape that is not known counts as no text."""
    system = [_text_within(fields.get("system"))]
    turns: list[Turn] = []
    has: set[str] = set()
    attachments, needs_documents = 0, False
    for message in filter(None, map(dict_of, fields["messages"])):
        content, role = message.get("content"), _ROLES.get(text_of(message.get("role")), _USER)
        if type(content) is str and role is not None:  # most messages of most conversations
            turns.append(Turn(role, content))
            continue
        texts: list[str] = []
        tool_texts: list[str] = []
        for kind, text in _blocks(content):
            match kind:
                case "text":
                    texts.append(text)
                case "tool_use":
                    tool_texts.append(text)
                case "tool_results":
                    has.add(kind)
                    tool_texts.append(text)
                case _:
                    has.add("documents" if kind == _PLAIN else kind)
                    needs_documents = needs_documents or kind == "documents"
                    attachments += 1
        if role is None:
            system += texts
        else:
            turns.append(Turn(role, "\n".join(texts), "\n".join(tool_texts)))
    tools = fields.get("tools")
    output = dict_of(fields.get("output_format")) or dict_of(dict_of(fields.get("output_config")).get("format"))
    marks = {
        "system": any(system),
        "tools": bool(tools),
        "json_schema": output.get("type") == "json_schema",
        "thinking": dict_of(fields.get("thinking")).get("type") not in (None, "disabled"),
    }
    schemas = [part for part in (tools, output) if part]
    return Conversation(
        system="\n\n".join(filter(None, system)),
        turns=tuple(turns),
        has=frozenset(has | {name for name, present in marks.items() if present}),
        attachments=attachments,
        tools_text=_encode(schemas).decode() if schemas else "",
        plain_documents=not needs_documents,
    )


def _blocks(content: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - decoded JSON
    """Give the blocks of a message as (kind, text).

    The kind is `text`, `tool_use`, a word of the `has` condition, or _PLAIN for documents that hold no more than text.

    What a tool result holds beside text follows it.
    """
    if isinstance(content, str):
        yield "text", content
    for block in map(dict_of, list_of(content)):
        match text_of(block.get("type")):
            case "text":
                yield "text", text_of(block.get("text"))
            case "tool_use":
                yield "tool_use", _encode(block.get("input")).decode()
            case "tool_result":
                yield "tool_results", _text_within(block.get("content"))
                inner = [dict_of(part) for part in list_of(block.get("content"))]
                yield from ((kind, "") for part in inner if (kind := _kind_of(part)))
            case _ if kind := _kind_of(block):
                yield kind, ""
            case _:
                pass


def _kind_of(block: Mapping[str, Any]) -> str:
    """Give what a block attaches, empty for nothing; a document may hold no more than text."""
    kind = _KINDS.get(text_of(block.get("type")), "")
    plain = kind == "documents" and dict_of(block.get("source")).get("type") in ("text", "content")
    return _PLAIN if plain else kind


def _text_within(content: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Give the text of a string or of a list of blocks."""
    if isinstance(content, str):
        return content
    texts = [text_of(block.get("text")) for block in map(dict_of, list_of(content)) if block.get("type") == "text"]
    return "\n".join(filter(None, texts))
