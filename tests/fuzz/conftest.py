"""Hands the fuzzers their time."""

import pytest

from tests.fuzz.running import Fuzz


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    return Fuzz(request.config.getoption("--fuzz-minutes"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Lift the limit of time in a long run."""
    if config.getoption("--fuzz-minutes"):
        for item in items:
            if "fuzz" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.timeout(0))
