"""The log when its disk fails, its files are in the way and its process is killed."""

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

from gateway.adapters import log_sqlite
from gateway.adapters.log_sqlite import LogReader, LogWriter
from tests.adapters.entries import entry

ROOT = Path(__file__).resolve().parent.parent.parent
DAY = "requests-20261123.db"
DEADLINE_S = 20


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try often, so that a test is short."""
    for name in ("BATCH_EVERY_S", "RETRY_EVERY_S", "BUSY_TIMEOUT_S"):
        monkeypatch.setattr(log_sqlite, name, 0.01)


class Told(logging.Handler):
    """Notices a message of the log's."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words
        self.times = 0
        self.event = threading.Event()
        logging.getLogger(log_sqlite.__name__).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self.times += 1
            self.event.set()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process holds the write lock."""
    with closing(sqlite3.connect(folder / DAY)) as other:
        other.execute("begin immediate")
        yield
        other.rollback()


@contextmanager
def moved_aside(path: Path) -> Iterator[None]:
    aside = path.with_name("aside")
    shutil.move(path, aside)
    yield
    shutil.move(aside, path)


@contextmanager
def file_for_folder(folder: Path) -> Iterator[None]:
    """Something else stands where the folder was."""
    with moved_aside(folder):
        folder.write_text("in the way")
        yield
        folder.unlink()


@contextmanager
def folder_for_file(folder: Path) -> Iterator[None]:
    with moved_aside(folder / DAY):
        (folder / DAY).mkdir()
        yield
        (folder / DAY).rmdir()


@contextmanager
def garbage(folder: Path) -> Iterator[None]:
    with moved_aside(folder / DAY):
        (folder / DAY).write_bytes(b"not a database at all " * 500)
        yield
        (folder / DAY).unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    if os.geteuid() == 0:
        pytest.skip("root writes to what is read-only")
    with moved_aside(folder / DAY):
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)


@pytest.mark.parametrize("fault", [locked, file_for_folder, folder_for_file, garbage, read_only])
def test_rows_wait_while_the_file_cannot_be_written_and_are_written_then(
    tmp_path: Path, fault: Callable[[Path], AbstractContextManager[None]]
) -> None:
    """U-99: requests are not held up, each failure is counted, health flips and comes back, no row is lost."""
    folder = tmp_path / "log"
    failed, again, trouble = threading.Event(), Told("log rows are written again"), Told("cannot be written to")
    dropped: list[int] = []
    writer = LogWriter(folder, lambda: 30, failed.set, lambda: dropped.append(1))
    first = LogWriter(folder, lambda: 30, failed.set)
    first.start()
    first.put(entry(1))
    first.close()
    assert not failed.is_set()

    with fault(folder):
        writer.start()
        assert writer.put(entry(2))
        assert failed.wait(DEADLINE_S)
        failed.clear()
        assert failed.wait(DEADLINE_S)
        during = writer.healthy
        assert writer.put(entry(3))
    assert again.event.wait(DEADLINE_S)
    writer.close()

    assert (during, writer.healthy) == (False, True)
    assert dropped == []
    assert trouble.times == 1, "a trouble is said once, not once a try"
    assert [row["id"] for row in LogReader(folder).rows(10)] == [entry(number).id for number in (3, 2, 1)]


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_a_file_that_was_deleted_under_the_writer_is_begun_anew(tmp_path: Path, gone: str) -> None:
    """U-99: rows are never written to a file that nobody can open any more."""
    folder = tmp_path / "log"
    failures: list[int] = []
    writer = LogWriter(folder, lambda: 30, lambda: failures.append(1))
    writer.start()
    writer.put(entry(1))
    while LogReader(folder).find(entry(1).id) is None:  # the time limit of the test bounds it
        pass
    if gone == "folder":
        shutil.rmtree(folder)
    else:
        for path in folder.iterdir():
            path.unlink()
    writer.put(entry(2))
    writer.close()
    assert [row["id"] for row in LogReader(folder).rows(10)] == [entry(2).id]
    assert failures == []


def test_rows_that_cannot_be_written_at_the_end_are_counted_and_hold_nothing_up(tmp_path: Path) -> None:
    """U-99: what is lost at the end is known, row by row, and one try is enough to know it."""
    folder = tmp_path / "log"
    folder.write_text("in the way")
    lost, failures, dropped = Told("3 log rows are lost"), [0], [0]

    def failed() -> None:
        failures[0] += 1

    def drop() -> None:
        dropped[0] += 1

    writer = LogWriter(folder, lambda: 30, failed, drop)
    for number in range(3):
        writer.put(entry(number))
    writer.start()
    writer.close()
    assert lost.times == 1
    assert dropped == [3]
    assert failures[0] >= 1
    assert not writer.healthy


WRITES_UNTIL_KILLED = """
import sys
from itertools import count
from pathlib import Path
from gateway.adapters.log_sqlite import LogWriter
from tests.adapters.entries import entry
writer = LogWriter(Path(sys.argv[1]), lambda: 30, lambda: None)
writer.start()
for number in count():
    if writer.put(entry(number)):
        print(number, flush=True)
