"""A running daemon with a chain for each pair of models."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.daemon import Daemon, daemon
from tests.fakes.rule_files import MODELS, chosen_by_header


@pytest.fixture
async def paired(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"models.yaml": MODELS, "pairs.yaml": chosen_by_header()}) as running:
        yield running
