"""Running daemons: with a chain for each pair of models, and with a model of each dialect for the official clients."""

from collections.abc import AsyncIterator
from pathlib import Path

import anthropic
import openai
import pytest

from tests.fakes.crossing import RULES
from tests.fakes.daemon import Daemon, daemon
from tests.fakes.rule_files import MODELS, chosen_by_header


@pytest.fixture
async def paired(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"models.yaml": MODELS, "pairs.yaml": chosen_by_header()}) as running:
        yield running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"a.yaml": RULES}) as running:
        yield running


@pytest.fixture
async def by_openai(gateway: Daemon) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def by_anthropic(gateway: Daemon) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="none", max_retries=0) as client:
        yield client
