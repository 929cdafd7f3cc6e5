"""Starting, stopping and starting again, as a process."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.adapters.log_sqlite import LogReader
from gateway.config.settings import Address
from gateway.wiring.serving import cannot_listen
from tests.fakes.daemon import body_of, samples, until
from tests.fakes.process import Serving, fails, serving
from tests.fakes.rule_files import to_model

TYPO = to_model("nano").replace("route:", "rout:")
WITH_KEYS = to_model("nano").replace("api_key: none", "api_key: {env: OPENAI_API_KEY}", 1)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield session


@dataclass(frozen=True)
class Bad:
    """A start that fails: the rule file (None: no directory), the arguments, and words that say what to do."""

    rules: str | None
    words: tuple[str, ...]
    arguments: tuple[str, ...] = ()


BAD = {
    "no directory": Bad(None, ("rules.d is not there", "rulegate init DIR", "--rules DIR"), ("--rules", "rules.d")),
    "no directory was named": Bad(None, ("there is no ./rules.d here", "rulegate init", "--rules DIR", "--simulate")),
    "empty directory": Bad(
        "", ("rules.d: there is no rule file here", "add a file that ends in .yaml", "rulegate init DIR")
    ),
    "typo": Bad(TYPO, (f"rules.yaml:{TYPO.splitlines().index('    rout: [nano]') + 1}:5", "route")),
    "secret": Bad(
        WITH_KEYS, ("rules.d/rules.yaml:2:", "OPENAI_API_KEY", "set it, or rehearse", "rulegate serve --simulate")
    ),
    "secret in an empty variable": Bad(WITH_KEYS, ("OPENAI_API_KEY",)),
    "no data directory": Bad(to_model("nano"), ("cannot write to", "--data DIR"), ("--data", "rules.d/rules.yaml")),
    "data under a file": Bad(to_model("nano"), ("cannot write to", "--data DIR"), ("--data", "rules.d/rules.yaml/x")),
    "other machines": Bad(
        to_model("nano"),
        ("no callers are configured", "rulegate keys add", "127.0.0.1", "--allow-anonymous"),
        ("--listen", "0.0.0.0:0"),
    ),
    "elsewhere": Bad(
        to_model("nano"),
        ("cannot listen on 203.0.113.9:1: ", "has no such address: --listen 127.0.0.1:1"),
        ("--allow-anonymous", "--listen", "203.0.113.9:1"),
    ),
    "no last good": Bad(TYPO, ("rules.yaml:",), ("--use-last-good",)),
    "not built": Bad(to_model("nano"), ("--workers is not built yet",), ("--workers", "4")),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_start_that_fails_says_what_to_do_next(tmp_path: Path, name: str) -> None:
    """U-89 U-92 U-109 U-126: the file, variable or option is named with the next thing to do, without a traceback."""
    bad = BAD[name]
    if bad.rules is not None:
        (tmp_path / "rules.d").mkdir()
    if bad.rules:
        (tmp_path / "rules.d" / "rules.yaml").write_text(bad.rules)
    env = {"OPENAI_API_KEY": ""} if "empty variable" in name else {}
    code, said = await fails(*bad.arguments, directory=tmp_path, env=env)
    assert code == (2 if name == "not built" else 1)
    assert [word for word in bad.words if word not in said] == [], said
    assert "Traceback" not in said


async def test_a_port_in_use_is_said_with_another_one(tmp_path: Path) -> None:
    """U-126: and nothing is left behind that would keep the next start from working."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = await fails("--simulate", "--listen", f"127.0.0.1:{port}", directory=tmp_path)
    assert (code, "Traceback" in said) == (1, False)
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in said
    assert f"--listen 127.0.0.1:{port + 1}" in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(errno.EACCES, "x"),
            "permission denied\n  ports below 1024 need a privilege: --ops [::1]:8443",
        ),
        (OSError(errno.EADDRINUSE, "x"), "address already in use\n  stop what listens there, or choose another port"),
        (socket.gaierror(socket.EAI_NONAME, "Not known"), "not known\n  this machine has no such address: --ops 127."),
        (OSError("odd"), "odd\n  stop what listens there"),
    ],
)
def test_what_keeps_it_from_listening_is_told_with_what_else_to_try(error: OSError, words: str) -> None:
    """U-126: the remedy is that of the cause."""
    assert cannot_listen(Address("::1", 443), "ops", error).startswith(f"cannot listen on [::1]:443: {words}")


async def test_a_data_directory_has_one_daemon(tmp_path: Path) -> None:
    """U-78: the second one is told who holds it; a process that was killed holds nothing."""
    async with serving("--simulate", directory=tmp_path) as first:
        code, said = await fails("--simulate", directory=tmp_path)
        assert (code, "Traceback" in said) == (1, False)
        assert f"in use by process {first.process.pid}" in said
        assert "--data DIR" in said
        await first.end(signal.SIGKILL)
        async with serving("--simulate", directory=tmp_path) as second:
            assert second.url


