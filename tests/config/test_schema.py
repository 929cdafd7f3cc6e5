"""The published schema is the validator's own; each misfit is one Problem in plain words at the right place."""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import packaged
from gateway.config.schema import linked, validate, validator
from gateway.config.yamltree import Document, parse
from gateway.domain.alert import AlertKind, ReceiverKind, Severity
from gateway.domain.problem import Mark, Problem
from gateway.domain.words import Failure, Mode, Prefer, Surface

CASES = Path(__file__).parent.parent / "cases"
SCHEMA = packaged.rules_schema()


def problems_of(text: str) -> tuple[Problem, ...]:
    document = parse("rules.yaml", text.encode())
    assert isinstance(document, Document), document
    return validate(document)


def told(text: str) -> list[str]:
    return [str(problem).removeprefix("rules.yaml:") for problem in problems_of(text)]


def parts_of(part: Any, place: str = "#") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    yield place, part
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield from parts_of(value, f"{place}/{key}")


def properties() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, part in parts_of(SCHEMA):
        if place.rpartition("/")[2] in {"properties", "patternProperties"} and "/properties/properties" not in place:
            yield from ((f"{place}/{name}", each) for name, each in part.items())


def test_the_listing_of_the_design_has_no_problems() -> None:
    document = parse("design-listing.yaml", (CASES / "design-listing.yaml").read_bytes())
    assert isinstance(document, Document)
    assert isinstance(document.data, dict)
    assert set(document.data) == {"providers", "models", "categories", "chains", "rules", "defaults", "tests"}
    assert validate(document) == ()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "rules.schema.json"


def test_every_property_and_definition_says_what_it_is() -> None:
    missing = [place for place, part in properties() if not str(part.get("description", "")).endswith((".", "`."))]
    missing += [name for name, part in SCHEMA["$defs"].items() if not part.get("description")]
    assert missing == []


def test_every_map_with_fields_refuses_others() -> None:
    open_maps = [place for place, part in parts_of(SCHEMA) if isinstance(part, dict) and "properties" in part]
    assert [place for place in open_maps if not closed(place)] == []


def closed(place: str) -> bool:
    part: Any = SCHEMA
    for key in place.split("/")[1:]:
        part = part[int(key)] if isinstance(part, list) else part[key]
    return part.get("additionalProperties") is False


def test_references_name_definitions_that_are_none_themselves() -> None:
    for place, part in parts_of(SCHEMA):
        if isinstance(part, dict) and "$ref" in part and not place.endswith("/properties"):
            assert "$ref" not in SCHEMA["$defs"][part["$ref"].removeprefix("#/$defs/")], place


def test_the_words_of_the_schema_are_those_of_the_gateway() -> None:
    definitions = SCHEMA["$defs"]
    assert set(definitions["failure"]["enum"]) == set(Failure)
    assert set(definitions["surface"]["enum"]) == set(Surface)
    assert set(definitions["prefer"]["enum"]) == set(Prefer)
    assert set(definitions["rule"]["properties"]["mode"]["enum"]) == set(Mode)
    alert = definitions["alert"]["properties"]
    assert set(alert["kind"]["enum"]) == set(AlertKind)
    assert set(alert["severity"]["enum"]) == set(Severity)
    assert set(definitions["receiver"]["properties"]["kind"]["enum"]) == set(ReceiverKind)


SURFACES_BUILT = "chat, responses, messages, embeddings, execute"


def test_what_is_built_is_exactly_what_this_version_has() -> None:
    marked = {place.split("/properties/")[-1] for place, part in properties() if part.get("x-not-built")}
    assert marked == {
        "examples",
        *("pick", "rollout", "adapt", "capture", "expires"),
        *("wait_up_to", "language"),
        *("cost_below", "paraphrases"),
    }
    values = {value for _, part in parts_of(SCHEMA) if isinstance(part, dict) for value in unbuilt_values(part)}
    unbuilt_alerts = {"quality_drop"}
    assert values == unbuilt_alerts


