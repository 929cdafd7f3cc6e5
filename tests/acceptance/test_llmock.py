"""An upstream that nobody here wrote: llmock, a mock of both providers' HTTP that judges how its client behaves.

What it calls a retry is a request with the same body. So a chain over two models is two calls to it, of which the
first one gives up; a chain over two accounts of one model is one call with a retry.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import anthropic
import openai
import pytest
from llmock.scenarios import Behavior, Fail, Match, StreamFault, StreamFaultKind
from llmock.testing import LLMockServer

from tests.fakes.daemon import Daemon, daemon
from tests.fakes.rule_files import HASTY, PAIRS, UPSTREAM

REGISTRY = """\
providers:
  openai: {{kind: openai, base_url: "{openai}", api_key: none}}
  openai-two: {{kind: openai, base_url: "{openai}", api_key: none}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}/v1", api_key: none}}
  anthropic-two: {{kind: anthropic, base_url: "{anthropic}/v1", api_key: none}}
models:
  nano: {{provider: openai, model: gpt-5-nano, price: {{input: 1, output: 2}}}}
  nano-two: {{provider: openai-two, model: gpt-5-nano, price: {{input: 1, output: 2}}}}
  mini: {{provider: openai, model: gpt-5-mini, price: {{input: 1, output: 2}}}}
  haiku: {{provider: anthropic, model: claude-haiku-4-5, price: {{input: 1, output: 2}}}}
  haiku-two: {{provider: anthropic-two, model: claude-haiku-4-5, price: {{input: 1, output: 2}}}}
  sonnet: {{provider: anthropic, model: claude-sonnet-4-5, price: {{input: 1, output: 2}}}}
"""
FIRST = ("nano", "haiku")
ACCOUNTS = (("nano", "nano-two"), ("haiku", "haiku-two"))
CHAINS = {
    **{f"{first}-{second}": f"[{first}, {second}]" for first, second in (*PAIRS, *ACCOUNTS)},
    **{f"{first}-{second}-hasty": f"[{{model: {first}, {HASTY}}}, {second}]" for first, second in PAIRS},
    **{f"{name}-{two}-hasty": f"[{{model: {name}, timeout: {{first_content: 1s}}}}, {two}]" for name, two in ACCOUNTS},
    **{f"{name}-again": f"[{{model: {name}, tries: 2}}]" for name in FIRST},
    **{f"{name}-alone": f"[{name}]" for name in FIRST},
}
"""By the value of `x-chain`; hasty ones are for stalls, which nothing else ends."""
MANY = 3
"""How often each chain is asked in each way at the same time."""


@dataclass(frozen=True)
class Apps:
    """Two applications, each with the official client of one dialect; neither client retries."""

    openai: openai.AsyncOpenAI
    anthropic: anthropic.AsyncAnthropic

    async def ask(self, surface: str, chain: str, prompt: str, *, stream: bool) -> str:
        """Give the text of an answer; raises the client's own errors."""
        headers = {"x-chain": chain}
        if surface == "chat":
            if not stream:
                answer = await self.openai.chat.completions.create(
                    model="auto", messages=[{"role": "user", "content": prompt}], extra_headers=headers
                )
                return answer.choices[0].message.content or ""
            chunks = await self.openai.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": prompt}], stream=True, extra_headers=headers
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
        if not stream:
            message = await self.anthropic.messages.create(
                model="auto", max_tokens=90, messages=[{"role": "user", "content": prompt}], extra_headers=headers
            )
            return "".join(block.text for block in message.content if block.type == "text")
        async with self.anthropic.messages.stream(
            model="auto", max_tokens=90, messages=[{"role": "user", "content": prompt}], extra_headers=headers
        ) as events:
            return await events.get_final_text()


@asynccontextmanager
async def applications(url: str) -> AsyncIterator[Apps]:
    """Give applications of a gateway."""
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as one,
        anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as other,
    ):
        yield Apps(one, other)


@dataclass(frozen=True)
class Foreign:
    """The mock behind a running daemon, and the applications in front of it."""

    server: LLMockServer
    daemon: Daemon
    apps: Apps

    def break_down(self, *behaviors: Behavior) -> None:
        """Let the next requests that match meet these."""
        self.server.state.scenarios.add(*behaviors)

    async def seen(self) -> Sequence[dict[str, Any]]:
        """Give the requests that arrived at the mock, the oldest first, once none is under way there."""
        async with self.daemon.http.get(f"{self.server.url}/_llmock/requests") as response:
            requests: Sequence[dict[str, Any]] = (await response.json())["requests"]
            return requests

    async def verdict(self) -> list[tuple[str, str]]:
        """Give what the mock has to say against its client: severity and code of each finding."""
        async with self.daemon.http.get(f"{self.server.url}/_llmock/verdict") as response:
            said = await response.json()
        return [(each["severity"], each["code"]) for each in said["findings"]]


