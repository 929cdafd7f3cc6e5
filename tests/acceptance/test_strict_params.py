"""With `strict_params` nothing that the caller sent is left out: another model answers, or nobody does."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.scripted_provider import Provider, Reply, provider, providers_of

RULES = """
models:
  claude: {provider: anthropic, model: claude-1, price: free, takes: [tools, thinking], max_output: 900}
  gpt: {provider: openai, model: gpt-1, price: free, takes: [tools], refuses: [temperature]}
rules:
  - {name: lenient, priority: 2, when: {header.x-rule: lenient}, route: [claude], strict_params: false}
  - {name: both, priority: 1, when: {header.x-rule: both}, route: [claude, gpt]}
  - {name: all, route: [claude], strict_params: true}
defaults: {strict_params: true}
"""
SEED: dict[str, Any] = {"seed": 7, "logit_bias": {"5": 1}}


@pytest.fixture
async def scripted() -> AsyncIterator[Provider]:
    async with provider() as there:
        yield there


@pytest.fixture
async def running(tmp_path: Path, scripted: Provider) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"r.yaml": providers_of(scripted.url) + RULES}, simulate=False) as there:
        yield there


async def ask(running: Daemon, surface: str, rule: str, **fields: object) -> tuple[int, Any, dict[str, Any]]:
    """Give the status, the answer and the row."""
    body = {"model": "auto", "max_tokens": 90, "messages": [{"role": "user", "content": "Hello"}], **fields}
    async with running.http.post(running.url + PATHS[surface], json=body, headers={"x-rule": rule}) as response:
        answer = await response.json()
    return response.status, answer, await running.row(response.headers["x-rulegate-request-id"])


async def test_a_model_that_takes_all_of_it_answers(running: Daemon, scripted: Provider) -> None:
    """U-46: the one before it is passed over, and the row says for what."""
    status, _, row = await ask(running, "chat", "both", **SEED)
    assert (status, row["model"]) == (200, "gpt")
    assert row["attempts"][0] == {"model": "claude", "skip": "incapable", "lacks": ["logit_bias", "seed"]}
    assert "dropped" not in row["facts"]
    assert [sent.provider for sent in scripted.sent] == ["openai"]
    assert (await ask(running, "chat", "both"))[2]["model"] == "claude"


async def test_where_no_model_takes_all_of_it_the_refusal_names_the_fields(running: Daemon, scripted: Provider) -> None:
    """U-46: those of each model, in the words of the caller's dialect."""
    status, answer, row = await ask(running, "chat", "both", **SEED, temperature=0.3)
    error = answer["error"]
    assert (status, error["type"], row["outcome"]) == (400, "invalid_request_error", "refused")
    assert error["param"] == "logit_bias"
    assert error["message"] == (
        "no model can serve this request: 'logit_bias' and 'seed' would be left out for 'claude', which strict_params "
        "forbids; 'temperature' would be left out for 'gpt', which strict_params forbids"
    )
    assert scripted.sent == []


UNSIGNED = [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "Hi"}]
TURN = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("surface", "fields", "named"),
    [
        ("chat", {"max_tokens": 5000}, "'max_tokens'"),
        ("messages", {"api_base": "http://elsewhere"}, "'api_base'"),
        (
            "messages",
            {"messages": [TURN, {"role": "assistant", "content": UNSIGNED}, TURN]},
            "'messages.content.thinking'",
        ),
    ],
    ids=["lowered", "another place", "an unsigned thought"],
)
async def test_whatever_would_be_left_out_counts(
    running: Daemon, scripted: Provider, surface: str, fields: dict[str, Any], named: str
) -> None:
    """U-46."""
    status, answer, _ = await ask(running, surface, "all", **fields)
    assert status == 400
    assert f"{named} would be left out for 'claude'" in answer["error"]["message"]
    assert scripted.sent == []


async def test_a_refused_signature_is_not_tried_again_without_the_thoughts(running: Daemon, scripted: Provider) -> None:
    """U-46 before U-48."""
    words = "messages.1.content.0: Invalid `signature` in `thinking` block"
    scripted.will("anthropic", Reply(400, {"type": "error", "error": {"type": "x", "message": words}}))
    thought = {"type": "thinking", "thinking": "hm", "signature": "c3RhbGU="}
    said = [TURN, {"role": "assistant", "content": [thought]}, TURN]
    status, answer, _ = await ask(running, "messages", "all", messages=said)
    assert (status, answer["error"]["message"], len(scripted.sent)) == (400, words, 1)


async def test_a_rule_may_be_more_lenient_than_the_defaults(running: Daemon, scripted: Provider) -> None:
    """U-46: there it is left out, and named."""
    status, _, row = await ask(running, "chat", "lenient", **SEED)
    assert (status, row["facts"]["dropped"]) == (200, ["logit_bias", "seed"])
    assert [sent.provider for sent in scripted.sent] == ["anthropic"]


async def test_a_model_asked_for_by_name_is_as_strict_as_the_defaults(running: Daemon) -> None:
    """U-46: and OpenAI's client raises the class that it has for such requests."""
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="'seed' would be left out") as raised:
            await client.chat.completions.create(
                model="claude", messages=[{"role": "user", "content": "Hello"}], max_tokens=9, seed=7
            )
    assert raised.value.param == "seed"
