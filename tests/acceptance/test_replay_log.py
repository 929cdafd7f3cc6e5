"""`rulegate alerts replay` over the stored log: what would have been told of the requests that there were."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.adapters.day_files import DayFiles
from gateway.adapters.state_sqlite import State
from gateway.domain.attempt import Attempt
from gateway.domain.entry import Entry
from gateway.domain.shift import SpendEvent
from gateway.domain.snapshot import Defaults, RuleFile
from gateway.domain.usage import Usage
from tests.adapters.entries import entry
from tests.engine.shifts.streams import DIMENSIONS, events, since, with_model
from tests.fakes.process import GATEWAY, environment

BEGIN = datetime(2026, 11, 2, tzinfo=UTC)
DAYS = 10
ONSET = 8.5
EDITED = ("--context", "context.jsonl")


def entries(stream: Iterable[SpendEvent]) -> Iterator[Entry]:
    """Give the events as requests that ended then; one that nobody answered is among each hundred."""
    for number, event in enumerate(stream):
        named = dict(zip(DIMENSIONS.names, event.values, strict=True))
        at = BEGIN + timedelta(seconds=event.ts)
        usage = Usage(event.tokens_in - event.tokens_cached, event.tokens_cached, 0, 0, event.tokens_out)
        answer = Attempt(0, named["model"], "openai", None, True, usage=usage, cost_nano_usd=event.nano_usd)
        yield replace(
            entry(number, at),
            id=f"{int(at.timestamp() * 1000):012x}-{number:08x}",
            at=at,
            duration_s=0.0,
            team=named["team"],
            caller=f"{named['team']}-key",
            rule=named["rule"],
            category=named["category"],
            model="" if number % 100 == 0 else named["model"],
            provider="openai",
            chain=(event.fallback_from or named["model"],),
            events=(answer,),
            usage=usage,
            cost_nano_usd=event.nano_usd,
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in which half of a rule's requests take the dearest model from a moment on."""
    dearer = since(ONSET, lambda call, _: with_model(call, "large") if call.rule == "r-code" else call)
    days: dict[date, list[Entry]] = {}
    for each in entries(events(DAYS, 120.0, dearer)):
        days.setdefault(each.at.date(), []).append(each)
    data = tmp_path_factory.mktemp("replayed")
    files = DayFiles(data / "log", Defaults)
    for day, rows in sorted(days.items()):
        files.insert(day, list(enumerate(rows, start=1)))
    files.close()
    edit = {"ts": BEGIN.timestamp() + ONSET * 86400, "event": "rule_edit", "rule": "r-code", "generation": "12-3f9a1c2"}
    (data / "context.jsonl").write_text(json.dumps(edit) + "\n")
    return data


def replay(data: Path, *arguments: str) -> list[str]:
    """Run the command as its users do, with its output in a pipe."""
    command = [sys.executable, *GATEWAY, "alerts", "replay", "--data", str(data), "--warm-up-days", "7", *arguments]
    done = subprocess.run(command, cwd=data, env=environment({}), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_log_is_replayed_without_a_gateway_and_names_what_moved(data: Path) -> None:
    """U-81 U-83: one shift, one message, as text and as JSON, with when it began."""
    (line,) = [json.loads(each) for each in replay(data, *EDITED, "--json")]
    assert (line["cause"], line["status"], line["direction"]) == ("rule=r-code", "firing", "up")
    assert line["since"] == BEGIN.timestamp() + ONSET * 86400
    assert line["ts"] - line["since"] < 3600
    (text,) = replay(data, *EDITED)
    assert text.startswith("2026-11-10 12:")
    assert text.endswith(line["sentence"])
    assert "12-3f9a1c2" in text


def edited(data: Path, *texts: str) -> None:
    """Have `state.db` know such rule sets, the last one since the onset."""
    state = State(data / "state.db")
    for number, text in enumerate(texts, start=1):
        file = RuleFile("10-code.yaml", (MODELS + text).encode())
        at = BEGIN + timedelta(days=ONSET if number == len(texts) else number - 1)
        state.accepted(f"{number:07x}f", (file,), at)
    state.close()


MODELS = """\
providers: {local: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: none}}
models:
  middle: {provider: local, model: m, price: free}
  large: {provider: local, model: l, price: free}
rules:
  - {name: r-web, when: {team: web}, route: [middle]}
"""
CODE = "  - {name: r-code, route: [middle]}\n"


def test_edits_are_those_that_the_gateway_has_kept(data: Path, tmp_path: Path) -> None:
    """U-81: the rule that was touched when the spend moved is named with its place, though the log has no edits."""
    shutil.copytree(data / "log", tmp_path / "log")
    edited(tmp_path, CODE, "rules: [{broken", CODE.replace("code", "other"), CODE, CODE.replace("[middle]", "[large]"))
    (line,) = [json.loads(each) for each in replay(tmp_path, "--json")]
    assert (line["cause"], line["since"]) == ("rule=r-code", BEGIN.timestamp() + ONSET * 86400)
    assert re.search(r"\(10-code.yaml:7\) in generation 4-\w{7} -> 5-\w{7}", line["sentence"])


def test_what_was_told_before_a_day_is_not_printed_and_what_came_after_one_is_not_read(data: Path) -> None:
    assert len(replay(data, *EDITED, "--since", "2026-11-10")) == 1
    assert replay(data, *EDITED, "--since", "2026-11-11") == []
    assert replay(data, *EDITED, "--until", "2026-11-09") == []


def test_where_nothing_was_logged_nothing_is_told(tmp_path: Path) -> None:
    assert replay(tmp_path) == []
