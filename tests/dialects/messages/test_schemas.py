"""JSON Schemas as the messages dialect takes them."""

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.messages.schemas import taken


@pytest.mark.parametrize(
    ("schema", "expected", "less"),
    [
        ({"type": "string"}, {"type": "string"}, False),
        ({"type": "object"}, {"type": "object", "additionalProperties": False}, False),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": False},
            True,
        ),
        (
            {"type": "integer", "minimum": 1, "maximum": 9, "description": "A number"},
            {"type": "integer", "description": "A number\n\n{minimum: 1, maximum: 9}"},
            True,
        ),
        ({"type": "array", "minItems": 1, "items": {}}, {"type": "array", "minItems": 1, "items": {}}, False),
        ({"type": "array", "minItems": 2}, {"type": "array", "description": "{minItems: 2}"}, True),
        (
            {"properties": {"minimum": {"type": "integer"}}, "required": ["minimum"]},
            {
                "properties": {"minimum": {"type": "integer"}},
                "required": ["minimum"],
                "additionalProperties": False,
            },
            False,
        ),
        (
            {"oneOf": [{"$ref": "#/$defs/a"}, {"type": "null"}], "$defs": {"a": {"type": "object"}}},
            {
                "anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}],
                "$defs": {"a": {"type": "object", "additionalProperties": False}},
            },
            False,
        ),
        ({"enum": [{"minimum": 1}], "default": {"type": "object"}}, None, False),
    ],
)
def test_objects_are_closed_and_constraints_told_in_words(
    schema: dict[str, Any], expected: dict[str, Any] | None, *, less: bool
) -> None:
    """U-46: what is asked for is no more than was, and that it is less is told; values and names stay as they are."""
    before = copy.deepcopy(schema)
    assert taken(schema) == (schema if expected is None else expected, less)
    assert schema == before, "another attempt may read it"


odd: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["object", "string", "array"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "oneOf", "minimum", "minItems", "description", "x", "$defs"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "items", "anyOf", "required", "minimum"]), odd))
def test_no_schema_is_too_odd_and_twice_is_once(schema: dict[str, Any]) -> None:
    first, _ = taken(schema)
    assert taken(first) == (first, False)
    json.dumps(first)


leaves: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 2}, {"type": "null"}, {"enum": [1, "a"]}]
)
schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("ab"), inner, max_size=2).map(
            lambda members: {"type": "object", "properties": members, "required": sorted(members)}
        ),
        st.builds(lambda item: {"type": "array", "items": item, "maxItems": 2}, inner),
        st.builds(lambda choices: {"anyOf": choices}, st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=5,
)
values: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([0, 1, "a", None]),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    max_leaves=4,
)


@given(schemas, values)
def test_what_fits_the_callers_schema_fits_what_is_sent(schema: dict[str, Any], value: object) -> None:
    """The model is not kept from any answer that the caller would take, but for members that have no name."""
    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError:
        return
    if named(value, schema):
        jsonschema.validate(value, taken(schema)[0])


def named(value: object, schema: dict[str, Any]) -> bool:
    """Say whether each member of a value is one that the schema names where it stands."""
    if "anyOf" in schema:
        return all(named(value, each) for each in schema["anyOf"])
    if isinstance(value, dict):
        members = schema.get("properties", {})
        return all(each in members and named(inner, members[each]) for each, inner in value.items())
    return not isinstance(value, list) or all(named(each, schema.get("items", {})) for each in value)
