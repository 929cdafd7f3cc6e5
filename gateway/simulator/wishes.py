"""What a request wishes for beside text: calls of tools, a form of the answer, thoughts; and values that fit a schema.

Pure. Values are the plainest that a JSON Schema allows, so that the same schema always gets the same ones.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_DEEPEST = 12
_PLAIN: Mapping[object, object] = {"integer": 1, "number": 1.5, "boolean": True, "null": None, "string": "simulated"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called; `schema` is that of its arguments."""

    name: str
    schema: object


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the answer must have: calls of these tools, text of the form `output`, thoughts before it.

    `output` is a JSON Schema; None for plain text.
    """

    calls: tuple[Tool, ...] = ()
    output: object = None
    thoughts: bool = False


NO_WISHES = Wishes()


def called(tools: tuple[Tool, ...], *, must: bool, name: str | None, parallel: bool) -> tuple[Tool, ...]:
    """Choose the tools to call: none unless one must be, the one by name, or else all of them where that may be."""
    if not must:
        return ()
    if name is not None:
        return tuple(tool for tool in tools if tool.name == name)
    return tools if parallel else tools[:1]


def json_of(schema: object) -> str:
    """Write a value that fits a schema, as JSON."""
    return json.dumps(_fitting(schema, schema, 0), ensure_ascii=False)


def _fitting(schema: object, whole: object, depth: int) -> object:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    for name in ("enum", "anyOf", "oneOf", "allOf"):
        choices = schema.get(name)
        if isinstance(choices, list) and choices:
            return choices[0] if name == "enum" else _fitting(choices[0], whole, depth + 1)
    if isinstance(reference := schema.get("$ref"), str):
        return _fitting(_at(reference, whole), whole, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "array":
        return [_fitting(schema.get("items"), whole, depth + 1)]
    members = schema.get("properties")
    if isinstance(members, dict):
        return {name: _fitting(member, whole, depth + 1) for name, member in members.items()}
    return {} if kind == "object" else _PLAIN.get(kind if isinstance(kind, str) else "string", "simulated")


def _at(reference: str, whole: object) -> object:
    """Give the part of a schema that `#/...` names; None where there is none."""
    part = whole
    for name in reference.removeprefix("#/").split("/"):
        part = part.get(name) if isinstance(part, dict) else None
    return part