def unbuilt_values(part: Mapping[str, Any]) -> list[str]:
    values: list[str] = part.get("x-not-built-values", [])
    return values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$schema: ../schemas/rules.schema.json",
        "rules: []",
        "chains: {a: [b, {model: c, tries: 2, params: {set: {x: 1}, drop: [y]}}, {split: {b: 1, c: 0.5}}]}",
        "models: {a/b.c:1: {provider: p, model: x, price: {input: 0, output: 0.5}, max_output: 5}}",
        "rules: [{name: no, mode: off, when: {}, route: [off]}]",
        "rules: [{name: a, when: {header.X-App: {glob: 'a*'}, metadata.Ticket_1: [x, y]}, route: b}]",
        "rules: [{name: a, when: {words: [1, 2], turns: 3, confidence: {gte: 0.5, lt: 1}}, route: b}]",
        "rules: [{name: a, when: {look_at: system, surface: {in: [chat, execute]}, tags: {in: [x]}}, route: b}]",
        "rules: [{name: a, when: {time: {between: '22:00-06:00', days: [sat], timezone: Europe/Berlin}}, route: b}]",
        "categories: {a: {keywords: {x: -1.5}, patterns: ['x+'], complexity: low, needs_reasoning: false}, b: {}}",
        "defaults: {retention: {days: 7, size: 5GB}, max_body: 32MB, fall_back_on: [], deadline: 1.5m}",
        "defaults: {allow_empty: true, retry_budget: {share: 12.5%, at_least: 5/min}}",
        "rules: [{name: a, route: b, hedge: {after: 1.5s}}, {name: c, route: b, hedge: {after: p95}}]",
        "tests: [{name: a b, at: '2026-01-05T09:30:00+01:00', request: {body: {x: 1}}, expect: {chain: [a, b]}}]",
        "tests: [{name: a, request: {prompt: x, headers: {X-A: b}, surface: messages}, expect: {refused: true}}]",
    ],
)
def test_good_files_have_no_problems(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "rules: [{name: a, route: x, tags: {b}}]",
            ["1:35: expected a list of tags, found a map (start each entry with '- ')"],
        ),
        (
            "rules: [{name: a, route: x, priority: 1.5}]",
            ["1:39: expected a whole number from -1000000 to 1000000, found a number"],
        ),
        (
            "rules: [{name: a, route: x, priority: 1e3}]",
            ["1:39: expected a whole number from -1000000 to 1000000, found a number"],
        ),
        (
            'rules: [{name: a, route: x, deadline: "2s\\n"}]',
            ["1:39: '2s\\\\n' is not a duration such as 500ms, 2s, 10m, 1h or 30d"],
        ),
        (
            'rules: [{name: a, route: x, when: {"header.a\\n": b}}]',
            ["1:36: unknown field 'header.a\\\\n' in a condition (write header.NAME or metadata.NAME)"],
        ),
        (
            "rules: [{name: a, route: x, priority: true}]",
            ["1:39: expected a whole number from -1000000 to 1000000, found true"],
        ),
        (
            "rules: [{name: a, route: x, hedge: {after: p50}}]",
            ["1:44: expected a duration such as 2s, or the word p95, found text"],
        ),
        ("null", ["1:1: expected a rule file, found nothing (write a value, or remove the field)"]),
        (
            "rules: [{name: a, route: x, when: {surface: embedings}}]",
            [f"1:45: unknown surface 'embedings' (did you mean 'embeddings'? one of {SURFACES_BUILT})"],
        ),
        (
            "receivers: {a: []}",
            ["1:16: expected a receiver, found a list (write `name: value` instead of '- ')"],
        ),
        (
            "rules: [{name: a, route: x, capture: 5, mode: of}]",
            [
                "1:29: 'capture' is not built yet (remove it; see CHANGELOG for what this version has)",
                "1:47: unknown mode 'of' (did you mean 'off'? one of live, shadow, off)",
            ],
        ),
    ],
)
def test_a_misfit_is_told_in_plain_words(text: str, expected: list[str]) -> None:
    assert told(text) == [each.replace("\\\\n", "\\n") for each in expected]


