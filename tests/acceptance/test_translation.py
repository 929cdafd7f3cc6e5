"""Recorded cases of translation, played through the daemon.

Each is a request or an answer of one dialect, and what it must be in the other.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.engine.category_files import ROOT
from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.recorded import Recorded, recorded
from tests.fakes.translated import as_sent, difference, heard

CASES = ROOT.parent / "shared/eval/translation/dev.json"
MODELS = {"anthropic.messages": "kit-ant", "openai.chat": "kit-oai"}
RULES = """\
providers:
  ant: {{kind: anthropic, base_url: "{url}", api_key: none}}
  oai: {{kind: openai, base_url: "{url}", api_key: none}}
models:
  kit-ant: {{provider: ant, model: claude-x, price: free}}
  kit-oai: {{provider: oai, model: gpt-x, price: free}}
rules:
  - {{name: all, route: [kit-oai]}}
"""
EXCEPTIONS = {
    "envoy-o2a-error-403": "the status is 502",
    "anyllm-resp-a2o-non-streaming-response-empty-thinking-signature-has-no-extra": "the status is 502",
}
"""Cases in which this gateway does otherwise, and how; `docs/dialects.md` says why."""


async def test_the_recorded_cases_are_translated_as_expected(tmp_path: Path) -> None:
    """U-32 U-43 U-44 U-45 U-47 U-55 U-58 U-61: all of them, but for those that the docs explain."""
    if not CASES.exists():
        pytest.skip(f"TRANSLATION NOT CHECKED: the recorded cases are not at {CASES}")
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    assert len(cases) > 50
    async with (
        recorded() as provider,
        daemon(tmp_path, {"a.yaml": RULES.format(url=provider.url)}, simulate=False) as running,
    ):
        found = {case["id"]: await judged(case, running, provider) for case in cases}
    assert {name: wrong for name, wrong in found.items() if wrong} == EXCEPTIONS


async def judged(case: Mapping[str, Any], running: Daemon, provider: Recorded) -> str | None:
    """Play a case, and say what is wrong with what came of it."""
    provider.reply, provider.seen = case.get("upstream_reply"), []
    body = json.dumps(case["send"]).replace('"@M"', json.dumps(MODELS[case["upstream"]]))
    surface = "messages" if case["client"].startswith("anthropic") else "chat"
    async with running.http.post(running.url + PATHS[surface], data=body.encode()) as response:
        status, text = response.status, await response.text()
    match case["kind"]:
        case "request":
            return wrong_request(case, status, provider)
        case "error":
            return wrong_error(case, status, text)
        case "response":
            return f"the status is {status}" if status != 200 else difference(case["expect_client"], shown(case, text))
        case kind:
            assert kind == "stream", kind
            return f"the status is {status}" if status != 200 else wrong_stream(case, text)


def wrong_request(case: Mapping[str, Any], status: int, provider: Recorded) -> str | None:
    if case.get("expect_refused"):
        return None if 400 <= status < 500 and not provider.seen else f"it was not refused: {status}"
    if len(provider.seen) != 1:
        return f"{len(provider.seen)} requests reached the provider: {status}"
    path, headers, body = provider.seen[0]
    to_anthropic = case["upstream"].startswith("anthropic")
    if path != case.get("expect_path", "/v1/messages" if to_anthropic else "/v1/chat/completions"):
        return f"it went to {path}"
    if to_anthropic and headers.get("anthropic-version") != "2023-06-01":
        return "it has not the version that takes sampling parameters"
    absent = [name for name in case.get("expect_present", ()) if not body.get(name)]
    if absent:
        return f"there is no {absent}"
    forms = [difference(form, body) for form in case.get("expect_any", ())]
    return difference(as_sent(case["expect_upstream"]), as_sent(body)) or (
        min(map(str, forms)) if all(forms) and forms else None
    )


def wrong_error(case: Mapping[str, Any], status: int, text: str) -> str | None:
    if status not in case["expect_status"]:
        return f"the status is {status}"
    if case["expect_message_contains"] not in json.dumps(json.loads(text), ensure_ascii=False):
        return f"the provider's words are lost: {text}"
    return difference(case["expect_client"], json.loads(text))


def shown(case: Mapping[str, Any], text: str) -> Any:  # noqa: ANN401 - decoded JSON
    """Give an answer, without the thoughts where the case expects none: they may be there."""
    answer = json.loads(text)
    expected = case["expect_client"].get("content") or ()
    if case["client"].startswith("anthropic") and not any(block.get("type") == "thinking" for block in expected):
        thoughts = ("thinking", "redacted_thinking")
        answer["content"] = [block for block in answer["content"] if block["type"] not in thoughts]
    return answer


def wrong_stream(case: Mapping[str, Any], text: str) -> str | None:
    said = heard(case["client"], text)
    if said.wrong:
        return said.wrong
    found = said.shown
    if case["client"].startswith("anthropic") and found["stop"] == "stop_sequence":
        found["stop"] = "end_turn"
    wanted = {name: value for name, value in case["expect_stream"].items() if name != "events" and value is not None}
    return next((f"{name} is {found[name]!r:.140}" for name, value in wanted.items() if found[name] != value), None)
