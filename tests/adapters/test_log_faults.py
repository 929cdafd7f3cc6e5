"""The journal as a thread when its disk fails, its files are in the way and its process is killed."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from gateway.adapters import day_files, journal
from gateway.adapters.log_sqlite import LogReader
from gateway.domain.alike import added_up
from tests.adapters.entries import entry
from tests.adapters.journals import Told, journal_of, ledger_of, locked, made, rows_of, sums_of_rows, write

ROOT = Path(__file__).resolve().parent.parent.parent
DAY = "requests-20261123.db"
DEADLINE_S = 20


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try often, so that a test is short."""
    monkeypatch.setattr(journal, "BATCH_EVERY_S", 0.01)
    monkeypatch.setattr(day_files, "BUSY_TIMEOUT_S", 0.01)


class Heard(logging.Handler):
    """Notices a message of the journal's."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words
        self.times = 0
        self.event = threading.Event()
        logging.getLogger(journal.__name__).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self.times += 1
            self.event.set()


@contextmanager
def log_locked(data: Path) -> Iterator[None]:
    with locked(data / "log" / DAY):
        yield


@contextmanager
def state_locked(data: Path) -> Iterator[None]:
    with locked(data / "state.db"):
        yield


@contextmanager
def moved_aside(path: Path) -> Iterator[None]:
    aside = path.with_name("aside")
    shutil.move(path, aside)
    yield
    shutil.move(aside, path)


@contextmanager
def file_for_folder(data: Path) -> Iterator[None]:
    """Something else stands where the folder was."""
    with moved_aside(data / "log"):
        (data / "log").write_text("in the way")
        yield
        (data / "log").unlink()


@contextmanager
def folder_for_file(data: Path) -> Iterator[None]:
    with moved_aside(data / "log" / DAY):
        (data / "log" / DAY).mkdir()
        yield
        (data / "log" / DAY).rmdir()


@contextmanager
def log_read_only(data: Path) -> Iterator[None]:
    if os.geteuid() == 0:
        pytest.skip("root writes to what is read-only")
    with moved_aside(data / "log" / DAY):
        (data / "log").chmod(0o500)
        yield
        (data / "log").chmod(0o700)


@contextmanager
def state_gone(data: Path) -> Iterator[None]:
    with moved_aside(data / "state.db"):
        yield


@contextmanager
def state_garbage(data: Path) -> Iterator[None]:
    with moved_aside(data / "state.db"):
        (data / "state.db").write_bytes(b"not a database at all " * 500)
        yield
        (data / "state.db").unlink()


LOG_FAULTS = (log_locked, file_for_folder, folder_for_file, log_read_only)
STATE_FAULTS = (state_locked, state_gone, state_garbage)


@pytest.mark.parametrize("fault", [*LOG_FAULTS, *STATE_FAULTS])
def test_what_cannot_be_written_waits_and_is_written_then(
    tmp_path: Path, fault: Callable[[Path], AbstractContextManager[None]]
) -> None:
    """U-99: requests are not held up, each failure is counted, health flips and comes back, and then rows and ledger
    are what they would be without the trouble."""
    store = "log" if fault in LOG_FAULTS else "ledger"
    again = Heard("log rows are written again" if store == "log" else "the ledger is written again")
    trouble = Heard("cannot be written to")
    write(tmp_path, entry(1))
    told = Told()
    failed = told.event
    one = journal_of(tmp_path, told)

    with fault(tmp_path):
        one.start()
        assert one.put(added_up([entry(2)]))
        assert failed.wait(DEADLINE_S)
        failed.clear()
        assert failed.wait(DEADLINE_S)
        during = one.healthy
        assert one.put(added_up([entry(3)]))
    assert again.event.wait(DEADLINE_S)
    one.close()

    assert (during, one.healthy) == (False, True)
    assert (told.dropped, set(told.failed)) == (0, {store})
    assert trouble.times == 1, "a trouble is said once, not once a try"
    assert [row["id"] for row in rows_of(tmp_path)] == [entry(number).id for number in (1, 2, 3)]
    assert ledger_of(tmp_path) == sums_of_rows(tmp_path)


WRITES_UNTIL_KILLED = """
import sys
from itertools import count
from pathlib import Path
from gateway.domain.alike import added_up
from tests.adapters.entries import entry
from tests.adapters.journals import journal_of
journal = journal_of(Path(sys.argv[1]))
journal.start()
for number in count(int(sys.argv[2])):
    if journal.put(added_up([entry(number)])):
        print(number, flush=True)
