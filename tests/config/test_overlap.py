"""What is said of two conditions is true at every point of a small world; only silence may be wrong."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.conditions import Named, condition_of
from gateway.config.node import Findings, Node
from gateway.config.overlap import excludes, implies, impossible, least_of, shape_of
from gateway.config.yamltree import Document, parse
from gateway.domain.category import Complexity
from gateway.domain.rule import Condition
from gateway.engine.features import Features
from gateway.engine.match import first_miss

WORLD: dict[str, tuple[Any, ...]] = {
    "complexity@user": tuple(Complexity),
    "words@user": (0, 1, 2, 3, 4),
    "max_tokens": (None, 1, 2, 3),
    "model": ("auto", "a", "glob a", "b", "zz"),
    "has": (frozenset(), frozenset({"tools"}), frozenset({"images"}), frozenset({"tools", "images"})),
    "stream": (True, False),
}
"""Every value that the conditions below can tell apart, and one more of each open kind."""

LIMITS = st.sampled_from([1, 2, 3, 2.5])
NUMBERS = st.one_of(
    LIMITS.map(str),
    st.lists(LIMITS, min_size=1, max_size=2).map(lambda each: f"[{', '.join(map(str, each))}]"),
    st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "eq"]), LIMITS, min_size=1, max_size=2).map(
        lambda each: f"{{{', '.join(f'{name}: {limit}' for name, limit in each.items())}}}"
    ),
)
LEVELS = st.sampled_from(["low", "high", "[low, medium]", "{gte: medium}", "{lt: high}", "{in: [low, high]}"])
NAMES = st.sampled_from(
    ["a", '"glob a"', "[a, b]", '"[a, b]"', '{glob: "a"}', '{glob: "*a*"}', "{in: [b, zz]}", "auto"]
)
PARTS = st.sampled_from(["tools", "images", "[tools, images]"])
LEAVES = st.one_of(
    NUMBERS.map(lambda each: f"words: {each}"),
    NUMBERS.map(lambda each: f"max_tokens: {each}"),
    LEVELS.map(lambda each: f"complexity: {each}"),
    NAMES.map(lambda each: f"model: {each}"),
    PARTS.map(lambda each: f"has: {each}"),
    st.sampled_from(["stream: true", "stream: false"]),
).map(lambda each: f"{{{each}}}")
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: f"{{all: [{', '.join(each)}]}}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: f"{{any: [{', '.join(each)}]}}"),
        inner.map(lambda each: f"{{not: {each}}}"),
    ),
    max_leaves=4,
)


def condition(text: str) -> Condition:
    document = parse("rules.yaml", f"rules: [{{when: {text}}}]".encode())
    assert isinstance(document, Document), document
    findings = Findings(complete=True)
    made = condition_of(Node(document, (), document.data)["rules"][0]["when"], findings, Named({}))
    assert findings.problems == []
    return made


def holds(made: Condition, values: dict[str, Any]) -> bool:
    return first_miss(made, Features.recorded(values)) is None


def worlds(*texts: str) -> Iterator[dict[str, Any]]:
    read = [name for name in WORLD if any(f"{name.partition('@')[0]}:" in text for text in texts)]
    for values in product(*(WORLD[name] for name in read)):
        yield dict(zip(read, values, strict=True))


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_what_is_said_to_imply_another_does_so_everywhere(narrow: str, wide: str) -> None:
    """U-94: no claim is false."""
    one, other = condition(narrow), condition(wide)
    if implies(shape_of(one), shape_of(other)):
        assert all(holds(other, values) for values in worlds(narrow, wide) if holds(one, values))
    if excludes(shape_of(one), shape_of(other)):
        assert not any(holds(other, values) for values in worlds(narrow, wide) if holds(one, values))


@settings(deadline=None)
@given(TEXTS)
def test_what_is_said_never_to_hold_holds_nowhere(text: str) -> None:
    made = condition(text)
    if impossible(shape_of(made)):
        assert not any(holds(made, values) for values in worlds(text))


@settings(deadline=None)
@given(TEXTS)
def test_a_least_number_is_reached_wherever_the_condition_holds(text: str) -> None:
    made = condition(text)
    for name, key in (("words", "words@user"), ("max_tokens", "max_tokens")):
        least = least_of(shape_of(made), name)
        found = (values.get(key) for values in worlds(text) if holds(made, values))
        assert all(value >= least for value in found if value is not None) or least == 0


@settings(deadline=None)
@given(TEXTS)
def test_a_condition_implies_itself(text: str) -> None:
    assert implies(shape_of(condition(text)), shape_of(condition(text)))


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("{model: a}", "{model: [a, b]}"),
        ("{model: [a, b]}", "{model: {in: [b, a]}}"),
        ("{model: [a1, a2]}", '{model: {glob: "a*"}}'),
        ("{words: {gt: 5}}", "{words: {gte: 5}}"),
        ("{words: {gte: 5, lt: 8}}", "{words: {gt: 4}}"),
        ("{all: [{words: {gt: 5}}, {words: {lt: 8}}]}", "{words: {gt: 4, lte: 8}}"),
        ("{words: [2, 3]}", "{words: {lt: 4}}"),
        ("{words: {gt: 5}}", "{not: {words: {lt: 5}}}"),
        ("{not: {complexity: [low, medium]}}", "{complexity: high}"),
        ("{complexity: {gte: medium}}", "{not: {complexity: low}}"),
        ("{not: {stream: true}}", "{stream: false}"),
        ("{has: images}", "{has: [tools, images]}"),
        ("{not: {has: [tools, images]}}", "{not: {has: tools}}"),
        ("{tags: [a1, a2]}", '{tags: {glob: "a*"}}'),
        ("{contains: x, stream: true}", "{contains: x}"),
        ("{any: [{words: 1}, {words: 2}]}", "{words: {lt: 3}}"),
        ("{words: 1, any: [{model: a}, {model: b}]}", "{model: [a, b]}"),
        ("{words: 1}", "{any: [{stream: true}, {words: {lt: 2}}]}"),
        ("{not: {any: [{words: 1}, {stream: true}]}}", "{stream: false}"),
        ("{surface: {in: [chat, execute]}}", "{not: {surface: messages}}"),
        ("{words: {gt: 3, lt: 2}}", "{stream: true}"),
    ],
)
def test_implications_that_must_be_seen(narrow: str, wide: str) -> None:
    one, other = shape_of(condition(narrow)), shape_of(condition(wide))
    assert implies(one, other) or impossible(one)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ('{model: "glob a"}', "{model: {glob: a}}"),
        ('{model: "[a, b]"}', "{model: [a, b]}"),
        ('{model: ["a, b"]}', "{model: [a, b]}"),
        ('{contains: "[a, b]"}', "{contains: [a, b]}"),
        ("{not: {max_tokens: {gt: 5}}}", "{max_tokens: {lte: 5}}"),
        ("{has: [tools, images]}", "{has: images}"),
        ("{has: [tools, images]}", "{not: {has: tools}}"),
        ("{not: {has: tools}}", "{has: [tools, images]}"),
        ("{contains: x}", "{contains: x, look_at: system}"),
        ("{words: {gte: 5}}", "{words: {gt: 5}}"),
        ('{model: {glob: "a*"}}', '{model: {glob: "*"}}'),
        ("{tags: {in: [a, b], glob: 'a*'}}", "{tags: b}"),
        ("{words: {gt: 9007199254740992}}", "{words: {gt: 9007199254740993}}"),
    ],
)
def test_implications_that_do_not_hold_or_cannot_be_seen(narrow: str, wide: str) -> None:
    assert not implies(shape_of(condition(narrow)), shape_of(condition(wide)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{model: a}", "{model: [b, c]}"),
        ("{words: {lt: 5}}", "{words: {gte: 5}}"),
        ("{complexity: low}", "{complexity: {gt: low}}"),
        ("{contains: x}", "{not: {contains: x}}"),
        ("{stream: true, words: 1}", "{any: [{stream: false}, {words: {gt: 1}}]}"),
    ],
)
def test_exclusions_that_must_be_seen(one: str, other: str) -> None:
    assert excludes(shape_of(condition(one)), shape_of(condition(other)))


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("{words: {gte: 5}}", 5),
        ("{words: {gt: 5, gte: 3}}", 5),
        ("{words: [7, 9]}", 7),
        ("{all: [{words: {gt: 2}}, {words: {gt: 4}}]}", 4),
        ("{any: [{words: {gte: 5}}, {words: {gte: 8}}]}", 5),
        ("{any: [{words: {gte: 5}}, {stream: true}]}", 0),
        ("{not: {words: {lt: 6}}}", 6),
        ("{words: {lt: 6}}", 0),
    ],
)
def test_the_least_number_of_a_condition(text: str, least: float) -> None:
    assert least_of(shape_of(condition(text)), "words") == pytest.approx(least)


def test_choices_within_choices_end() -> None:
    """A comparison of deeply nested choices gives up; it does not double its work with each level."""
    one, other = "{words: 1}", "{words: 2}"
    for level in range(6):
        one = f"{{any: [{{words: {level}}}, {{turns: {level}, any: [{{turns: 1}}, {{stream: true}}, {one}]}}]}}"
        other = f"{{all: [{{any: [{{turns: {level}}}, {other}]}}, {{any: [{{words: 5}}, {{words: 7}}]}}]}}"
    assert not implies(shape_of(condition(one)), shape_of(condition(other)))
