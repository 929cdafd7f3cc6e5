"""What a refusal by a rate limit says."""

import pytest

from gateway.domain.limit import LimitKind, UsedUp


@pytest.mark.parametrize(("wait_s", "header"), [(0.001, 1), (1.0, 1), (1.001, 2), (59.5, 60), (60.0, 60)])
def test_the_seconds_of_the_header_are_enough(wait_s: float, header: int) -> None:
    """U-122: whole seconds, rounded up."""
    assert UsedUp(LimitKind.REQUESTS, 600, wait_s).retry_after_s == header
