"""Tells systemd how the daemon is doing, over the datagram socket that it names (sd_notify(3), sd_watchdog_enabled(3)).

Without systemd nothing is said. Nothing here waits: a message that cannot be sent at once is left out.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

logger = logging.getLogger(__name__)

STATUS_EVERY_S = 10.0


class Systemd:
    """The supervisor. It hears of reloads between `ready` and `stopping` alone, as its states demand."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        name = variables.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._limit_us = _limit_us(variables)
        self._status: Callable[[], str] = str
        self._up = False
        self._failed = False

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return bool(self._address)

    @property
    def every_s(self) -> float:
        """How often it wants a sign of life: twice within the watchdog's time, where it watches."""
        return self._limit_us / 2e6 if self._limit_us else STATUS_EVERY_S

    def ready(self, status: Callable[[], str]) -> None:
        """Say that requests are taken; `status` gives the line that operators are shown from here on."""
        self._status, self._up = status, True
        self._say("READY=1", f"STATUS={status()}")

    def alive(self) -> None:
        """Say that the loop turns; the loop itself must call this, so that one that is blocked is found out."""
        self._say(*(["WATCHDOG=1"] if self._limit_us else []), f"STATUS={self._status()}")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that a reload begins, and that it has ended, whatever became of it."""
        if self._up:
            self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if self._up:
                self.ready(self._status)

    def stopping(self) -> None:
        """Say that the daemon ends."""
        self._up = False
        self._say("STOPPING=1", f"STATUS={self._status()}")

    def _say(self, *words: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto("\n".join(words).encode(), self._address)
        except OSError as error:
            if not self._failed:
                logger.warning("systemd cannot be told %s: %s", words[0], error.strerror)
            self._failed = True


def _limit_us(variables: Mapping[str, str]) -> int:
    """Give the watchdog's time in microseconds, 0 where it does not watch this process."""
    written = variables.get("WATCHDOG_USEC", "")
    ours = variables.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(written) if ours and written.isdecimal() else 0
