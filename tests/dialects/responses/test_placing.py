"""A rule's edits reach the parameters that stand within others here."""

from typing import Any

import pytest

from gateway.dialects.responses.placing import placed
from gateway.domain.rule import NO_PARAMS
from tests.dialects.exchanges import edits


@pytest.mark.parametrize(
    ("given", "fields", "members"),
    [
        ({"set": {"reasoning_effort": "low"}}, {}, {"reasoning": {"effort": "low"}}),
        (
            {"set": {"reasoning_effort": "low", "verbosity": "high"}},
            {"reasoning": {"effort": "high", "summary": "auto"}, "text": {"format": {"type": "text"}}},
            {
                "reasoning": {"effort": "low", "summary": "auto"},
                "text": {"format": {"type": "text"}, "verbosity": "high"},
            },
        ),
        ({"default": {"verbosity": "low"}}, {"text": {"verbosity": None}}, {"text": {"verbosity": "low"}}),
        ({"default": {"verbosity": "low"}}, {"text": {"verbosity": "high"}}, {}),
        ({"drop": ["reasoning_effort"]}, {"reasoning": {"effort": "low"}}, {"reasoning": {}}),
        ({"drop": ["reasoning_effort"]}, {}, {}),
    ],
)
def test_an_edit_goes_where_the_parameter_stands(
    given: dict[str, Any], fields: dict[str, Any], members: dict[str, Any]
) -> None:
    left, within = placed(edits(**given), fields)
    assert within == members
    assert left == NO_PARAMS


def test_all_other_edits_stay_on_the_top_level() -> None:
    """Where none is for a parameter within another, the rule's own are given back."""
    params = edits(set={"temperature": 0}, drop=["top_p"])
    assert placed(params, {}) == (params, {})
    left, _ = placed(edits(set={"temperature": 0, "verbosity": "low"}, drop=["top_p"], cap={"max_tokens": 5}), {})
    assert left == edits(set={"temperature": 0}, drop=["top_p"], cap={"max_tokens": 5})