async def ask(http: aiohttp.ClientSession, daemon: Serving, count: int = 1) -> str:
    """Send requests and give the generation of the last."""

    async def one() -> str:
        async with http.post(f"{daemon.url}/v1/chat/completions", json=body_of("chat")) as response:
            assert response.status == 200, await response.text()
            return response.headers["x-rulegate-generation"]

    return (await asyncio.gather(*(one() for _ in range(count))))[-1]


async def status(http: aiohttp.ClientSession, daemon: Serving) -> Any:  # noqa: ANN401 - decoded JSON
    async with http.get(f"{daemon.url}/api/status") as response:
        return await response.json()


async def test_a_stop_loses_no_row_and_a_restart_keeps_the_generation(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """U-79 U-100: SIGTERM flushes the rows that wait and exits with 0; the number of a generation is kept, also over a
    kill, after which the data opens as it was."""
    (tmp_path / "rules.d").mkdir()
    rules = tmp_path / "rules.d" / "rules.yaml"
    rules.write_text(to_model("nano"))
    log = LogReader(tmp_path / "data" / "simulated" / "log")
    async with serving("--simulate", directory=tmp_path) as daemon:
        label = await ask(http, daemon, 20)
        assert label.startswith("1-")
        assert await daemon.end(signal.SIGTERM) == 0
    assert len(log.rows(1000)) == 20
    async with serving("--simulate", directory=tmp_path) as daemon:
        assert await ask(http, daemon) == label

        async def written() -> bool | None:
            return len(log.rows(1000)) == 21 or None

        await until(written, "row 21")
        await daemon.end(signal.SIGKILL)
    rules.write_text(to_model("mini"))
    async with serving("--simulate", directory=tmp_path) as daemon:
        assert (await ask(http, daemon)).startswith("2-")
        assert await daemon.end(signal.SIGTERM) == 0
    assert len(log.rows(1000)) == 22


async def test_the_last_good_rules_run_where_that_was_asked_for(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """U-88 U-89: those on disk are still said to be rejected, and run once they are right."""
    (tmp_path / "rules.d").mkdir()
    rules = tmp_path / "rules.d" / "rules.yaml"
    rules.write_text(to_model("nano"))
    async with serving("--simulate", directory=tmp_path) as daemon:
        label = await ask(http, daemon)
        await daemon.end(signal.SIGTERM)
    rules.write_text(TYPO)
    code, _ = await fails("--simulate", directory=tmp_path)
    assert code == 1
    async with serving("--simulate", "--use-last-good", directory=tmp_path) as daemon:
        assert await ask(http, daemon) == label

        async def rejected() -> bool | None:
            return (await status(http, daemon))["rejected"] is not None or None

        await until(rejected, "rejection of the rules on disk")
        async with http.get(f"{daemon.url}/metrics") as response:
            assert samples(await response.text())["rulegate_config_last_reload_successful",] == 0
        assert rules.read_text() == TYPO
        rules.write_text(to_model("mini"))

        async def taken_up() -> bool | None:
            return (await status(http, daemon))["generation"] == 2 or None

        await until(taken_up, "generation 2")


async def test_sighup_reloads_what_no_file_of_the_directory_tells(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """U-85 U-92: a set was rejected for a secret that was missing; the secret comes, and SIGHUP has it looked at."""
    (tmp_path / "rules.d").mkdir()
    rules, key = tmp_path / "rules.d" / "rules.yaml", tmp_path / "key"
    rules.write_text(to_model("nano"))
    async with serving(directory=tmp_path) as daemon:
        rules.write_text(to_model("nano").replace("api_key: none", f"api_key: {{file: {key}}}"))

        async def rejected() -> Any:  # noqa: ANN401 - decoded JSON
            return (await status(http, daemon))["rejected"]

        assert str(key) in str(await until(rejected, "rejection"))
        key.write_text("sk-now-it-is-there\n")
        os.kill(daemon.process.pid, signal.SIGHUP)

        async def taken_up() -> bool | None:
            return (await status(http, daemon))["generation"] == 2 or None

        await until(taken_up, "generation 2")


async def test_sighup_on_the_shipped_rules_ends_nothing(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """U-126: there is no directory to read again, and the daemon goes on."""
    async with serving("--simulate", directory=tmp_path) as daemon:
        label = await ask(http, daemon)
        os.kill(daemon.process.pid, signal.SIGHUP)
        assert await ask(http, daemon) == label
        assert await daemon.end(signal.SIGTERM) == 0


async def test_the_last_good_rules_do_not_run_without_their_secret(tmp_path: Path) -> None:
    """U-92: --use-last-good forgives the files on disk, not a request without its key."""
    (tmp_path / "rules.d").mkdir()
    rules = tmp_path / "rules.d" / "rules.yaml"
    rules.write_text(to_model("nano").replace("api_key: none", "api_key: {env: A_KEY_OF_MINE}"))
    async with serving(directory=tmp_path, env={"A_KEY_OF_MINE": "sk-1"}) as daemon:
        await daemon.end(signal.SIGTERM)
    rules.write_text(TYPO)
    code, said = await fails("--use-last-good", directory=tmp_path)
    assert (code, "A_KEY_OF_MINE" in said, "Traceback" in said) == (1, True, False)