SECRET = "hunter2-hunter2"
SHAPES: st.SearchStrategy[object] = st.sampled_from(
    (
        *(SECRET, [SECRET], {SECRET: 1}, {SECRET: None}, {"env": SECRET}, {"file": SECRET}, {"env": [SECRET]}),
        *(
            {"env": "KEY", SECRET: 1},
            {"env": "KEY", "file": SECRET},
            {"enw": SECRET},
            [[SECRET]],
            {"file": {SECRET: 1}},
        ),
    )
)


@given(SHAPES, st.sampled_from(["api_key", "apikey", "base_url", "headers", "proxy"]))
def test_a_secret_is_never_repeated(shape: object, field: str) -> None:
    problems = problems_of(json.dumps({"providers": {"a": {"kind": "openai", field: shape}}}))
    assert problems
    assert "hunter2" not in str(problems)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "no", "2s", "chat", "none", "free", "a b", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["model", "split", "pick", "lt", "env"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def listing() -> Any:  # noqa: ANN401
    document = parse("design-listing.yaml", (CASES / "design-listing.yaml").read_bytes())
    assert isinstance(document, Document)
    return document.data


def places_in(data: Any) -> list[list[str | int]]:  # noqa: ANN401
    items: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [[], *([key, *inner] for key, each in items for inner in places_in(each))]


@st.composite
def damaged_listings(draw: st.DrawFn) -> Any:  # noqa: ANN401
    """Give the listing of the design after one or two changes that may or may not break it."""
    data = copy.deepcopy(listing())
    data["rules"].append({"name": "more", "route": "strong", "when": copy.deepcopy(draw(st.sampled_from(CONDITIONS)))})
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(places_in(data)[1:]))
        part = data
        for key in way:
            part = part[key]
        match draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"])):
            case "replace":
                part[last] = draw(JSON)
            case "remove":
                del part[last]
            case "rename" if isinstance(part, dict):
                part[f"{last}s"] = part.pop(last)
            case _ if isinstance(part, dict):
                part[draw(FIELDS)] = draw(JSON)
            case _:
                part.append(draw(JSON))
    return data


FIELDS = st.sampled_from(sorted({place.rpartition("/")[2] for place, _ in properties()}))
CONDITIONS: list[Any] = [
    {"words": {"gt": 5}, "turns": [1, 2], "stream": True, "surface": ["chat"], "prefer": {"in": ["cost"]}},
    {"model": {"glob": "a*"}, "header.x-app": "a", "metadata.ticket": ["b"], "look_at": "system", "contains": "c"},
    {"time": {"between": "22:00-06:00", "days": ["sat"]}, "any": [{"complexity": "low"}, {"has": "images"}]},
]


@given(JSON | damaged_listings())
def test_the_verdict_is_that_of_any_other_validator_of_the_published_schema(data: Any) -> None:  # noqa: ANN401
    """Whether linked, reordered or extended, only what is not built yet may be refused besides."""
    document = parse("rules.yaml", json.dumps(data).encode())
    assert isinstance(document, Document)
    problems = validate(document)
    if jsonschema.Draft202012Validator(SCHEMA).is_valid(data):
        assert all(each.message.endswith("is not built yet") for each in problems)
    else:
        assert problems
    assert list(problems) == sorted(set(problems))
    assert not any("given schemas" in each.message or "another value" in each.message for each in problems)
    places = {Mark(1, 1), *document.marks.values(), *document.key_marks.values()}
    assert all(Mark(each.line, each.column) in places for each in problems)


def test_linking_keeps_what_stands_beside_a_reference() -> None:
    schema = {
        "$defs": {"node": {"type": "object", "title": "a node", "properties": {"next": {"$ref": "#/$defs/node"}}}},
        "$ref": "#/$defs/node",
        "title": "the root",
    }
    root = linked(schema)
    assert root["title"] == "the root"
    assert root["properties"]["next"]["properties"]["next"]["title"] == "a node"


def test_the_validator_is_made_once() -> None:
    assert validator() is validator()


def test_a_flood_of_mistakes_is_cut() -> None:
    assert len(problems_of("rules: [" + "1," * 5000 + "]")) == 100
