"""The daemon under a supervisor that listens as systemd does."""

import re
import signal
from pathlib import Path

import pytest

from gateway.app import running
from gateway.config.settings import Address, Settings
from tests.fakes.process import serving
from tests.fakes.rule_files import to_model
from tests.fakes.supervisor import supervisor


async def test_systemd_follows_a_daemon_from_start_to_stop(tmp_path: Path) -> None:
    """U-124: it is told when requests are taken and by which generation, of reloads, also of one that is rejected, and
    of the stop."""
    (tmp_path / "rules.d").mkdir()
    rules = tmp_path / "rules.d" / "rules.yaml"
    rules.write_text(to_model("nano"))
    with supervisor(tmp_path, abstract=True) as systemd:
        async with serving("--simulate", directory=tmp_path, env=systemd.variables) as daemon:
            started = await systemd.until("READY")
            assert re.fullmatch(r"ready: generation 1-\w{7}, requests in flight: 0", started["STATUS"])
            for text, generation in ((to_model("mini"), "2-"), ("rules: 5", "2-.*; the rules on disk are rejected")):
                rules.write_text(text)
                daemon.process.send_signal(signal.SIGHUP)
                ended = {"STATUS": ""}
                while not re.match(rf"ready: generation {generation}", ended["STATUS"]):  # the first look is told too
                    begun = await systemd.until("RELOADING")
                    assert int(begun["MONOTONIC_USEC"]) > 0
                    ended = await systemd.until("READY")
            assert await daemon.end(signal.SIGTERM) == 0
            stopped = await systemd.until("STOPPING")
            assert stopped["STATUS"].startswith("draining: generation 2-")


async def test_a_loop_that_is_blocked_gives_no_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the watchdog restarts a daemon that answers nobody; a thread would go on saying that all is well."""
    settings = Settings(None, tmp_path, Address("127.0.0.1", 0), simulate=True, simulate_speed=0.0)
    with supervisor(tmp_path) as systemd:
        for name, value in {**systemd.variables, "WATCHDOG_USEC": "20000"}.items():
            monkeypatch.setenv(name, value)
        async with running(settings):
            await systemd.until("READY")
            for _ in range(3):
                await systemd.until("WATCHDOG")
            while True:  # what was sent before
                try:
                    systemd.heard()
                except BlockingIOError:
                    break
            systemd.socket.settimeout(0.3)  # a wait that blocks the loop, for fifteen times the watchdog's limit
            with pytest.raises(TimeoutError):
                systemd.heard()
            systemd.socket.setblocking(False)
            await systemd.until("WATCHDOG")
