"""Simulated token counts as the official SDK, unmodified, reads them."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic as sdk
import pytest

from gateway.simulator import counting
from gateway.simulator.faults import Fault, Script
from gateway.simulator.wire import Whole
from gateway.simulator.world import Question
from tests.simulator.plain_client import Simulated

MODEL = "claude-haiku-4-5"
SAID: Any = [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.fixture
async def client(simulated: Simulated) -> AsyncIterator[sdk.AsyncAnthropic]:
    async with sdk.AsyncAnthropic(base_url=simulated.url, api_key="x", max_retries=0) as client:
        yield client


async def test_a_count_follows_from_the_request_and_grows_with_it(client: sdk.AsyncAnthropic) -> None:
    first, again = [await client.messages.count_tokens(model=MODEL, messages=SAID) for _ in range(2)]
    longer = await client.messages.count_tokens(model=MODEL, messages=SAID, system="Be brief. " * 99)
    assert 0 < first.input_tokens == again.input_tokens < longer.input_tokens


async def test_fields_that_only_a_message_has_are_refused(simulated: Simulated) -> None:
    """As Anthropic refuses them, so that who passes them on is found out."""
    headers = {"anthropic-version": "2023-06-01"}
    for name in ("max_tokens", "temperature", "metadata"):
        body = {"model": MODEL, "messages": SAID, name: 1}
        async with simulated.client.post(
            f"{simulated.url}/v1/messages/count_tokens", json=body, headers=headers
        ) as response:
            error = (await response.json())["error"]
        assert (response.status, error["message"]) == (400, f"{name}: Extra inputs are not permitted")


async def test_other_complaints_and_faults_are_those_of_messages(
    simulated: Simulated, client: sdk.AsyncAnthropic
) -> None:
    with pytest.raises(sdk.BadRequestError, match="at least one message"):
        await client.messages.count_tokens(model=MODEL, messages=[])
    async with simulated.client.post(f"{simulated.url}/v1/messages/count_tokens", data=b"{") as response:
        assert response.status == 400
    simulated.faults.put(MODEL, Script(Fault.OVERLOADED))
    with pytest.raises(sdk.APIStatusError) as error:
        await client.messages.count_tokens(model=MODEL, messages=SAID)
    assert error.value.status_code == 529


def test_it_fits_what_has_no_streams(question: Question) -> None:
    wire: Whole = counting
    assert wire.failure(Fault.AUTH, question, None).status == 401
