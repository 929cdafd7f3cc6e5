"""Usages: counters that add up."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from gateway.domain.usage import COUNTERS, Usage, counters_of, total_of
from tests.strategies import usages


def test_the_counters_are_all_fields_that_count() -> None:
    assert {field.name for field in fields(Usage)} == {*COUNTERS, "service_tier", "estimated"}
    assert counters_of(Usage(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)) == tuple(range(1, 11))


def test_nothing_used_is_not_anything() -> None:
    assert not Usage(service_tier="flex", estimated=True).anything
    for name in COUNTERS:
        one: dict[str, Any] = {name: 1}
        assert Usage(**one).anything


@given(st.lists(usages, max_size=5))
def test_a_total_adds_every_counter_and_is_a_guess_if_a_part_is(some: list[Usage]) -> None:
    """U-34: the tier is the last one's; one guess makes the whole one."""
    parts = [replace(usage, estimated=place == 1) for place, usage in enumerate(some)]
    total = total_of(parts)
    if not parts:
        assert total is None
        return
    assert total is not None
    for place, _ in enumerate(COUNTERS):
        assert counters_of(total)[place] == sum(counters_of(part)[place] for part in parts)
    assert (total.service_tier, total.estimated) == (parts[-1].service_tier, len(parts) > 1)
