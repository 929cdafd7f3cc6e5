"""The ways to a provider: what one of them promises, all of them do."""

from collections.abc import AsyncIterator

import pytest

from gateway.domain.upstream import Library
from gateway.domain.words import Dialect
from tests.adapters.over import WAYS, Over


@pytest.fixture(params=WAYS)
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Over]:
    kind: str = request.param
    made = Over(None if kind == "http" else Library(Dialect(kind.removeprefix("sdk-"))))
    yield made
    await made.close()
