"""A rule file is saved, in all the ways that editors and tools save: the next request sees it, or nothing changes."""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.adapters import watch
from gateway.cli import main
from gateway.runtime.reloader import Rejection
from tests.adapters.test_watch import NoInstance
from tests.fakes.answers import read
from tests.fakes.daemon import Daemon, daemon, until
from tests.fakes.rule_files import UPSTREAM, to_model

TYPO = to_model("haiku").replace("    route:", "    rout:")


async def served(running: Daemon) -> tuple[str, str]:
    """Give the model that the rules choose now, and the generation that chose."""
    async with running.ask("chat") as response:
        assert response.status == 200
        return response.headers["x-rulegate-model"], response.headers["x-rulegate-generation"].partition("-")[0]


def in_place(directory: Path, text: str) -> None:
    (directory / "rules.yaml").write_text(text)


def atomic_rename(directory: Path, text: str) -> None:
    new = directory / "rules.yaml.tmp"
    new.write_text(text)
    new.replace(directory / "rules.yaml")


def delete_and_create(directory: Path, text: str) -> None:
    (directory / "rules.yaml").unlink()
    (directory / "rules.yaml").write_text(text)


def as_vim_does(directory: Path, text: str) -> None:
    swap, probe, backup = directory / ".rules.yaml.swp", directory / "4913", directory / "rules.yaml~"
    swap.write_bytes(b"b0VIM 9.1\0" + b"\xff" * 100)
    probe.touch()
    probe.unlink()
    (directory / "rules.yaml").rename(backup)
    (directory / "rules.yaml").write_text(text)
    backup.unlink()
    swap.unlink()


