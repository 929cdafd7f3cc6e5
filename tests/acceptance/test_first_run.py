"""The first run as a newcomer does it, and the one with a team: the scripts of the pages, as they stand there."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEAM = (ROOT / "docs" / "team.md").read_text(encoding="utf-8")
LONGEST_S = 50
NOT_COPIED = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "data", "dist", "*.out")
NEEDED = ("sh", "curl")
MISSING = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"THE FIRST RUN IS NOT TESTED: there is no {', '.join(MISSING)} here"
)


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """Give a newcomer's environment: no key, no setting, and the commands of the environment that runs the tests.

    They run the tree that the tests are of, whichever one that environment was installed from.
    """
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("RULEGATE_", "OPENAI", "ANTHROPIC"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), **more}


@contextmanager
def started(command: list[str], directory: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a group of its own, so that whatever it leaves behind ends with the test."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        with process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        assert process.returncode is not None


def address_said(process: subprocess.Popen[str]) -> str:
    """Give the address that a daemon says it listens on."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"listens on http://(127\.0\.0\.1:\d+)", line):
            return found[1]
    raise AssertionError(said)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "rulegate"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return copy


def said_by_script(page: str, mark: str, directory: Path) -> str:
    """Run the script of a page to its end."""
    script = re.search(rf"<!-- {mark} -->\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert script is not None
    with started(["sh", "-eu", "-c", script[1]], directory, PORT=str(free_port())) as process:
        try:
            said, _ = process.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"the script does not come to its end; so far it said: {late.output!r}")
    assert process.returncode == 0, said
    return said


def test_the_script_for_a_team_ends_with_a_caller_in_the_log(checkout: Path) -> None:
    """U-109 U-125: the block of docs/team.md, verbatim; only the port is another one."""
    before = sorted(path.name for path in checkout.rglob("*"))
    said = said_by_script(TEAM, "team", checkout)
    for wanted in (
        r"ok rules\.d: 10 files",
        r'"code":"invalid_api_key"',
        r'"model":"nano".*"rule":"growth"',
        r'"id":"auto".*"id":"haiku".*"id":"nano"',
        r"(?i)retry-after: [1-9]",
        r'"caller":"growth-bot","team":"growth"',
    ):
        assert re.search(wanted, said), f"{wanted}\n{said}"
    assert "rg-" not in said
    after = sorted(path.name for path in checkout.rglob("*") if "data" not in path.relative_to(checkout).parts[0])
    assert [name for name in after if name not in before] == []


def test_the_first_run_ends_with_a_routed_answer_a_row_and_a_metric(checkout: Path) -> None:
    """U-125: the block of the README, verbatim, with no key; only the port is another one."""
    said = said_by_script(README, "first-run", checkout)
    for wanted in (
        r'"model":"sonnet".*"rule":"code"',  # the shipped rules decide
        r"(?i)x-rulegate-rule: simple",
        r"rule        code \(10-code\.yaml:",  # explain gives the same decision
        r"ok rules\.d: 8 files",
        r'"model":"opus".*"rule":"sql"',  # the edit is live, and the same request goes elsewhere
        r'\{"rows":\[\{.*"requested_model":"auto".*"rule":"sql".*"outcome":"answered"',
        r'rulegate_cost_usd_total\{model="opus",rule="sql"\} 0\.0*[1-9]',
    ):
        assert re.search(wanted, said), f"{wanted}\n{said}"
    assert not (checkout / "rules.d" / "05-first-run.yaml").exists()


def test_the_sdk_snippets_get_routed_answers(checkout: Path) -> None:
    """OpenAI's and Anthropic's own clients, with `model="auto"` and any key, as the README shows them."""
    found = snippets("python")
    answers = (*("claude-sonnet-4-5 (simulated claude-sonnet-4-5)",) * 2, "text-embedding-3-small [1536, 1536]")
    with started(["rulegate", "serve", "--simulate", "--listen", "127.0.0.1:0"], checkout) as process:
        address = address_said(process)
        for snippet, answer in zip(found, answers, strict=True):
            assert "127.0.0.1:8080" in snippet
            code = snippet.replace("127.0.0.1:8080", address)
            ran = subprocess.run(
                [sys.executable, "-c", code],
                cwd=checkout,
                env=environment(),
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
            assert ran.stdout.startswith(answer), ran.stderr
