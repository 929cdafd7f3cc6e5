"""Which pairs are compared: never too few, so that the warnings are those of comparing all of them, and hardly more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.overlap import Every, examples_of, excludes, holds_at, implies, impossible, shape_of
from gateway.config.pairs import Compatible, Implied
from tests.config.test_overlap import LEAVES, condition

MORE_LEAVES = st.sampled_from(
    [
        *("header.x: a", "header.x: [a, b]", "contains: x", "contains: [x, y]", "metadata.n: {glob: 'a*'}"),
        *("team: a", "team: [a, b]", "team: {in: [b, c]}", "team: {in: [a, b], glob: 'b*'}", "team: {eq: a}"),
        *("has: [tools, images]", "tags: a", "tags: [a, b]", "tags: {glob: 'a*'}", "surface: chat"),
        *("complexity: {gt: high}", "turns: 1", "turns: [1, 2]", "words: 2, look_at: system", "not: {}"),
        "words: {gt: 9007199254740993}",
    ]
).map(lambda each: f"{{{each}}}")
TEXTS = st.recursive(
    LEAVES | MORE_LEAVES | MORE_LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: f"{{all: [{', '.join(each)}]}}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: f"{{any: [{', '.join(each)}]}}"),
        inner.map(lambda each: f"{{not: {each}}}"),
    ),
    max_leaves=5,
)
SETS = st.lists(TEXTS, min_size=2, max_size=8)


def shapes_of(*texts: str) -> list[Every]:
    return [shape_of(condition(text)) for text in texts]


@settings(deadline=None, max_examples=300)
@given(SETS)
def test_nothing_that_is_seen_to_follow_from_a_condition_is_left_out(texts: list[str]) -> None:
    """The oracle compares all pairs. A condition that can never hold is told as such, and not compared."""
    shapes = shapes_of(*texts)
    earlier = Implied()
    for shape in shapes:
        earlier.add(shape)
    for shape in shapes:
        compared = earlier.by(shape)
        assert compared == sorted(set(compared))
        if not impossible(shape):
            examples = examples_of(shape)
            followed = [place for place, wide in enumerate(shapes) if implies(shape, wide)]
            assert set(followed) <= set(compared), texts
            assert all(holds_at(shapes[place], examples) for place in followed), texts


FOLLOWING: dict[str, tuple[str, str]] = {
    "a choice that always holds": ("{words: 1}", "{any: [{team: a}, {}]}"),
    "values that a choice narrows": ("{words: [1, 3], any: [{words: {gt: 2}}]}", "{words: 3}"),
    "what is not ruled out": ("{not: {complexity: low}}", "{complexity: [medium, high]}"),
    "one of two lists": ("{all: [{team: [a, b]}, {team: [b, c]}]}", "{team: b}"),
    "what rules out nothing": ("{not: {words: 2}}", "{not: {words: {gt: 1, eq: 1}}}"),
    "the same header in a choice": ("{any: [{header.x: a, words: 1}, {header.x: a, words: 2}]}", "{header.x: a}"),
}


@pytest.mark.parametrize(("narrow", "wide"), FOLLOWING.values(), ids=FOLLOWING.keys())
def test_what_follows_is_compared(narrow: str, wide: str) -> None:
    one, other = shapes_of(narrow, wide)
    assert implies(one, other)
    earlier = Implied()
    earlier.add(other)
    assert earlier.by(one) == [0]
    assert holds_at(other, examples_of(one))


@settings(deadline=None, max_examples=300)
@given(SETS)
def test_nothing_that_may_hold_beside_a_condition_is_left_out(texts: list[str]) -> None:
    shapes = shapes_of(*texts)
    earlier = Compatible()
    for place, shape in enumerate(shapes):
        compared = list(earlier.beside(shape))
        assert compared == sorted(set(compared))
        together = [before for before in range(place) if not excludes(shape, shapes[before])]
        assert set(together) <= set(compared), texts
        earlier.add(shape)


FEW: dict[str, tuple[list[str], str, int]] = {
    "one header of a thousand": ([f"{{header.x: t{n}}}" for n in range(1000)], "{header.x: t7, words: 1}", 1),
    "one word of a thousand": ([f"{{contains: t{n}}}" for n in range(1000)], "{contains: t7}", 1),
    "one team of a thousand, and the first, which none was rarer than": (
        [f"{{words: 1, team: [t{n}, u{n}]}}" for n in range(1000)],
        "{team: t7, words: 1}",
        2,
    ),
    "choices of a header": ([f"{{any: [{{header.x: t{n}}}, {{team: t{n}}}]}}" for n in range(1000)], "{team: t7}", 1),
    "what says nothing of the feature": ([f"{{team: t{n}}}" for n in range(1000)], "{words: 1}", 0),
    "what only rules a team out": ([f"{{team: t{n}}}" for n in range(1000)], "{not: {team: t7}}", 0),
    "the same that is ruled out": ([f"{{not: {{team: t{n}}}}}" for n in range(1000)], "{not: {team: t7}}", 1),
    "all that is ruled out by being another": ([f"{{not: {{team: t{n}}}}}" for n in range(9)], "{team: [a, b]}", 9),
    "catch-alls": (["{}"] * 10, "{team: t7}", 10),
}


@pytest.mark.parametrize(("wide", "narrow", "compared"), FEW.values(), ids=FEW.keys())
def test_a_condition_is_compared_with_those_alone_that_it_could_imply(
    wide: list[str], narrow: str, compared: int
) -> None:
    earlier = Implied()
    for shape in shapes_of(*wide):
        earlier.add(shape)
    assert len(earlier.by(*shapes_of(narrow))) == compared


BESIDE: dict[str, tuple[list[str], str, int]] = {
    "one team of a thousand, and a rule on words": (
        ["{words: 1}", *(f"{{team: t{n}}}" for n in range(1000))],
        "{team: t7}",
        2,
    ),
    "the feature that leaves the fewest": (
        [f"{{team: t{n}, surface: chat}}" for n in range(1000)],
        "{surface: chat, team: t7}",
        1,
    ),
    "what says nothing of the feature": ([f"{{team: t{n}}}" for n in range(1000)], "{words: 1}", 1000),
    "patterns beside the lists, which cannot be compared": (
        ["{team: {in: [a], glob: 'a*'}}"],
        "{team: {in: [b], glob: 'b*'}}",
        1,
    ),
    "numbers that touch, but none apart": (
        [f"{{words: {{gte: {n}0, lt: {n + 1}0}}}}" for n in range(100)],
        "{words: {gte: 70, lt: 80}}",
        3,
    ),
    "a limit that may be missing": (["{max_tokens: {lt: 5}}", "{not: {max_tokens: 9}}"], "{max_tokens: {gt: 7}}", 1),
    "a number too large to be compared": (["{words: {gt: 9007199254740993}}"], "{words: {lt: 5}}", 1),
    "nothing that has no value": (["{complexity: {gt: high}}"], "{complexity: high}", 0),
    "a header that another may have too": ([f"{{header.x: t{n}}}" for n in range(1000)], "{header.x: t7}", 1000),
}


@pytest.mark.parametrize(("earlier", "later", "compared"), BESIDE.values(), ids=BESIDE.keys())
def test_a_condition_is_compared_with_those_alone_that_it_does_not_plainly_exclude(
    earlier: list[str], later: str, compared: int
) -> None:
    beside = Compatible()
    for shape in shapes_of(*earlier):
        beside.add(shape)
    assert len(list(beside.beside(*shapes_of(later)))) == compared
