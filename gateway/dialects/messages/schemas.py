"""JSON Schemas of answers as the messages dialect takes them: others are answered with an error.

Source: the guide to structured outputs, section on the limitations of JSON Schema; the official SDKs rewrite schemas
alike before they send them.
"""

from typing import Any

_UNENFORCED = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("maxItems", "uniqueItems", "minProperties", "maxProperties"),
    }
)
"""Constraints that are not taken; `minItems` above 1 is another."""
_BY_NAME = frozenset({"properties", "$defs", "definitions"})
"""Keywords whose members are schemas under names of the caller's."""
_WITHIN = frozenset({"items", "anyOf", "oneOf", "allOf", "prefixItems"})
"""Keywords that hold a schema or a list of them."""
_Waiting = list[tuple[dict[str, Any], dict[str, Any]]]


def taken(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Give a schema with each of its objects closed, and whether it asks for less than it did.

    A constraint that is not taken is told in the description instead, for the model to read.
    """
    root: dict[str, Any] = {}
    less = False
    waiting: _Waiting = [(schema, root)]  # and no recursion: a schema may be nested as deeply as a body
    while waiting:
        given, target = waiting.pop()
        told = []
        for name, value in given.items():
            if name in _UNENFORCED or (name == "minItems" and value not in (0, 1)):
                told.append(f"{name}: {value}")
            elif name in _BY_NAME and isinstance(value, dict):
                target[name] = {each: _begun(inner, waiting) for each, inner in value.items()}
            elif name in _WITHIN:
                target["anyOf" if name == "oneOf" and "anyOf" not in given else name] = (
                    [_begun(each, waiting) for each in value] if isinstance(value, list) else _begun(value, waiting)
                )
            else:
                target[name] = value
        if told:
            target["description"] = "\n\n".join(filter(None, (_text(given), f"{{{', '.join(told)}}}")))
        if given.get("type") == "object" or "properties" in given:
            target["additionalProperties"] = False
            less = less or given.get("additionalProperties", False) is not False
        less = less or bool(told)
    return root, less


def _begun(schema: Any, waiting: _Waiting) -> Any:  # noqa: ANN401 - a JSON Schema
    if not isinstance(schema, dict):
        return schema
    target: dict[str, Any] = {}
    waiting.append((schema, target))
    return target


def _text(schema: dict[str, Any]) -> str:
    description = schema.get("description")
    return description if isinstance(description, str) else ""
