"""What only its provider can read of a thought comes back as it was, and goes to nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.responses.items import thought_item
from gateway.dialects.responses.sealing import is_ours, sealed, thought_of
from gateway.domain.message import Thinking

seals = st.text(max_size=20)


@given(st.builds(Thinking, st.text(max_size=9), seals) | seals.map(lambda data: Thinking("", redacted=data)))
def test_a_thought_comes_back_as_it_was(thought: Thinking) -> None:
    """U-47: byte for byte."""
    assert thought_of(thought_item("rs_rulegate_1", thought)) == thought


def test_a_thought_without_a_signature_has_no_seal() -> None:
    """U-47: none is made up."""
    assert sealed("", "") is None
    assert "encrypted_content" not in thought_item("rs_rulegate_1", Thinking("Hm"))


@pytest.mark.parametrize(
    ("item", "ours"),
    [
        (thought_item("rs_rulegate_1", Thinking("Hm", "sig")), True),
        (thought_item("", Thinking("Hm", "sig")), True),
        (thought_item("rs_rulegate_1", Thinking("Hm")), True),
        ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}, False),
        ({"type": "message", "id": "rs_rulegate_1"}, False),
        ("reasoning", False),
        ({"type": "reasoning", "encrypted_content": 5, "id": []}, False),
    ],
)
def test_what_the_gateway_wrote_is_known_by_its_mark(item: object, *, ours: bool) -> None:
    assert is_ours(item) is ours


@pytest.mark.parametrize("item", [{}, {"summary": 5, "content": [5, {"text": "x"}]}, {"encrypted_content": "gAAAA"}])
def test_the_seal_of_another_provider_is_left_out(item: dict[str, object]) -> None:
    thought = thought_of(item)
    assert (thought.signature, thought.redacted) == ("", "")
