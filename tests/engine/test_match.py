"""What matching promises: the truth of a plain evaluation, the first reason against, and no needless work."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.category import Complexity
from gateway.domain.rule import ALWAYS, AllOf, AnyOf, Condition, Leaf, Not, leaves
from gateway.engine.features import Features
from gateway.engine.match import describe, first_miss, misses, seen, shown
from tests import strategies
from tests.strategies import leaf


class Noting(Features):
    """Recorded features that note which of them were read, in order."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.read: list[str] = []

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - as Features
        self.read.append(key)
        return super().__getitem__(key)


def holds(condition: Condition, values: dict[str, int]) -> bool:
    """The oracle: evaluation in the plainest way."""
    match condition:
        case Leaf():
            return condition.test(values[condition.feature])
        case AllOf():
            return all(holds(part, values) for part in condition.parts)
        case AnyOf():
            return any(holds(part, values) for part in condition.parts)
        case Not():
            return not holds(condition.part, values)


def found(condition: Condition, values: dict[str, int]) -> bool:
    return first_miss(condition, Features.recorded(values)) is None


@given(strategies.conditions, strategies.values)
def test_a_condition_holds_when_a_plain_evaluation_says_so(condition: Condition, values: dict[str, int]) -> None:
    assert found(condition, values) is holds(condition, values)


@given(strategies.conditions, strategies.values)
def test_what_missed_is_within_the_condition_and_does_not_hold(condition: Condition, values: dict[str, int]) -> None:
    miss = first_miss(condition, Features.recorded(values))
    if miss is not None:
        assert not holds(miss, values)
        assert not isinstance(miss, AllOf)
        assert set(leaves(miss)) <= set(leaves(condition))


@given(st.lists(strategies.conditions, max_size=4), strategies.values)
def test_not_any_is_all_not_and_not_all_is_any_not(parts: list[Condition], values: dict[str, int]) -> None:
    """De Morgan's laws."""
    negated = tuple(Not(part) for part in parts)
    assert found(Not(AnyOf(tuple(parts))), values) is found(AllOf(negated), values)
    assert found(Not(AllOf(tuple(parts))), values) is found(AnyOf(negated), values)


@given(
    st.lists(strategies.conditions, max_size=4).flatmap(lambda p: st.tuples(st.just(p), st.permutations(p))), st.data()
)
def test_the_order_of_parts_never_changes_whether_they_hold(
    orders: tuple[list[Condition], list[Condition]], data: st.DataObject
) -> None:
    values = data.draw(strategies.values)
    written, other = map(tuple, orders)
    assert found(AllOf(written), values) is found(AllOf(other), values)
    assert found(AnyOf(written), values) is found(AnyOf(other), values)


@given(st.lists(strategies.leaves, min_size=1, max_size=5), strategies.values)
def test_the_first_miss_of_a_list_is_its_first_part_that_does_not_hold(
    parts: list[Condition], values: dict[str, int]
) -> None:
    expected = next((part for part in parts if not holds(part, values)), None)
    assert first_miss(AllOf(tuple(parts)), Features.recorded(values)) == expected


LAZY: dict[str, tuple[Condition, list[str]]] = {
    "all stops at the first that fails": (AllOf((leaf("a", 0), leaf("b", 9), leaf("c", 0))), ["a", "b"]),
    "any stops at the first that holds": (AnyOf((leaf("a", 9), leaf("b", 0), leaf("c", 0))), ["a", "b"]),
    "not reads what its part reads": (Not(AllOf((leaf("a", 9), leaf("b", 0)))), ["a"]),
    "nothing is read for nothing": (ALWAYS, []),
}


@pytest.mark.parametrize(("condition", "read"), LAZY.values(), ids=LAZY.keys())
def test_a_feature_that_no_deciding_condition_needs_is_never_read(condition: Condition, read: list[str]) -> None:
    features = Noting({"a": 1, "b": 1, "c": 1})
    first_miss(condition, features)
    assert features.read == read