"""


def test_a_killed_daemon_leaves_files_that_open_and_loses_nothing_but_the_last(tmp_path: Path) -> None:
    """U-79 U-100: after SIGKILL both files are sound, rows are there up to a moment, and a new daemon goes on with
    them; the ledger is their sum, killed as often as it may be."""
    reader = LogReader(tmp_path / "log")
    first = 0
    for _ in range(5):
        command = [sys.executable, "-c", WRITES_UNTIL_KILLED, str(tmp_path), str(first)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            before, seen = reader.rows(1), None
            for line in child.stdout:
                if int(line) % 200 == 0 and (rows := reader.rows(1)) != before:
                    seen = rows[0]["id"]
                    break
            child.kill()
            last = first + sum(1 for _ in child.stdout)
        assert seen is not None
        written = [row["id"] for row in rows_of(tmp_path)]
        assert seen in written
        begun = written.index(entry(first).id)
        length = len(written) - begun
        assert written[begun:] == [entry(first + number).id for number in range(length)], "no row is missing in between"
        first = last + 1_000_000

    write(tmp_path, entry(first))
    for path in (tmp_path / "log" / DAY, tmp_path / "state.db"):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert ledger_of(tmp_path) == sums_of_rows(tmp_path)


FILLS_ITS_DISK = """
import resource, signal, sys, threading
from pathlib import Path
from gateway.adapters import journal as module
from gateway.domain.alike import added_up
from tests.adapters.entries import NOON, entry
from tests.adapters.journals import Told, journal_of
from tests.adapters.test_log_faults import Heard
module.BATCH_EVERY_S = 0.01
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
failed = {"log": threading.Event(), "ledger": threading.Event()}
again = {"log": Heard("log rows are written again"), "ledger": Heard("the ledger is written again")}
told = Told()
journal = journal_of(Path(sys.argv[1]), told)
journal._rows._failed = journal._money._failed = lambda store: failed[store].set()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
journal.start()
for number in range(1_500):
    assert journal.put(added_up([entry(number, team=f"team {number}")]))
for store in sys.argv[3:]:
    assert failed[store].wait(20)
assert not journal.healthy
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
for store in sys.argv[3:]:
    assert again[store].event.wait(20)
journal.close()
assert journal.healthy
assert not told.dropped
"""


@pytest.mark.parametrize(("size", "stores"), [(200_000, ["log"]), (20_000, ["log", "ledger"])])
def test_a_full_disk_costs_neither_a_row_nor_money(tmp_path: Path, size: int, stores: list[str]) -> None:
    """U-99: what found no room is written when there is some, also when both files are full at once."""
    made(tmp_path)
    command = [sys.executable, "-c", FILLS_ITS_DISK, str(tmp_path), str(size), *stores]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(rows_of(tmp_path)) == 1_500
    assert ledger_of(tmp_path) == sums_of_rows(tmp_path)
    assert sum(amounts.attempts for amounts in ledger_of(tmp_path).values()) == 1_500


def test_a_day_that_cannot_be_opened_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is gone, or is none, when it is opened has no rows, and the other days still have theirs."""
    write(tmp_path, entry(1))
    (tmp_path / "log" / "requests-20261124.db").symlink_to(tmp_path / "gone")
    (tmp_path / "log" / "requests-20261125.db").mkdir()
    assert [row["id"] for row in LogReader(tmp_path / "log").rows(10)] == [entry(1).id]
    assert sum("cannot be read" in each.message for each in caplog.records) == 2
