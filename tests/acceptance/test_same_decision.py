"""One Decision: whoever is asked why a request goes where it goes gives the same answer, for every shipped rule."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.wiring.rules import shipped_rules
from tests.fakes.daemon import EMBEDDINGS, PATHS, Daemon, body_of, daemon


@dataclass(frozen=True)
class Case:
    """A request that one shipped rule takes."""

    rule: str
    prompt: str
    surface: str = "chat"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        return body_of(self.surface, prompt=self.prompt)


CASES = [
    Case("long-input", "1;\n" * 60_000),
    Case("code", "Fix the bug in this Python function: it raises a KeyError when the dictionary is empty."),
    Case("code", "Fix the bug in this Python function: it raises a KeyError when the dictionary is empty.", "messages"),
    Case("asked-for-quality", "Translate into French: good morning", headers={"x-rulegate-prefer": "quality"}),
    Case("reasoning", "Prove by induction that the sum of the first n odd numbers is n squared, step by step."),
    Case("simple", "Summarize the following article in two sentences: the harbour was closed all week."),
    Case("simple", "Translate into German: the harbour was closed all week.", "execute"),
    Case("short-question", "What is the capital of Australia?"),
    Case("embeddings", "a red bicycle", "embeddings"),
    Case("everything-else", "Write a catchy slogan and three ad headlines for our new running shoes."),
]
ADDRESSES = {**PATHS, "embeddings": EMBEDDINGS}
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.surface}")


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[Daemon]:
    files = {file.name: file.data.decode() for file in shipped_rules()}
    async with daemon(tmp_path, files) as running:
        yield running


def command(*arguments: str) -> Any:  # noqa: ANN401 - decoded JSON
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output[-2000:]
    return json.loads(result.stdout)


async def test_every_shipped_rule_that_decides_has_a_case(shipped: Daemon) -> None:
    """The table below leaves no shipped rule out."""
    rules = shipped.reloader.active.snapshot.rules
    assert {case.rule for case in CASES} == {rule.name for rule in rules if rule.mode == "live"}


@EVERY_CASE
async def test_explain_route_headers_and_row_agree(shipped: Daemon, tmp_path: Path, case: Case) -> None:
    """U-27 U-28: and asking why calls no model; the logged request is decided again from its row alone."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps(case.body))
    where = ["--rules", str(shipped.rules), "--surface", case.surface]
    where += [part for name, value in case.headers.items() for part in ("--header", f"{name}: {value}")]
    explained = command("explain", "--json", "--body", str(body), *where)
    marks = {"anthropic-version": "2023-06-01"} if case.surface == "messages" else {}
    headers = {**case.headers, **marks}
    async with shipped.http.post(f"{shipped.url}/v1/route", json=case.body, headers=headers) as response:
        routed = await response.json()
    assert (await shipped.upstream())["total"] == 0

    async with shipped.http.post(shipped.url + ADDRESSES[case.surface], json=case.body, headers=headers) as response:
        answered = response.headers
        assert response.status == 200
    row = await shipped.row(answered["x-rulegate-request-id"])
    again = command("explain", "--json", "--id", row["id"], "--data", str(shipped.data))

    assert explained["rule"] == case.rule
    assert routed | {"generation": 0} == explained | {"generation": 0}
    same = ("rule", "category", "confidence", "complexity", "score", "model", "chain", "shadows", "tried", "flip")
    assert {name: again[name] for name in same} == {name: explained[name] for name in same}
    assert {name: answered[f"x-rulegate-{name}"] for name in ("rule", "category", "model", "provider")} == {
        name: explained[name] for name in ("rule", "category", "model", "provider")
    }
    assert {name: row[name] for name in ("rule", "category", "model", "chain", "shadows", "upstream_model")} == {
        name: explained[name] for name in ("rule", "category", "model", "chain", "shadows", "upstream_model")
    }
    label = f"{routed['generation']}-{routed['fingerprint'][:7]}"
    assert answered["x-rulegate-generation"] == label == f"{row['generation']}-{row['fingerprint'][:7]}"


async def test_the_tests_of_rule_files_agree(shipped: Daemon, tmp_path: Path) -> None:
    """U-28: `rulegate test` over the same requests decides what `explain` decides."""
    tests = []
    for number, case in enumerate(CASES):
        body = tmp_path / "body.json"
        body.write_text(json.dumps(case.body))
        headers = [part for name, value in case.headers.items() for part in ("--header", f"{name}: {value}")]
        where = ["--rules", str(shipped.rules), "--surface", case.surface]
        explained = command("explain", "--json", "--body", str(body), *where, *headers)
        expect = {name: explained[name] for name in ("rule", "category", "model", "chain")}
        asked = {"prompt": case.prompt} if case.surface == "execute" else {"body": case.body}
        request = {"surface": case.surface, "headers": dict(case.headers), **asked}
        tests.append({"name": f"case {number}", "request": request, "expect": expect})
    shipped.write("99-cases.yaml", json.dumps({"tests": tests}))  # JSON is YAML
    verdicts = {each["name"]: each for each in command("test", "--json", "--rules", str(shipped.rules))["tests"]}
    assert [verdicts[f"case {number}"]["rule"] for number in range(len(CASES))] == [case.rule for case in CASES]
    assert all(verdict["failed"] == [] for verdict in verdicts.values())


async def test_an_unroutable_request_is_refused_everywhere(shipped: Daemon, tmp_path: Path) -> None:
    """U-28: what would be a 404 is explained as one."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps(body_of("chat", model="no-such-model")))
    explained = command("explain", "--json", "--body", str(body), "--rules", str(shipped.rules))
    async with shipped.http.post(f"{shipped.url}/v1/route", data=body.read_bytes()) as response:
        routed = await response.json()
    async with shipped.ask("chat", model="no-such-model") as response:
        row = await shipped.row(response.headers["x-rulegate-request-id"])
    assert (explained["refused"], routed["refused"], response.status, row["outcome"]) == (True, True, 404, "refused")
