"""What a snapshot is called."""

from gateway.domain.words import Surface
from tests.fakes.values import snapshot_of


def test_a_snapshot_goes_by_its_generation_and_the_head_of_its_fingerprint() -> None:
    snapshot = snapshot_of("rules: [{name: all, route: [small]}]")
    assert snapshot.label == f"0-{snapshot.fingerprint[:7]}"


def test_embeddings_have_rules_and_a_plan_of_their_own() -> None:
    """They alone see such requests, in the order in which they are tried; other surfaces pass them over."""
    alone = "when: {surface: embeddings}, route: [small]"
    snapshot = snapshot_of(
        f"rules: [{{name: all, priority: 9, route: [large]}}, {{name: a, {alone}}}, {{name: b, priority: 1, {alone}}}]"
    )
    rules, plan = snapshot.rules_for(Surface.EMBEDDINGS)
    assert [rule.name for rule in rules] == ["b", "a"]
    assert plan is snapshot.embedding_plan is not None
    for surface in set(Surface) - {Surface.EMBEDDINGS}:
        assert snapshot.rules_for(surface) == (snapshot.rules, snapshot.plan)
