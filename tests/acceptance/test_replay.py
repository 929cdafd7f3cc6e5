"""`rulegate alerts replay` over files of events: what would have been told, and what would not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.shift import SpendEvent
from tests.engine.shifts.streams import DIMENSIONS, events, since, with_model
from tests.fakes.process import GATEWAY, environment

ROOT = Path(__file__).resolve().parents[2]
SPEND = ROOT.parent / "shared/eval/spend"
ONSET = 8.5
DAY_S = 86400


def replay(directory: Path, *arguments: str) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
    """Run the command as its users do, and read what it wrote."""
    done = subprocess.run(
        [sys.executable, *GATEWAY, "alerts", "replay", "--events", "events.jsonl", "--out", "out.jsonl", *arguments],
        cwd=directory,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    out = directory / "out.jsonl"
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else [], done


def write(path: Path, stream: Iterable[SpendEvent]) -> None:
    with path.open("w") as file:
        for event in stream:
            row = {
                "ts": event.ts,
                **dict(zip(DIMENSIONS.names, event.values, strict=True)),
                "tokens_in": event.tokens_in,
                "tokens_cached": event.tokens_cached,
                "tokens_out": event.tokens_out,
                "cost": event.nano_usd / 1e9,
                "fallback_from": event.fallback_from or None,
            }
            file.write(json.dumps(row) + "\n")


def test_a_replay_tells_what_moved_since_when_and_what_it_costs(tmp_path: Path) -> None:
    """U-81 U-83: an edit sends half of a rule's calls to the dearest model; the parts are exact."""
    dearer = since(ONSET, lambda call, _: with_model(call, "large") if call.rule == "r-code" else call)
    write(tmp_path / "events.jsonl", events(10, 120.0, dearer))
    edit = {"ts": ONSET * DAY_S, "event": "rule_edit", "rule": "r-code", "place": "rules.d/code.yaml:3"}
    (tmp_path / "context.jsonl").write_text(json.dumps(edit) + "\n" + '{"ts": 1, "event": "other"}\n')
    lines, done = replay(tmp_path, "--context", "context.jsonl", "--stream", "s1", "--warm-up-days", "7")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = lines
    told = {name: line[name] for name in ("stream", "type", "severity", "cause", "direction", "status", "channel")}
    assert told == {
        "stream": "s1",
        "type": "shift",
        "severity": "critical",
        "cause": "rule=r-code",
        "direction": "up",
        "status": "firing",
        "channel": "model_choice",
    }
    assert line["since"] == ONSET * DAY_S
    assert line["ts"] - line["since"] < 3600
    assert "rules.d/code.yaml:3" in line["sentence"]
    parts = line["parts"]
    assert parts["whole"] == parts["volume"] + parts["mix"] + parts["price"] + parts["tokens"]
    assert parts["mix"] > abs(parts["price"])


def test_four_weeks_with_nights_and_weekends_and_no_shift_are_silent(tmp_path: Path) -> None:
    """U-84."""
    write(tmp_path / "events.jsonl", events(28, 30.0))
    (tmp_path / "out.jsonl").write_text('{"of": "yesterday"}\n')
    lines, done = replay(tmp_path, "--warm-up-days", "7")
    assert (lines, done.returncode, done.stderr) == ([], 0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no events"),
        ("{\n", "events.jsonl:1: it is no JSON"),
        ('{"ts": 1}\n', "an event has rule, category, model, and one of team, caller, tenant"),
        ('{"ts": 1, "team": "a", "rule": "r", "category": "c", "model": "m"}\n', "events:1: there is no tokens_in"),
    ],
)
def test_a_file_that_has_no_events_is_said_so_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(text)
    _, done = replay(tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def numeric_python() -> str | None:
    """Find a Python that the simulator runs in: it needs NumPy, which the gateway does not."""
    for name in (sys.executable, shutil.which("python3")):
        if name and subprocess.run([name, "-c", "import numpy"], capture_output=True, check=False).returncode == 0:
            return name
    return None


@pytest.mark.skipif(not SPEND.exists(), reason="the shared streams are not here")
def test_simulated_streams_are_told_of_in_time_with_their_causes(tmp_path: Path) -> None:
    """U-81: a handful of small streams from the shared simulator, each with its label."""
    python = numeric_python()
    if python is None:
        pytest.skip("the simulator needs NumPy")
    for label in labels_of(python, tmp_path, ("price_change", "tenant_loop", "c_launch")):
        lines, done = replay(tmp_path, "--stream", label["stream"])
        assert done.returncode == 0
        firing = [line for line in lines if line["status"] == "firing"]
        if label["control"]:
            assert firing == []
        else:
            assert [line["cause"] for line in firing] == [label["cause"]]
            assert 0 <= firing[0]["ts"] - label["start"] <= DAY_S


def labels_of(python: str, directory: Path, kinds: Sequence[str]) -> Iterable[dict[str, Any]]:
    """Write the events of one small stream of each kind after another, and give its label."""
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import gen_streams as g;"
        "p = json.load(open(sys.argv[1] + '/dev_params.json'));"
        "s = next((i, s) for i, s in g.specs(p).items() if s['kind'] == sys.argv[2] and s['scale'] == 'small');"
        "print(s[0]); print(json.dumps(g.make_stream(p, *s)[2]))"
    )
    for kind in kinds:
        found = subprocess.run([python, "-c", program, SPEND, kind], capture_output=True, text=True, check=True)
        stream, label = found.stdout.splitlines()
        generate = [python, str(SPEND / "gen_streams.py"), "events", "--params", str(SPEND / "dev_params.json")]
        with (directory / "events.jsonl").open("w") as file:
            subprocess.run([*generate, "--stream", stream], stdout=file, check=True)
        yield json.loads(label)