@pytest.fixture
def server() -> Iterator[LLMockServer]:
    with LLMockServer() as running:
        yield running


@pytest.fixture
async def foreign(tmp_path: Path, server: LLMockServer) -> AsyncIterator[Foreign]:
    rules = ["rules:"]
    for name, route in CHAINS.items():
        rules += [f"  - name: {name}", f"    when: {{header.x-chain: {name}}}", f"    route: {route}"]
    registry = REGISTRY.format(openai=server.base_url("openai"), anthropic=server.base_url("anthropic"))
    files = {"models.yaml": registry, "rules.yaml": "\n".join([*rules, ""])}
    async with daemon(tmp_path, files, simulate=False) as running, applications(running.url) as apps:
        yield Foreign(server, running, apps)


WAYS = tuple(itertools.product(("chat", "messages"), (False, True)))


@pytest.mark.parametrize("model", FIRST)
async def test_both_clients_are_answered_and_nothing_is_found(foreign: Foreign, model: str) -> None:
    """U-21: an answer and a stream, from either provider; one attempt is one request on the wire."""
    for surface, stream in WAYS:
        prompt = f"hello {surface} {stream}"
        assert await foreign.apps.ask(surface, f"{model}-alone", prompt, stream=stream)
    rows = await foreign.daemon.rows(len(WAYS))
    assert {(row["outcome"], row["model"]) for row in rows} == {("answered", model)}
    assert all(row["output_tokens"] > 0 for row in rows)
    assert len(await foreign.seen()) == len(WAYS)
    assert await foreign.verdict() == []


@dataclass(frozen=True)
class Case:
    """What the first models do, for ever, and the warnings that a change of model earns from who sees but one."""

    name: str
    fault: Fail | StreamFault
    failure: str
    warned: frozenset[str] = frozenset({"gave_up"})


def fail(status: int, retry_after: float | None = None) -> Fail:
    return Fail(status, retry_after=retry_after, times=None)


def broken(kind: StreamFaultKind) -> StreamFault:
    return StreamFault(kind, after_chunks=0, times=None)


