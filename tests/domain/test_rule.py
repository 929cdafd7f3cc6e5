"""What the nouns of a rule promise: its leaves in reading order, and the share of a split."""

from dataclasses import replace

import pytest

from gateway.domain.problem import Mark
from gateway.domain.rule import ALWAYS, AllOf, AnyOf, Chain, Condition, Leaf, Not, Route, Rule, Split, Step
from gateway.domain.words import Mode
from tests.strategies import leaf

A, B, C = leaf("a", 1), leaf("b", 2), leaf("c", 3)
FIXED = Route("", (Step("small"), Step("large")), 60.0, frozenset())
SPLIT = Route("", (Step("small"), Split(((Step("small"), 3.0), (Step("large"), 1.0)))), 60.0, frozenset())


def rule_of(*parts: Condition) -> Rule:
    return Rule("r", 0, AllOf(parts), FIXED, Mode.LIVE, frozenset(), "a.yaml", Mark(1, 1))


def test_the_leaves_of_a_rule_are_in_reading_order() -> None:
    assert rule_of(AnyOf((A, Not(B))), AllOf((C, A))).leaves == (A, B, C, A)
    assert rule_of(ALWAYS).leaves == ()


def test_what_must_hold_for_a_rule_is_a_flat_list_without_what_its_file_does_not_say() -> None:
    implied = replace(A, implied=True)
    rule = rule_of(AllOf((implied, AllOf((B,)))), AnyOf((A, AllOf((B, C)))), Not(C))
    assert rule.parts == (implied, B, AnyOf((A, AllOf((B, C)))), Not(C))
    assert rule.implied
    assert rule.written == rule.parts[1:]
    assert not rule_of(AllOf((A, implied))).implied
    assert rule_of(ALWAYS).written == ()


def test_a_route_without_splits_is_settled_once_for_all_conversations() -> None:
    assert FIXED.settled == Chain((Step("small"), Step("large")), 60.0, frozenset())
    assert SPLIT.settled is None


@pytest.mark.parametrize(
    ("route", "place", "model", "share"),
    [
        (FIXED, 0, "small", 1.0),
        (FIXED, 0, "large", 0.0),
        (SPLIT, 1, "small", 0.75),
        (SPLIT, 1, "large", 0.25),
        (SPLIT, 1, "other", 0.0),
    ],
)
def test_the_share_of_a_model_at_a_place(route: Route, place: int, model: str, share: float) -> None:
    assert route.share(place, model) == share


SURFACE = Leaf("surface", "surface", "embeddings", "embeddings".__eq__, keys=frozenset({"embeddings"}))


def test_a_rule_is_for_embeddings_where_it_asks_for_them_and_nothing_else() -> None:
    """At the top of its conditions, however they nest there."""
    assert rule_of(SURFACE).for_embeddings
    assert rule_of(AllOf((A, AllOf((SURFACE, B))))).for_embeddings
    for when in (A, Not(SURFACE), AnyOf((SURFACE, A)), replace(SURFACE, keys=frozenset({"embeddings", "chat"}))):
        assert not rule_of(when).for_embeddings
    assert not rule_of(replace(SURFACE, keys=None)).for_embeddings