"""


def test_a_killed_daemon_leaves_files_that_open_and_loses_no_row_but_the_last(tmp_path: Path) -> None:
    """U-100: after SIGKILL the file is sound, holds all up to a moment, and a new daemon goes on with it."""
    folder = tmp_path / "log"
    reader = LogReader(folder)
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_KILLED, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        seen = None
        for line in child.stdout:
            if int(line) % 200 == 0 and (rows := reader.rows(1)):
                seen = rows[0]["id"]
                break
        child.kill()
        put = 1 + int(line) + sum(1 for _ in child.stdout)
    assert seen is not None

    writer = LogWriter(folder, lambda: 30, lambda: None)
    writer.start()
    writer.put(entry(put + 1_000_000))
    writer.close()
    with closing(sqlite3.connect(folder / DAY)) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        ids = [row[0] for row in database.execute("select id from requests order by id")]
    assert ids.pop() == entry(put + 1_000_000).id
    assert ids == [entry(number).id for number in range(len(ids))], "no row is missing before the last one"
    assert seen in ids
    assert len(ids) <= put


FILLS_ITS_DISK = """
import logging, resource, signal, sys, threading
from pathlib import Path
from gateway.adapters import log_sqlite
from gateway.adapters.log_sqlite import LogReader, LogWriter
from tests.adapters.entries import entry
from tests.adapters.test_log_faults import Told
log_sqlite.BATCH_EVERY_S = log_sqlite.RETRY_EVERY_S = 0.01
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
failed, again = threading.Event(), Told("log rows are written again")
writer = LogWriter(Path(sys.argv[1]), lambda: 30, failed.set)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
writer.start()
for number in range(1_500):
    assert writer.put(entry(number))
assert failed.wait(20)
assert not writer.healthy
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert again.event.wait(20)
writer.close()
print(len(LogReader(Path(sys.argv[1])).rows(5_000)))
"""


def test_a_full_disk_costs_no_row(tmp_path: Path) -> None:
    """U-99: the rows that found no room are written when there is some."""
    done = subprocess.run(
        [sys.executable, "-c", FILLS_ITS_DISK, str(tmp_path / "log")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("1500", 0), done.stderr


def test_a_day_that_cannot_be_opened_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is gone, or is none, when it is opened has no rows, and the other days still have theirs."""
    writer = LogWriter(tmp_path, lambda: 30, lambda: None)
    writer.start()
    writer.put(entry(1))
    writer.close()
    (tmp_path / "requests-20261124.db").symlink_to(tmp_path / "gone")
    (tmp_path / "requests-20261125.db").mkdir()
    assert [row["id"] for row in LogReader(tmp_path).rows(10)] == [entry(1).id]
    assert sum("cannot be read" in each.message for each in caplog.records) == 2
