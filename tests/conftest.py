"""What all tests share: how hypothesis runs, and how long the fuzzers and the soak do."""

import pytest
from hypothesis import settings

# A deadline is a timing assert: on a busy machine it fails without a fault. Speed is measured in bench/.
settings.register_profile("rulegate", deadline=None)
settings.load_profile("rulegate")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--fuzz-minutes` and `--soak-minutes`."""
    parser.addoption(
        "--fuzz-minutes",
        type=float,
        default=0.0,
        metavar="N",
        help="run each fuzzer of tests/fuzz for N minutes, rather than for a few hundred examples",
    )
    parser.addoption(
        "--soak-minutes",
        type=float,
        default=2.0,
        metavar="N",
        help="keep a daemon under mixed traffic for N minutes, rather than for two",
    )