def as_emacs_does(directory: Path, text: str) -> None:
    (directory / ".#rules.yaml").symlink_to("somebody@somewhere.1234:5678")
    (directory / "#rules.yaml#").write_text(text[: len(text) // 2])
    (directory / "rules.yaml").replace(directory / "rules.yaml~")
    (directory / "rules.yaml").write_text(text)
    (directory / "#rules.yaml#").unlink()
    (directory / ".#rules.yaml").unlink()


def directory_replaced(directory: Path, text: str) -> None:
    new, old = directory.with_name("rules.new"), directory.with_name("rules.old")
    new.mkdir()
    (new / "rules.yaml").write_text(text)
    directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old)


def another_file(directory: Path, text: str) -> None:
    model = text[text.rindex("[") :].strip()
    (directory / "10-more.yml").write_text(f"rules:\n  - {{name: more, priority: 5, route: {model}}}\n")


WAYS = (in_place, atomic_rename, delete_and_create, as_vim_does, as_emacs_does, directory_replaced, another_file)


@pytest.mark.parametrize("save", WAYS, ids=lambda way: way.__name__)
async def test_the_next_request_sees_what_was_saved(tmp_path: Path, save: Callable[[Path, str], None]) -> None:
    """U-85: whichever way it was saved, once, and what an editor leaves beside it is not read."""
    async with daemon(tmp_path, {"rules.yaml": to_model("nano")}) as running:
        assert await served(running) == ("nano", "1")
        save(running.rules, to_model("haiku"))
        await running.status(lambda s: s["generation"] > 1 and s["rejected"] is None, "generation without a rejection")
        assert await served(running) == ("haiku", "2")


async def test_a_kubernetes_config_map_is_swapped_under_its_links(tmp_path: Path) -> None:
    """U-85: files are links through `..data`, which alone is replaced."""
    rules = tmp_path / "rules.d"
    for name, model in (("..one", "nano"), ("..two", "haiku")):
        (rules / name).mkdir(parents=True)
        (rules / name / "rules.yaml").write_text(to_model(model))
    (rules / "..data").symlink_to("..one")
    (rules / "rules.yaml").symlink_to("..data/rules.yaml")
    async with daemon(tmp_path, {}) as running:
        assert await served(running) == ("nano", "1")
        (rules / "..data_tmp").symlink_to("..two")
        (rules / "..data_tmp").replace(rules / "..data")
        await running.generation(1)
        assert await served(running) == ("haiku", "2")


async def test_a_save_that_changes_nothing_is_no_generation(tmp_path: Path) -> None:
    """U-85: hashes are compared, not times."""
    async with daemon(tmp_path, {"rules.yaml": to_model("nano")}) as running:
        os.utime(running.rules / "rules.yaml", (1, 1))
        running.write("notes.txt", "nothing of ours")
        running.write(".hidden.yaml", TYPO)
        async with running.http.post(f"{running.url}/api/reload") as response:
            status = await response.json()
        assert (response.status, status["generation"], status["rejected"]) == (200, 1, None)


async def test_a_typo_changes_nothing_and_is_named_everywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """U-86 U-88 U-89: status, log, gauge and `check` name file, line and column; the last good rules go on, on disk
    nothing is touched, and putting the file back clears it."""
    good = to_model("nano")
    line = TYPO.splitlines().index("    rout: [haiku]") + 1
    caplog.set_level(logging.INFO, logger="gateway")
    async with daemon(tmp_path, {"rules.yaml": good}) as running:
        running.write("rules.yaml", TYPO)
        status = await running.status(lambda s: s["rejected"] is not None, "rejection")
        problems = [(p["file"], p["line"], p["column"]) for p in status["rejected"]["problems"]]
        assert ("rules.yaml", line, 5) in problems
        assert any("route" in p["hint"] for p in status["rejected"]["problems"])
        assert status["generation"] == 1
        assert await served(running) == ("nano", "1")
        assert (await running.get("/api/config"))["files"] == {"rules.yaml": good}
        assert (await running.metrics())["rulegate_config_last_reload_successful",] == 0
        async with running.http.post(f"{running.url}/api/reload") as response:
            again = await response.json()
        assert (response.status, again["rejected"]) == (422, status["rejected"])
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert [f"rules.yaml:{line}:5" in message for message in said] == [True]
        checked = CliRunner().invoke(main, ["check", "--rules", str(running.rules)])
        assert (checked.exit_code, f"rules.yaml:{line}:5" in checked.output) == (1, True)
        assert (running.rules / "rules.yaml").read_text() == TYPO

        running.write("rules.yaml", good)
        await running.status(lambda s: s["rejected"] is None, "cleared rejection")
        assert (await running.metrics())["rulegate_config_last_reload_successful",] == 1
        assert await served(running) == ("nano", "1")


async def test_a_set_whose_own_tests_fail_does_not_run(tmp_path: Path) -> None:
    """U-86: the tests of the rule files gate a reload, and the failed one is named by its place."""
    wrong = "tests:\n  - name: to nano\n    request: {prompt: hello}\n    expect: {model: nano}\n"
    async with daemon(tmp_path, {"rules.yaml": to_model("haiku")}) as running:
        running.write("tests.yaml", wrong)
        status = await running.status(lambda s: s["rejected"] is not None, "rejection")
        (problem,) = status["rejected"]["problems"]
        assert (problem["file"], problem["line"]) == ("tests.yaml", 2)
        assert "model is haiku, expected nano" in problem["message"]


@pytest.mark.parametrize("remove_directory", [False, True], ids=["files", "directory"])
async def test_an_emptied_directory_keeps_the_last_rules(tmp_path: Path, *, remove_directory: bool) -> None:
    """U-90: what is gone by mistake stops nothing."""
    async with daemon(tmp_path, {"rules.yaml": to_model("nano")}) as running:
        if remove_directory:
            shutil.rmtree(running.rules)
        else:
            (running.rules / "rules.yaml").unlink()
        await running.status(lambda s: s["rejected"] is not None, "rejection")
        assert await served(running) == ("nano", "1")
        running.rules.mkdir(exist_ok=True)
        running.write("rules.yaml", to_model("haiku"))
        await running.generation(1)
        assert await served(running) == ("haiku", "2")


async def test_an_empty_set_runs_where_it_was_asked_for(tmp_path: Path) -> None:
    """U-90: `allow_empty` says that an emptied directory is meant."""
    files = {"rules.yaml": to_model("nano"), "zz.yaml": "defaults: {allow_empty: true}\n"}
    async with daemon(tmp_path, files) as running:
        for path in running.rules.iterdir():
            path.unlink()
        await running.generation(1)
        async with running.ask("chat") as response:
            assert response.status == 404


async def test_a_hundred_streams_finish_on_the_generation_they_began_with(tmp_path: Path) -> None:
    """U-87: rules change while they run; none breaks, none mixes generations, and new requests see the new rules."""
    slow = to_model("nano")
    async with daemon(tmp_path, {"rules.yaml": slow}) as running:
        await running.fault(UPSTREAM["nano"], "slow", per_token_s=0.05)
        begun = asyncio.Semaphore(0)

        async def stream() -> tuple[str, str, bool, str]:
            async with running.ask("chat", stream=True) as response:
                body = bytearray(await response.content.readany())
                begun.release()
                body += await response.content.read()
            said = read("chat", bytes(body), stream=True)
            label = response.headers["x-rulegate-generation"]
            return label.partition("-")[0], said.model, said.whole, response.headers["x-rulegate-request-id"]

        async with asyncio.TaskGroup() as tasks:
            streams = [tasks.create_task(stream()) for _ in range(100)]
            for _ in streams:
                await begun.acquire()
            running.write("rules.yaml", to_model("haiku"))
            await running.generation(1)
            assert await served(running) == ("haiku", "2")
            assert (await running.upstream(settle_s=0))["open_streams"] == 100
        ends = [task.result() for task in streams]
        assert {end[:3] for end in ends} == {("1", UPSTREAM["nano"], True)}
        rows = {row["id"]: row for row in await running.rows(101)}
        assert {(rows[end[3]]["generation"], rows[end[3]]["outcome"]) for end in ends} == {(1, "answered")}


async def test_a_file_that_was_read_by_hand_and_taken_back_at_once_does_not_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-86: between two looks at the directory there was a change that neither sees; nobody tells of it."""
    monkeypatch.setattr(watch, "Observer", NoInstance)
    async with daemon(tmp_path, {"rules.yaml": to_model("mini")}) as running:
        for place in range(5):
            running.write("more.yaml", "rules: [{name: more, priority: 9, route: [haiku]}]\n")
            async with running.http.post(f"{running.url}/api/reload") as response:
                assert response.status == 200
            (running.rules / "more.yaml").unlink()
            await running.generation(2 * place + 2)
            assert (await served(running))[0] == "mini"


async def test_many_saves_in_a_row_end_with_the_last(tmp_path: Path) -> None:
    """U-85 U-87: whatever was seen on the way, what stands on disk runs in the end."""
    async with daemon(tmp_path, {"rules.yaml": to_model("nano")}) as running:
        for model in ("haiku", "sonnet", "mini", "haiku", "sonnet"):
            running.write("rules.yaml", to_model(model))
        last = {"rules.yaml": to_model("sonnet")}

        async def runs_last() -> bool | None:
            return (await running.get("/api/config"))["files"] == last or None

        assert await until(runs_last, "last rules")
        assert (await served(running))[0] == "sonnet"


async def test_a_key_file_that_was_rotated_is_read_by_a_reload(tmp_path: Path) -> None:
    """U-92: the rules are the same, and the next request carries the new key."""
    key = tmp_path / "key"
    key.write_text("sk-old\n")
    rules = to_model("nano").replace("api_key: none", f"api_key: {{file: {key}}}")
    async with daemon(tmp_path, {"rules.yaml": rules}, simulate=False) as running:
        before = running.reloader.active
        key.write_text("sk-new\n")
        await running.reloader.reload()
        now = running.reloader.active
        assert {target.secret for target in before.targets.values()} == {"sk-old"}
        assert {target.secret for target in now.targets.values()} == {"sk-new"}
        assert now.snapshot is before.snapshot


async def test_a_key_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """U-86 U-92: the request after a reload still carries the key, and the reload says what is missing."""
    key = tmp_path / "key"
    key.write_text("sk-1\n")
    rules = to_model("nano").replace("api_key: none", f"api_key: {{file: {key}}}")
    async with daemon(tmp_path, {"rules.yaml": rules}, simulate=False) as running:
        key.unlink()
        result = await running.reloader.reload()
        assert isinstance(result, Rejection)
        assert str(key) in str(result.problems[0])
        assert {target.secret for target in running.reloader.active.targets.values()} == {"sk-1"}
