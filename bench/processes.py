"""Processes under measurement: started on one core, asked for their CPU time and memory, stopped. Linux only."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LAST_WORDS = 2_000
"""Characters of a log that are shown of a process that did not start."""


def cores() -> tuple[int, int]:
    """Give the core of whoever is measured, and the core of driver and upstream; the same where there is one."""
    there = sorted(os.sched_getaffinity(0))
    return there[0], there[-1]


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)


class Process:
    """A running program on one core, with its log in a file.

    `started_at` is monotonic, from before the program was loaded. Its port is the last number of the first line it
    prints that has a word of `says` in it.
    """

    def __init__(self, command: Sequence[str], log: Path, core: int, environment: Mapping[str, str]) -> None:
        self.name = log.stem
        self._log = log
        with log.open("wb") as out:
            self.started_at = time.monotonic()
            self._process = _spawn(command, core, out, environment)

    @classmethod
    def of_python(cls, arguments: Sequence[str], log: Path, core: int, environment: Mapping[str, str]) -> Self:
        """Start a program of this environment; its code is compiled once, as pip does it where it installs one."""
        compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(log.parent / "compiled")}
        return cls([sys.executable, *arguments], log, core, {**compiled, **environment})

    def port(self, says: str = "", within_s: float = 30.0) -> int:
        """Wait for the line that names the port. Raises RuntimeError with the log where it does not come."""
        while time.monotonic() - self.started_at < within_s and self._process.poll() is None:
            *lines, _ = self._log.read_text(errors="replace").split("\n")
            for line in lines:
                if says in line:
                    return int(line.rstrip("/").split(":")[-1])
            pause(0.005)
        self.stop()
        raise RuntimeError(f"{self.name} did not start:\n{self.last_words()}")

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def since_start_s(self) -> float:
        """Give the seconds since before the program was loaded."""
        return time.monotonic() - self.started_at

    def output(self, within_s: float = 60.0) -> str:
        """Wait for its end and give what it printed. Raises RuntimeError where it fails or takes too long."""
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.stop()
            code = -1
        if code:
            raise RuntimeError(f"{self.name} failed:\n{self.last_words()}")
        return self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """Give the end of what it printed."""
        return self._log.read_text(errors="replace")[-_LAST_WORDS:]

    def cpu_s(self) -> float:
        """Give the user and system time of the process and all below it."""
        return sum(_stat(pid)[0] for pid in self._tree())

    def settled_cpu_s(self, within_s: float = 1.5) -> float:
        """Give the same once it has stopped growing: rows of the last requests are still being written."""
        last, quiet = self.cpu_s(), 0
        for _ in range(round(within_s / 0.05)):
            pause(0.05)
            seen = self.cpu_s()
            quiet = quiet + 1 if seen == last else 0
            last = seen
            if quiet == 5:
                break
        return last

    def memory_mb(self) -> float:
        """Give the resident memory of the process and all below it."""
        pages = 0
        for pid in self._tree():
            with suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * _PAGE_BYTES / 2**20

    def stop(self) -> None:
        """Ask it to stop, then make it."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tree(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
            children.setdefault(_stat(pid)[1], []).append(pid)
        found, left = [], [self._process.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            left += children.get(pid, ())
        return found


def _spawn(
    command: Sequence[str], core: int, out: IO[bytes], environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a program in a session of its own, on one core, ahead of other load where that is permitted."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # inherited; set back at once
    try:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environment}, start_new_session=True
        )
    finally:
        os.sched_setaffinity(0, before)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        Path(f"/proc/{process.pid}/autogroup").write_text(str(NICENESS))  # niceness counts within a session only
    return process


NICENESS = -10


def _stat(pid: int) -> tuple[float, int]:
    """Give the CPU seconds of a process and its reaped children, and its parent; zeros where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0, 0
    return sum(map(int, fields[11:15])) / _TICKS_PER_S, int(fields[1])


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, Mapping[str, str], bytes]:
    """Send one request, a POST where there is a body; give status, headers by lower-case name, and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, body, headers)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()
