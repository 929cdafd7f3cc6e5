"""Fifty conversations at once over all surfaces, by the official clients, with the foreign mock as both providers."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer
from openai.types.chat import ChatCompletionMessageParam

from tests.fakes.beside import REGISTRY
from tests.fakes.daemon import Daemon, daemon

CONVERSATIONS = 50
TURNS = 2
MODELS = ("nano", "haiku")
MARK = re.compile(r"mark-\d+-")


History = Sequence[MessageParam]
Ask = Callable[[str, History], Awaitable[str]]
"""Asks a model with all that was said so far; gives its answer."""


@pytest.fixture
def echoing() -> Iterator[LLMockServer]:
    with LLMockServer(responses=MockResponseSettings(response_style="echo")) as server:
        yield server


@pytest.fixture
async def running(tmp_path: Path, echoing: LLMockServer) -> AsyncIterator[Daemon]:
    rules = REGISTRY.format(openai=echoing.base_url("openai"), anthropic=echoing.base_url("anthropic"))
    async with daemon(tmp_path, {"rules.yaml": rules}, simulate=False) as started:
        yield started


def spoken(said: History) -> list[ChatCompletionMessageParam]:
    """Give what was said in the words of the other client."""
    return [
        {"role": "user", "content": str(each["content"])}
        if each["role"] == "user"
        else {"role": "assistant", "content": str(each["content"])}
        for each in said
    ]


def ways(chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic) -> Sequence[Ask]:
    """List how to ask: on each surface, streamed and not."""

    async def chat_whole(model: str, said: History) -> str:
        answer = await chat.chat.completions.create(model=model, messages=spoken(said))
        return answer.choices[0].message.content or ""

    async def chat_streamed(model: str, said: History) -> str:
        async with chat.chat.completions.stream(model=model, messages=spoken(said)) as events:
            answer = await events.get_final_completion()
        return answer.choices[0].message.content or ""

    async def message_whole(model: str, said: History) -> str:
        answer = await messages.messages.create(model=model, max_tokens=90, messages=said)
        return "".join(block.text for block in answer.content if block.type == "text")

    async def message_streamed(model: str, said: History) -> str:
        async with messages.messages.stream(model=model, max_tokens=90, messages=said) as events:
            return await events.get_final_text()

    return chat_whole, chat_streamed, message_whole, message_streamed


async def talk(number: int, model: str, ask: Ask) -> list[str]:
    """Hold a conversation in which every answer says again what this one began with; gives the answers."""
    said: list[MessageParam] = []
    answers = []
    for turn in range(TURNS):
        said.append({"role": "user", "content": f"mark-{number}- turn {turn}"})
        answers.append(await ask(model, said))
        said.append({"role": "assistant", "content": answers[-1]})
    return answers


async def test_every_answer_of_fifty_conversations_goes_to_whom_it_belongs(
    running: Daemon, echoing: LLMockServer
) -> None:
    """U-21 U-26: no word of one is in another, one request is one request upstream, and the mock finds nothing."""
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(
            openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)
        )
        messages = await stack.enter_async_context(
            anthropic.AsyncAnthropic(base_url=running.url, api_key="none", max_retries=0)
        )
        turns = itertools.cycle(itertools.product(MODELS, ways(chat, messages)))
        talks = [talk(number, model, ask) for number, (model, ask) in zip(range(CONVERSATIONS), turns, strict=False)]
        answers = await asyncio.gather(*talks)
    for number, said in enumerate(answers):
        assert [set(MARK.findall(text)) for text in said] == [{f"mark-{number}-"}] * TURNS
    rows = await running.rows(CONVERSATIONS * TURNS)
    assert {(row["outcome"], len(row["attempts"])) for row in rows} == {("answered", 1)}
    async with running.http.get(f"{echoing.url}/_llmock/verdict") as response:
        assert (await response.json())["findings"] == []
    async with running.http.get(f"{echoing.url}/_llmock/requests") as response:
        seen = (await response.json())["requests"]
    assert len(seen) == CONVERSATIONS * TURNS
    assert {each["provider"] for each in seen} == {"openai", "anthropic"}
