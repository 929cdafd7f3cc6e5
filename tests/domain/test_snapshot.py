"""What a snapshot is called."""

from tests.fakes.values import snapshot_of


def test_a_snapshot_goes_by_its_generation_and_the_head_of_its_fingerprint() -> None:
    snapshot = snapshot_of("rules: [{name: all, route: [small]}]")
    assert snapshot.label == f"0-{snapshot.fingerprint[:7]}"
