"""The official Node clients, unmodified: what they are answered by the simulator, by the foreign mock, and by streams
that were recorded from the real providers."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from llmock.scenarios import Fail, Match, Reply, ToolCall
from llmock.testing import LLMockServer

from tests.dialects.recorded import RECORDED
from tests.fakes import node
from tests.fakes.daemon import Daemon, daemon
from tests.fakes.recorded_provider import replaying

SCRIPTS = ("openai.mjs", "anthropic.mjs")
FINISHED = {"openai.mjs": "stop", "anthropic.mjs": "end_turn"}
CALLED = {"openai.mjs": "tool_calls", "anthropic.mjs": "tool_use"}
REGISTRY = """\
providers:
  openai: {{kind: openai, base_url: "{openai}", api_key: none}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}/v1", api_key: none}}
  recorded: {{kind: anthropic, base_url: "{recorded}", api_key: none}}
  recorded-too: {{kind: openai, base_url: "{recorded}", api_key: none}}
models:
"""
MODELS = {
    **{
        f"{kind}-{use}": (kind, f"{kind}-{use}")
        for kind in ("openai", "anthropic")
        for use in ("chat", "json", "limited", "broken")
    },
    "thinker": ("recorded", "anthropic-thinking"),
    "silent-thinker": ("recorded", "anthropic-redacted-thinking"),
    "reasoner": ("recorded-too", "openai-reasoning"),
}
CALLS = [["get_weather", {"city": "Paris"}], ["get_weather", {"city": "Rome"}]]
FORECAST = '{"city": "Paris", "degrees": 21}'
BOTH = Reply(
    text="", tool_calls=(ToolCall("get_weather", {"city": "Paris"}), ToolCall("get_weather", {"city": "Rome"}))
)


@pytest.fixture
def mock() -> Iterator[LLMockServer]:
    with LLMockServer() as server:
        yield server


@pytest.fixture
async def mocked(tmp_path: Path, mock: LLMockServer) -> AsyncIterator[Daemon]:
    async with replaying() as recorded:
        registry = REGISTRY.format(
            openai=mock.base_url("openai"), anthropic=mock.base_url("anthropic"), recorded=recorded
        )
        lines = [
            f"  {name}: {{provider: {provider}, model: {model}, price: {{input: 1, output: 2}}}}\n"
            for name, (provider, model) in MODELS.items()
        ]
        rules = "rules:\n  - name: all\n    route: [openai-chat]\n"
        async with daemon(tmp_path, {"rules.yaml": "".join((registry, *lines, rules))}, simulate=False) as running:
            yield running


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("model", ["nano", "haiku"])
async def test_text_streams_models_and_an_unknown_name(paired: Daemon, script: str, model: str) -> None:
    """U-26 U-61: answered by the simulator's model of either kind; what is not there raises the right class."""
    tasks = dict.fromkeys(("text", "stream", "models"), model) | {"unknown": "gpt-99", "invalid": model}
    tasks |= {"count": model} if script == "anthropic.mjs" else {}
    seen = await node.run(script, paired.url, tasks)
    upstream = {"nano": "gpt-5-nano", "haiku": "claude-haiku-4-5"}[model]
    for task in ("text", "stream"):
        assert seen[task]["text"].startswith(f"(simulated {upstream})")
        assert (seen[task]["finish"], seen[task]["tokens"] > 0) == (FINISHED[script], True)
    assert (seen["text"]["by"], seen["stream"]["pieced"]) == (upstream, True)
    assert script != "anthropic.mjs" or seen["count"]["tokens"] > 0
    assert seen["models"]["ids"] == ["auto", "nano", "mini", "haiku", "sonnet"]
    assert (seen["unknown"]["error"], seen["unknown"]["status"], seen["unknown"]["id"]) == ("NotFoundError", 404, True)
    assert (seen["invalid"]["error"], seen["invalid"]["status"], seen["invalid"]["id"]) == (
        "BadRequestError",
        400,
        True,
    )


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("model", ["nano", "haiku"])
async def test_what_the_simulator_says_beside_text(paired: Daemon, script: str, model: str) -> None:
    """U-43 U-44 U-47: calls that must be, forms and thoughts, by a model of either kind."""
    tasks = dict.fromkeys(("tools", "streamed_tools", "schema"), model)
    tasks |= {"thinking": model} if script == "anthropic.mjs" else {"runner": model}
    seen = await node.run(script, paired.url, tasks)
    for task in ("tools", "streamed_tools"):
        [(name, arguments)] = seen[task]["calls"]
        assert (name, seen[task]["finish"], arguments.keys()) == ("get_weather", CALLED[script], {"city"})
    assert seen["tools"]["next"].startswith("(simulated")
    assert seen["schema"]["object"].keys() == {"city", "degrees"}
    if script == "openai.mjs":
        assert seen["runner"]["text"].startswith("(simulated")
    else:
        assert (seen["thinking"]["kinds"], seen["thinking"]["pieced"]) == (["thinking", "text"], True)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_tools_schemas_and_errors(mocked: Daemon, mock: LLMockServer, script: str, kind: str) -> None:
    """U-21 U-43 U-44 U-45 U-61: parallel calls and their results, whole and streamed, by a provider of either kind,
    and its failures as the classes that applications catch."""
    mock.state.scenarios.add(
        Fail(429, retry_after=7, times=None, match=Match(model="*-limited")),
        Fail(500, times=None, match=Match(model="*-broken")),
        Reply(text=FORECAST, times=None, match=Match(model="*-json")),
        *(Reply(tool_calls=BOTH.tool_calls, match=Match(tools=True, stream=stream)) for stream in (False, True)),
    )
    tasks = {
        **dict.fromkeys(("tools", "streamed_tools", "text", "stream"), f"{kind}-chat"),
        "limited": f"{kind}-limited",
        "broken": f"{kind}-broken",
    }
    tasks |= {"schema": f"{kind}-json"}
    tasks |= {"runner": f"{kind}-chat"} if script == "openai.mjs" else {}
    seen = await node.run(script, mocked.url, tasks)
    assert (seen["tools"]["calls"], seen["tools"]["finish"], bool(seen["tools"]["next"])) == (
        CALLS,
        CALLED[script],
        True,
    )
    assert (seen["streamed_tools"]["calls"], seen["streamed_tools"]["finish"]) == (CALLS, CALLED[script])
    assert seen["text"]["text"] == seen["stream"]["text"]
    assert (seen["limited"]["error"], seen["limited"]["status"]) == ("RateLimitError", 429)
    assert (seen["broken"]["error"], seen["broken"]["status"] >= 500) == ("InternalServerError", True)
    assert seen["schema"]["object"] == {"city": "Paris", "degrees": 21}
    if script == "openai.mjs":
        assert seen["runner"]["asked"] == ["mock-city"]
        assert seen["runner"]["text"]
    async with mocked.http.get(f"{mock.url}/_llmock/verdict") as response:
        found = (await response.json())["findings"]
    assert {each["code"] for each in found} == {"gave_up"}


@pytest.mark.parametrize("model", ["thinker", "silent-thinker", "reasoner"])
async def test_a_stream_that_thinks(mocked: Daemon, model: str) -> None:
    """U-47: thoughts come as blocks of their own, in pieces and whole, with the signature that the provider gave."""
    recorded = next(each for each in RECORDED if each.name == MODELS[model][1])
    seen = (await node.run("anthropic.mjs", mocked.url, {"thinking": model}))["thinking"]
    assert seen["text"] == recorded.text
    assert seen["pieced"]
    if model == "silent-thinker":
        assert seen["kinds"] == ["redacted_thinking", "redacted_thinking", "text"]
    else:
        assert seen["kinds"] == ["thinking", "text"]
        assert seen["thought"]
    assert not seen["signature"] or seen["signature"].encode() in recorded.data