@given(strategies.conditions, strategies.values)
def test_there_is_nothing_to_change_exactly_when_a_condition_holds(
    condition: Condition, values: dict[str, int]
) -> None:
    changes = misses(condition, Features.recorded(values))
    assert (changes == ()) is holds(condition, values)
    assert not any(holds(change, values) for change in changes)


@given(strategies.conditions, strategies.values)
def test_the_first_change_of_a_list_is_its_first_miss_or_within_it(
    condition: Condition, values: dict[str, int]
) -> None:
    miss = first_miss(condition, Features.recorded(values))
    if miss is not None:
        changes = misses(condition, Features.recorded(values))
        assert changes[0] == miss or set(leaves(changes[0])) <= set(leaves(miss))


A5, B5, C5, D5 = (leaf(name, 5) for name in "abcd")


def test_the_fewest_changes_are_chosen_among_alternatives() -> None:
    condition = AllOf((D5, AnyOf((AllOf((A5, B5)), C5))))
    assert misses(condition, Features.recorded(dict.fromkeys("abcd", 1))) == (D5, C5)


def test_an_any_of_nothing_is_itself_what_would_have_to_change() -> None:
    assert misses(AnyOf(()), Features.recorded({})) == (AnyOf(()),)


IMPLIED = Leaf("model", "model", "auto", "auto".__eq__, implied=True)
DESCRIBED: dict[str, tuple[Condition, str]] = {
    "a leaf": (leaf("a", 5), "a: gt 5"),
    "an implied leaf says so": (IMPLIED, "model: auto (implied: the rule mentions model nowhere)"),
    "all": (AllOf((leaf("a", 5), leaf("b", 1))), "a: gt 5 and b: gt 1"),
    "an implied leaf is left out beside others": (AllOf((IMPLIED, leaf("b", 1))), "b: gt 1"),
    "an implied leaf alone": (AllOf((IMPLIED,)), "model: auto (implied: the rule mentions model nowhere)"),
    "nothing": (ALWAYS, "always"),
    "any": (AnyOf((leaf("a", 5), leaf("b", 1))), "any of (a: gt 5, b: gt 1)"),
    "not": (Not(leaf("a", 5)), "not (a: gt 5)"),
}


@pytest.mark.parametrize(("condition", "text"), DESCRIBED.values(), ids=DESCRIBED.keys())
def test_a_condition_is_described_as_it_would_be_written(condition: Condition, text: str) -> None:
    assert describe(condition) == text


def private(phrase: str) -> Leaf:
    return Leaf("contains", "folded@user", phrase, lambda text: phrase in text, private=True)


SEEN: dict[str, tuple[Condition, dict[str, object]]] = {
    "the value that was compared": (leaf("a", 5), {"a": 3}),
    "one value for two conditions on one feature": (AllOf((leaf("a", 5), leaf("a", 1))), {"a": 3}),
    "of text only whether it held": (private("secret"), {"contains": True}),
    "texts that saw the same go by one name": (AnyOf((private("x"), private("y"))), {"contains": False}),
    "texts that saw different things are told apart": (
        Not(AnyOf((private("secret"), private("y")))),
        {"contains: secret": True, "contains: y": False},
    ),
}


@pytest.mark.parametrize(("condition", "expected"), SEEN.values(), ids=SEEN.keys())
def test_what_a_condition_saw_is_told_by_name_and_never_in_text(
    condition: Condition, expected: dict[str, object]
) -> None:
    assert seen(condition, Features.recorded({"a": 3, "folded@user": " the secret plan "})) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(frozenset({"vip", "beta"}), ["beta", "vip"], id="a set"),
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        (Complexity.LOW, "low"),
    ],
    ids=str,
)
def test_a_feature_value_is_shown_as_json_has_it(value: object, expected: object) -> None:
    assert shown(value) == expected
    assert type(shown(value)) is type(expected)
