"""Simulated embeddings as the official SDK, unmodified, reads them."""

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import openai as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator import embeddings
from gateway.simulator.embeddings import Wanted, vector_of
from gateway.simulator.faults import Fault, Script
from gateway.simulator.wire import Whole
from gateway.simulator.world import Question, answer
from tests.simulator.plain_client import Simulated

MODEL = "text-embedding-3-small"


@pytest.fixture
async def client(simulated: Simulated) -> AsyncIterator[sdk.AsyncOpenAI]:
    async with sdk.AsyncOpenAI(base_url=f"{simulated.url}/v1", api_key="x", max_retries=0) as client:
        yield client


def wanted(text: str, dimensions: int, model: str = MODEL) -> Wanted:
    asked = embeddings.read({"model": model, "input": text, "dimensions": dimensions}, frozenset())
    assert isinstance(asked, Wanted)
    return asked


async def test_base64_and_numbers_are_the_same_vectors(client: sdk.AsyncOpenAI) -> None:
    decoded = await client.embeddings.create(model=MODEL, input=["a", "b"])
    written = await client.embeddings.create(model=MODEL, input=["a", "b"], encoding_format="float")
    assert decoded.data == written.data
    assert [each.index for each in decoded.data] == [0, 1]
    assert (decoded.model, decoded.object) == (MODEL, "list")
    assert decoded.usage.prompt_tokens == decoded.usage.total_tokens > 0


@given(st.text(min_size=1, max_size=20), st.integers(1, 1536))
def test_vectors_have_length_one_and_follow_from_model_and_input(text: str, dimensions: int) -> None:
    asked = wanted(text, dimensions)
    vector = vector_of(asked, text)
    assert len(vector) == dimensions
    assert math.isclose(sum(each * each for each in vector), 1, abs_tol=1e-5)
    assert vector == vector_of(wanted(text, dimensions), text)
    if dimensions > 8:
        assert vector != vector_of(wanted(text, dimensions, "another"), text) != vector_of(asked, text + "x")


@pytest.mark.parametrize(("model", "size"), [(MODEL, 1536), ("text-embedding-3-large", 3072)])
async def test_a_model_has_its_own_size(client: sdk.AsyncOpenAI, model: str, size: int) -> None:
    answered = await client.embeddings.create(model=model, input="a")
    assert len(answered.data[0].embedding) == size


@pytest.mark.parametrize("asked", ["text", ["text", "more"], [1, 2], [[1, 2], [3]]], ids=str)
async def test_every_form_of_input_is_answered(client: sdk.AsyncOpenAI, asked: Any) -> None:  # noqa: ANN401 - any input
    answered = await client.embeddings.create(model=MODEL, input=asked)
    assert len(answered.data) == (1 if asked in ("text", [1, 2]) else 2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ""}, "empty string"),
        ({"input": ["a"] * 2049}, "input"),
        ({"encoding_format": "hex"}, "'float' and 'base64'"),
        ({"dimensions": 0}, "between 1 and 1536"),
        ({"dimensions": 1537}, "between 1 and 1536"),
        ({"model": "text-embedding-ada-002", "dimensions": 5}, "does not support specifying dimensions"),
        ({"model": ""}, "model parameter"),
    ],
    ids=str,
)
async def test_a_bad_request_is_complained_about(simulated: Simulated, fields: dict[str, object], words: str) -> None:
    body = {"model": MODEL, "input": "a", **fields}
    async with simulated.client.post(f"{simulated.url}/v1/embeddings", json=body) as response:
        error = (await response.json())["error"]
    assert (response.status, error["type"]) == (400, "invalid_request_error")
    assert words in error["message"]


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.RATE_LIMITED, 429), (Fault.SERVER_ERROR, 500), (Fault.AUTH, 401), (Fault.EMPTY, 200)]
)
async def test_faults_are_those_of_the_provider(simulated: Simulated, fault: Fault, status: int) -> None:
    simulated.faults.put(MODEL, Script(fault))
    async with simulated.client.post(f"{simulated.url}/v1/embeddings", json={"model": MODEL, "input": "a"}) as response:
        told = await response.json()
    assert response.status == status
    assert told["data"] == [] if status == 200 else told["error"]


async def test_what_is_no_json_is_complained_about(simulated: Simulated) -> None:
    async with simulated.client.post(f"{simulated.url}/v1/embeddings", data=b"{") as response:
        assert response.status == 400


def test_a_missing_usage_is_left_out(question: Question) -> None:
    wire: Whole = embeddings
    asked = wanted("a", 3)
    told = json.loads(wire.whole(asked, answer(asked)).body)
    assert told["usage"]["prompt_tokens"] >= 1
    assert len(told["data"][0]["embedding"]) == 3
    with pytest.raises(TypeError):
        wire.whole(question, answer(question))
