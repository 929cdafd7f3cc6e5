"""Providers that misbehave on the wire: whatever one does, its caller gets an answer, or an error that says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.adapters.upstream import Script, serving
from tests.fakes.answers import read
from tests.fakes.daemon import Daemon, daemon
from tests.fakes.dictated import FIRST, REST
from tests.fakes.hostile import AFTER, BEFORE, WHILE_WHOLE
from tests.fakes.scripted_provider import Reply, provider, providers_of

SURFACES = pytest.mark.parametrize("surface", ["chat", "messages"])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
SLOW, QUICK = "headers: 300ms, first_content: 300ms, idle: 300ms, total: 600ms", "total: 20s"
"""Limits for what comes too slowly, and for what is too much."""


@asynccontextmanager
async def beside(directory: Path, script: Script, failure: str, *, stream: bool) -> AsyncIterator[Daemon]:
    """Run a daemon whose first step is a provider that follows a script, and whose second one answers."""
    async with serving(script) as hostile, provider() as well:
        well.will("anthropic", *([Reply(stream=FIRST["anthropic"] + REST["anthropic"])] if stream else []))
        bad = hostile.url.removesuffix("/chat/completions")
        limits = SLOW if failure == "timeout" else QUICK
        rules = (
            f'{providers_of(well.url)}  bad: {{kind: openai, base_url: "{bad}", api_key: none}}\n'
            "models:\n"
            "  first: {provider: bad, model: up-1, price: free}\n"
            "  second: {provider: anthropic, model: up-2, price: free}\n"
            f"rules: [{{name: all, route: [{{model: first, timeout: {{{limits}}}}}, second]}}]\n"
        )
        async with daemon(directory, {"a.yaml": rules}, simulate=False) as running:
            yield running


async def falls_back(running: Daemon, surface: str, failure: str, *, stream: bool) -> None:
    """See that the second step answers, with nothing of the first one in it, and that the row says why."""
    async with running.ask(surface, stream=stream) as response:
        assert response.status == 200, await response.text()
        assert response.headers["x-rulegate-model"] == "second"
        await response.read()
    row = await running.row(response.headers["x-rulegate-request-id"])
    assert row["outcome"] == "answered_after_fallback"
    assert [each["failure"] for each in row["attempts"]] == [failure, None]


@STREAMED
@pytest.mark.parametrize("how", BEFORE)
async def test_before_content_the_next_step_answers(tmp_path: Path, how: str, *, stream: bool) -> None:
    """U-01 U-03 U-113: at its limit of time or of size, with the word for what it was."""
    script, failure = BEFORE[how]
    async with beside(tmp_path, script, failure, stream=stream) as running:
        await falls_back(running, "chat", failure, stream=stream)


@SURFACES
@pytest.mark.parametrize("how", WHILE_WHOLE)
async def test_a_whole_answer_that_does_not_end_is_followed_by_the_next_step(
    tmp_path: Path, surface: str, how: str
) -> None:
    """U-23 U-113: within its total, and within the bound of an answer."""
    script, failure = WHILE_WHOLE[how]
    async with beside(tmp_path, script, failure, stream=False) as running:
        await falls_back(running, surface, failure, stream=False)


@SURFACES
@pytest.mark.parametrize("how", AFTER)
async def test_after_content_the_stream_ends_with_an_error_event(tmp_path: Path, surface: str, how: str) -> None:
    """U-06 U-23 U-40: never with a clean end, nor with another model's words."""
    script, failure = AFTER[how]
    async with beside(tmp_path, script, failure, stream=True) as running:
        async with running.ask(surface, stream=True) as response:
            said = read(surface, await response.read(), stream=True)
        assert said.text.startswith("An ")
        assert (said.whole, said.error is not None) == (False, True)
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert (row["outcome"], row["model"]) == ("interrupted", "first")
        assert [each["failure"] for each in row["attempts"]] == [failure]