CASES = [
    Case("429-with-retry-after", fail(429, 30), "rate_limited"),
    Case("500", fail(500), "server_error"),
    Case("503", fail(503), "overloaded"),
    Case("529", fail(529), "overloaded"),
    Case("drop", broken("disconnect"), "truncated"),
    Case("stall", broken("stall"), "timeout", frozenset()),
    Case("malformed", broken("malformed"), "malformed", frozenset({"malformed_chunk_ignored"})),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_chain_over_two_models_is_no_storm_and_ignores_no_retry_after(foreign: Foreign, case: Case) -> None:
    """U-09 U-16 U-21 U-23: whatever the first models of the chains do, one request after the other and many at once are
    answered by the second ones, each model is asked at most once a request, and all that the mock finds is that the
    failed model is not asked again."""
    for name in FIRST:
        match = Match(model=UPSTREAM[name], stream=True if isinstance(case.fault, StreamFault) else None)
        foreign.break_down(replace(case.fault, match=match))
    chains = ["-".join(pair) + ("-hasty" if case.failure == "timeout" else "") for pair in PAIRS]
    asked = [
        (surface, chain, f"question {number}: {surface} {chain}", stream)
        for number, (chain, (surface, stream)) in enumerate(itertools.product(chains, WAYS))
        if stream or isinstance(case.fault, Fail)
    ]
    for surface, chain, prompt, stream in asked:
        assert await foreign.apps.ask(surface, chain, prompt, stream=stream)
    texts = await asyncio.gather(
        *(
            foreign.apps.ask(surface, chain, f"{prompt}, {copy}", stream=stream)
            for surface, chain, prompt, stream in asked
            for copy in range(MANY)
        )
    )
    assert all(texts)

    rows = await foreign.daemon.rows(len(asked) * (MANY + 1))
    attempts = [each for row in rows for each in row["attempts"] if "failure" in each]
    assert {row["model"] for row in rows} == {"mini", "sonnet"}
    assert all(row["outcome"].startswith("answered") for row in rows)
    assert {each["failure"] for each in attempts if each["model"] in FIRST} == {case.failure}
    seen = await foreign.seen()
    assert len(seen) == len(attempts)
    assert len({record["fingerprint"] for record in seen}) == len(seen)
    found = await foreign.verdict()
    assert {severity for severity, _ in found} <= {"warning"}
    assert {code for _, code in found} <= case.warned
    assert len(found) <= sum(each["model"] in FIRST for each in attempts)


BEFORE_CONTENT = {"nano": 1, "haiku": 3}
AMID_CONTENT = {"nano": 3, "haiku": 5}
"""Chunks of the mock's streams until the first content has not yet, or has surely, gone out."""


@pytest.mark.parametrize("model", FIRST)
@pytest.mark.parametrize("kind", ["500", "disconnect", "truncate", "stall"])
async def test_a_second_account_or_a_second_try_takes_over_without_a_word_against_us(
    foreign: Foreign, kind: StreamFaultKind | Literal["500"], model: str
) -> None:
    """U-01 U-09 U-21: what fails before content is asked again once, as the mock would have it: no finding at all."""
    match = Match(model=UPSTREAM[model])
    asked = [("chat", f"{model}-{model}-two", kind != "500"), ("messages", f"{model}-again", True)]
    if kind == "stall":
        asked = [(surface, f"{model}-{model}-two-hasty", True) for surface in ("chat", "messages")]
    for surface, chain, stream in asked:
        foreign.break_down(
            Fail(500, match=match) if kind == "500" else StreamFault(kind, BEFORE_CONTENT[model], match=match)
        )
        assert await foreign.apps.ask(surface, chain, surface, stream=stream)
    rows = await foreign.daemon.rows(len(asked))
    assert [len(row["attempts"]) for row in rows] == [2] * len(asked)
    assert len(await foreign.seen()) == 2 * len(asked)
    assert await foreign.verdict() == []


@pytest.mark.parametrize("kind", ["truncate", "disconnect"])
@pytest.mark.parametrize("model", FIRST)
async def test_half_an_answer_is_never_taken_for_a_whole_one(
    foreign: Foreign, model: str, kind: StreamFaultKind
) -> None:
    """U-06: a stream that breaks amid its content raises in either client, within a dialect and across, so that an
    application asks again; the mock would find a stream that was cut and accepted."""
    errors = {"chat": openai.APIError, "messages": anthropic.APIError}
    for surface, error in errors.items():
        foreign.break_down(StreamFault(kind, after_chunks=AMID_CONTENT[model], match=Match(model=UPSTREAM[model])))
        with pytest.raises(error):
            await foreign.apps.ask(surface, f"{model}-alone", surface, stream=True)
        assert await foreign.apps.ask(surface, f"{model}-alone", surface, stream=True)
    rows = await foreign.daemon.rows(4)
    assert [row["outcome"] for row in rows] == ["answered", "interrupted"] * 2
    assert await foreign.verdict() == []


async def test_an_application_that_waits_as_told_is_answered(foreign: Foreign) -> None:
    """U-61: when all models name a time, so does our error; who waits that long asks neither model too early."""
    for name in ("nano", "mini"):
        foreign.break_down(Fail(429, retry_after=1, match=Match(model=UPSTREAM[name])))
    with pytest.raises(openai.RateLimitError) as raised:
        await foreign.apps.ask("chat", "nano-mini", "patience", stream=False)
    told_s = float(raised.value.response.headers["retry-after"])
    assert told_s == 1
    await asyncio.sleep(told_s)  # what is proved is that this is long enough
    assert await foreign.apps.ask("chat", "nano-mini", "patience", stream=False)
    assert {severity for severity, _ in await foreign.verdict()} <= {"warning"}


async def test_a_model_that_named_a_time_is_left_alone_until_then(foreign: Foreign) -> None:
    """U-16: the same question a moment later goes to the next model at once, not to the one that said 429."""
    for first, second in PAIRS:
        foreign.break_down(Fail(429, retry_after=30, match=Match(model=UPSTREAM[first])))
        for _ in range(2):
            assert await foreign.apps.ask("chat", f"{first}-{second}", "again and again", stream=False)
    assert {severity for severity, _ in await foreign.verdict()} <= {"warning"}


@pytest.mark.parametrize("model", FIRST)
async def test_a_second_try_does_not_come_before_the_time_that_was_named(foreign: Foreign, model: str) -> None:
    """U-16: `tries` is no reason to ask a model that has just said when to come again."""
    foreign.break_down(Fail(429, retry_after=30, match=Match(model=UPSTREAM[model])))
    with pytest.raises(openai.RateLimitError):
        await foreign.apps.ask("chat", f"{model}-again", "at once", stream=False)
    assert len(await foreign.seen()) == 1
