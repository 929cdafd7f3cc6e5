"""The active set is the last good one, whatever was written in between; real files, real state, no waiting."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from gateway.adapters.clock import SystemClock
from gateway.adapters.metrics import Metrics
from gateway.adapters.state_sqlite import State
from gateway.config import catalogue, sources
from gateway.config.compile import Compiler
from gateway.domain.snapshot import Snapshot
from gateway.runtime.ports import Target
from gateway.runtime.reloader import Parts, Rejection, Reloader, activate, prepare
from gateway.wiring.rules import gate, nothing_lacking, simulated_targets
from tests.fakes.rule_files import MODELS, to_model

GOOD: dict[str, Mapping[str, str]] = {
    "one file": {"rules.yaml": to_model("nano")},
    "the same with a comment": {"rules.yaml": to_model("nano") + "# why\n"},
    "another model": {"rules.yaml": to_model("haiku")},
    "two files": {"a.yaml": MODELS, "b.yml": "rules:\n  - {name: all, route: [mini]}\n"},
    "beside files of others": {"rules.yaml": to_model("mini"), ".rules.yaml.swp": "\0", "notes.txt": "{"},
    "a test that holds": {
        "rules.yaml": to_model("nano"),
        "t.yaml": "tests:\n  - {name: t, request: {prompt: hi}, expect: {model: nano}}\n",
    },
}
BAD: dict[str, Mapping[str, str]] = {
    "nothing": {},
    "an empty file": {"rules.yaml": ""},
    "a typo": {"rules.yaml": to_model("nano").replace("route", "rout")},
    "half written": {"rules.yaml": to_model("nano")[:-4]},
    "no such model": {"rules.yaml": to_model("gpt-99")},
    "one good and one bad": {
        "a.yaml": to_model("nano"),
        "b.yaml": "rules: [{name: x, when: {wrods: 1}, route: [nano]}]",
    },
    "not UTF-8": {"rules.yaml": "providers: \udcff"},
    "a test that fails": {
        "rules.yaml": to_model("nano"),
        "t.yaml": "tests:\n  - {name: t, request: {prompt: hi}, expect: {model: haiku}}\n",
    },
}
SETS = GOOD | BAD
COMPILER = Compiler(catalogue.load())
walks = st.lists(st.sampled_from(sorted(SETS)), min_size=1, max_size=8)


class NoBudgets:
    """A daemon without budgets."""

    async def read(self, snapshot: Snapshot) -> dict[str, Mapping[int, int]]:
        assert not snapshot.budgets
        return {}

    def take_up(self, snapshot: Snapshot, sums: dict[str, Mapping[int, int]]) -> None:
        assert not sums


def write(directory: Path, files: Mapping[str, str]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, text in files.items():
        (directory / name).write_bytes(text.encode("utf-8", "surrogateescape"))


def visible(files: Mapping[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in files.items() if sources.counts(name)}


def parts_of(rules: Path, state: State, metrics: Metrics) -> Parts:
    return Parts(
        read=lambda: sources.read(rules),
        compiler=COMPILER,
        gate=gate,
        lacking=nothing_lacking,
        resolve=simulated_targets("http://127.0.0.1:1"),
        generations=state,
        meters=metrics,
        mended=lambda: None,
        budgets=NoBudgets(),
        clock=SystemClock(),
    )


async def walk(directory: Path, names: list[str]) -> None:
    rules = directory / "rules.d"
    last = GOOD["one file"]
    write(rules, last)
    metrics = Metrics(CollectorRegistry(), "0", simulated=True)
    state = State(directory / "state.db")
    try:
        parts = parts_of(rules, state, metrics)
        first = prepare(parts, None)
        assert isinstance(first, Snapshot)
        reloader = Reloader(parts, activate(parts, first))
        metrics.reloaded(reloader.active.snapshot, reloader.active.loaded_at)
        generation = 1
        for name in names:
            write(rules, SETS[name])
            result = await reloader.reload()
            if name in GOOD:
                generation += visible(GOOD[name]) != visible(last)
                last = GOOD[name]
            assert isinstance(result, Rejection) == (name in BAD)
            assert (reloader.rejection is None) == (name in GOOD)
            snapshot = reloader.active.snapshot
            assert {file.name: file.data for file in snapshot.files} == visible(last)
            assert snapshot.generation == generation
            assert set(reloader.active.targets) == set(snapshot.providers)
            assert metrics.registry.get_sample_value("rulegate_config_last_reload_successful") == (name in GOOD)
            kept = state.last_good()
            assert kept is not None
            assert {file.name: file.data for file in kept} == visible(last)
    finally:
        state.close()


@given(walks)
@settings(max_examples=25, deadline=None)
def test_after_any_sequence_of_sets_the_last_good_one_is_active(names: list[str]) -> None:
    """U-86 U-87 U-90: all or nothing, over files that are right and files that are wrong in every way."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(walk(Path(directory), names))


async def test_a_look_that_nobody_asked_for_mends_only_where_something_is_another(tmp_path: Path) -> None:
    """U-16 U-87: what a provider said of an account in the first second of a daemon holds like what it says later."""
    rules, mended = tmp_path / "rules.d", list[str]()
    write(rules, GOOD["one file"])
    secret = ["old"]
    state = State(tmp_path / "state.db")
    try:
        parts = replace(
            parts_of(rules, state, Metrics(CollectorRegistry(), "0", simulated=True)),
            resolve=lambda snapshot: {name: Target("http://127.0.0.1:1", secret[0]) for name in snapshot.providers},
            mended=lambda: mended.append(secret[0]),
        )
        first = prepare(parts, None)
        assert isinstance(first, Snapshot)
        reloader = Reloader(parts, activate(parts, first))
        await reloader.reload(asked=False)
        assert mended == []
        secret[0] = "new"
        await reloader.reload(asked=False)
        assert mended == ["new"]
        await reloader.reload(asked=False)
        assert mended == ["new"]
        await reloader.reload()
        assert mended == ["new", "new"]
        write(rules, GOOD["another model"])
        await reloader.reload(asked=False)
        assert mended == ["new"] * 3
    finally:
        state.close()
