"""What systemd is told, over a socket as it has one."""

import logging
import os
import time
from pathlib import Path

import pytest

from gateway.adapters.systemd import STATUS_EVERY_S, Systemd
from tests.fakes.supervisor import supervisor


@pytest.mark.parametrize("abstract", [False, True], ids=["a path", "an abstract name"])
def test_it_is_told_of_the_start_a_reload_and_the_stop(tmp_path: Path, *, abstract: bool) -> None:
    """A reload says the time on the monotonic clock at which it began, which Type=notify-reload demands."""
    with supervisor(tmp_path, abstract=abstract) as systemd:
        told = Systemd(systemd.variables)
        told.ready(lambda: "well")
        assert systemd.heard() == {"READY": "1", "STATUS": "well"}
        before_us = time.monotonic_ns() // 1000
        with told.reloading():
            message = systemd.heard()
        assert message.pop("RELOADING") == "1"
        assert before_us <= int(message.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000
        assert message == {}
        assert systemd.heard() == {"READY": "1", "STATUS": "well"}
        told.stopping()
        assert systemd.heard() == {"STOPPING": "1", "STATUS": "well"}


def test_a_reload_that_fails_ends_too(tmp_path: Path) -> None:
    """Otherwise `systemctl reload` would wait for its end."""
    with supervisor(tmp_path) as systemd:
        told = Systemd(systemd.variables)
        told.ready(str)
        with pytest.raises(RuntimeError), told.reloading():
            raise RuntimeError
        assert [next(iter(systemd.heard())) for _ in range(3)] == ["READY", "RELOADING", "READY"]


def test_reloads_before_the_start_and_during_the_stop_are_not_told(tmp_path: Path) -> None:
    """READY behind them would say that the daemon has started, or that it does not stop."""
    with supervisor(tmp_path) as systemd:
        told = Systemd(systemd.variables)
        with told.reloading():
            pass
        told.ready(str)
        told.stopping()
        with told.reloading():
            pass
        assert [next(iter(systemd.heard())) for _ in range(2)] == ["READY", "STOPPING"]
        with pytest.raises(BlockingIOError):
            systemd.heard()


@pytest.mark.parametrize(
    ("variables", "watched", "every_s"),
    [
        ({"WATCHDOG_USEC": "3000000"}, True, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, True, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid() + 1)}, False, STATUS_EVERY_S),
        ({"WATCHDOG_USEC": "soon"}, False, STATUS_EVERY_S),
        ({}, False, STATUS_EVERY_S),
    ],
)
def test_the_watchdog_is_told_twice_in_its_time(
    tmp_path: Path, variables: dict[str, str], *, watched: bool, every_s: float
) -> None:
    """Where it watches this process; the line for operators is kept up in any case."""
    with supervisor(tmp_path) as systemd:
        told = Systemd({**systemd.variables, **variables})
        told.alive()
        assert ("WATCHDOG" in systemd.heard(), told.every_s, told.listens) == (watched, every_s, True)


def test_without_systemd_nothing_is_said() -> None:
    told = Systemd({"WATCHDOG_USEC": "3000000"})
    told.ready(str)
    told.alive()
    told.stopping()
    assert not told.listens


def test_a_socket_that_is_gone_is_told_once_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with supervisor(tmp_path) as systemd:
        told = Systemd(systemd.variables)
    with caplog.at_level(logging.WARNING):
        told.ready(str)
        told.alive()
    assert [record.getMessage() for record in caplog.records] == ["systemd cannot be told READY=1: Connection refused"]


def test_a_supervisor_who_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    """The queue of a datagram socket is short, and the loop must not stand still for it."""
    with supervisor(tmp_path) as systemd:
        told = Systemd(systemd.variables)
        for _ in range(1000):
            told.alive()
        assert systemd.heard() == {"STATUS": ""}
