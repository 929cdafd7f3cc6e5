"""deploy/systemd: systemd takes the unit, and the daemon does what the unit expects of it."""

import re
import shutil
import signal
import socket
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.deploy.shipped import DEPLOY, DRAIN_S, key_files, seconds, settings_are_taken, start_rules
from tests.fakes.process import fails, serving

UNIT = DEPLOY / "systemd" / "rulegate.service"
WORST_EXPOSURE = 15
"""In tenths, as `--threshold` takes it; it was 12 with systemd 252."""


def read(text: str) -> dict[str, list[str]]:
    """Give the values of each option of a unit, in order: an option may stand more than once."""
    found = defaultdict(list)
    for line in text.splitlines():
        if re.match(r"\w+=", line):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


OPTIONS = read(UNIT.read_text(encoding="utf-8"))
SETTINGS = dict(pair.split("=", 1) for line in OPTIONS["Environment"] for pair in line.split())


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("THE UNIT IS NOT CHECKED by systemd: there is no systemd-analyze here (Debian: systemd)")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    """Every option is one that it knows, with a value that it takes. The command is another one, which is there."""
    text, found = re.subn(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"))
    assert found == 1
    unit = tmp_path / UNIT.name
    unit.write_text(text, encoding="utf-8")
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_little_is_exposed() -> None:
    done = analyze("security", "--offline=yes", "--no-pager", f"--threshold={WORST_EXPOSURE}", UNIT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stop_waits_for_the_drain() -> None:
    """U-124: SIGTERM goes to the daemon alone; SIGKILL comes after requests had their time and rows were written."""
    assert seconds(OPTIONS["TimeoutStopSec"][0]) > DRAIN_S
    assert OPTIONS["KillMode"] == ["mixed"]
    assert "KillSignal" not in OPTIONS


def test_the_rules_of_deploy_find_their_keys() -> None:
    """README.md has the command that names them as systemd does: the id, an underscore, the name of the file."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    old, new = re.findall(r"sed 's#(\S+?)#(\S+?)#'", text)[0]
    ((credential, _, directory),) = (value.partition(":") for value in OPTIONS["LoadCredential"])
    assert new == f"/run/credentials/{UNIT.name}/{credential}_"
    names = {path.removeprefix(old) for path in key_files(start_rules())}
    assert {f"{directory}/{name}" for name in names} == set(re.findall(rf"{directory}/\w+", text))


def test_settings_are_those_of_the_daemon() -> None:
    assert settings_are_taken(SETTINGS)
    assert SETTINGS["RULEGATE_DATA"] == f"%S/{OPTIONS['StateDirectory'][0]}"
    assert SETTINGS["RULEGATE_RULES"].startswith(f"/etc/{OPTIONS['ConfigurationDirectory'][0]}/")
    assert re.fullmatch(r"/\S+/rulegate serve", OPTIONS["ExecStart"][0])


def test_the_daemon_can_speak_to_systemd_and_to_providers() -> None:
    families = set(OPTIONS["RestrictAddressFamilies"][0].split())
    assert families == {"AF_UNIX", "AF_INET", "AF_INET6"}


async def test_a_wrong_setting_is_not_tried_again(tmp_path: Path) -> None:
    """Its exit code is the one that the unit does not restart after; that of rules that do not run is another."""
    never = [int(word) for word in OPTIONS["RestartPreventExitStatus"][0].split()]
    code, _ = await fails(directory=tmp_path, env={"RULEGATE_LOG_FORMAT": "nonsense"})
    assert code in never
    code, _ = await fails("--rules", "rules.d", directory=tmp_path)
    assert code not in never
    assert code != 0, "on-failure starts it again"


async def test_the_daemon_says_that_it_is_ready(tmp_path: Path) -> None:
    """With Type=notify, systemd waits for it, and ends a daemon that does not say so in time."""
    assert OPTIONS["Type"] == ["notify"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / "notify"))
        notices.setblocking(False)
        async with serving("--simulate", directory=tmp_path, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as daemon:
            await daemon.end(signal.SIGTERM)
        said = []
        while True:
            try:
                said += notices.recv(4096).decode().splitlines()
            except BlockingIOError:
                break
    assert "READY=1" in said
