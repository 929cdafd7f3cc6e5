"""The watch, on a real directory: every way of changing it is noticed, looking at it is not."""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

from gateway.adapters import watch
from gateway.adapters.watch import DirectoryWatch, _Waker

DEADLINE_S = 20
NEVER_S = 3600.0


def stamp(directory: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Look at the files as the rules directory is looked at: links are followed, hidden files are not seen."""
    try:
        found = [path for path in directory.iterdir() if path.suffix == ".yaml" and not path.name.startswith(".")]
        looks = [(path.name, path.stat()) for path in found]
    except OSError:
        return ()
    return tuple(sorted((name, look.st_mtime_ns, look.st_size, look.st_ino) for name, look in looks))


@contextmanager
def watching(directory: Path, look: Callable[[], object] | None = None) -> Iterator[threading.Event]:
    """Watch a directory; the event is set at each call back. All threads have ended with the block."""
    changed = threading.Event()
    before = set(threading.enumerate())
    watched = DirectoryWatch(directory, look or (lambda: stamp(directory)), changed.set)
    watched.start()
    try:
        yield changed
    finally:
        watched.close()
    assert set(threading.enumerate()) == before


def write(rules: Path) -> None:
    (rules / "a.yaml").write_text("rules: [changed]\n")


def slow_write(rules: Path) -> None:
    with (rules / "a.yaml").open("w") as file:
        for number in range(8):
            file.write(f"# line {number}\n")
            file.flush()


def sed(rules: Path) -> None:
    (rules / "sedXYZ").write_text("rules: [changed]\n")
    (rules / "sedXYZ").replace(rules / "a.yaml")


def rename_in(rules: Path) -> None:
    outside = rules.parent / "outside.yaml"
    outside.write_text("rules: [changed]\n")
    outside.replace(rules / "a.yaml")


def vim(rules: Path) -> None:
    (rules / "4913").write_text("")
    (rules / "4913").unlink()
    (rules / "a.yaml").rename(rules / "a.yaml~")
    (rules / "a.yaml").write_text("rules: [changed]\n")
    (rules / "a.yaml~").unlink()


def touch(rules: Path) -> None:
    os.utime(rules / "a.yaml", ns=(1, 1))


def add(rules: Path) -> None:
    (rules / "b.yaml").write_text("rules: []\n")


def delete(rules: Path) -> None:
    (rules / "a.yaml").unlink()


def empty(rules: Path) -> None:
    for path in rules.iterdir():
        path.unlink()


def remove(rules: Path) -> None:
    shutil.rmtree(rules)


def replace_directory(rules: Path) -> None:
    rules.rename(rules.with_name("old"))
    rules.mkdir()
    (rules / "a.yaml").write_text("rules: [changed]\n")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules.d"
    folder.mkdir()
    (folder / "a.yaml").write_text("rules: []\n")
    return folder


CHANGES = [write, slow_write, sed, rename_in, vim, touch, add, delete, empty, remove, replace_directory]


@pytest.mark.parametrize("change", CHANGES)
def test_every_way_of_changing_a_file_is_noticed(rules: Path, change: Callable[[Path], None]) -> None:
    """U-85: in place, by rename, by editor, with the directory itself replaced."""
    with watching(rules) as changed:
        change(rules)
        assert changed.wait(DEADLINE_S)


@pytest.mark.parametrize("change", [write, sed, rename_in, vim, add, delete])
def test_the_system_tells_of_changes_before_the_poll(
    rules: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-85: live within a second where the system notifies; here nothing is ever polled."""
    monkeypatch.setattr(watch, "POLL_S", NEVER_S)
    started = threading.Event()

    class Started(Observer):  # type: ignore[misc, valid-type] # chosen by platform
        def start(self) -> None:
            super().start()
            started.set()

    monkeypatch.setattr(watch, "Observer", Started)
    with watching(rules) as changed:
        assert started.wait(DEADLINE_S)
        change(rules)
        assert changed.wait(DEADLINE_S)


class NoInstance(Observer):  # type: ignore[misc, valid-type] # chosen by platform
    """A system where no further instance can be had."""

    def __init__(self) -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")


class NoWatch(Observer):  # type: ignore[misc, valid-type] # chosen by platform
    """A system where no further watch can be had."""

    def schedule(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")


@pytest.mark.parametrize("observer", [NoInstance, NoWatch])
@pytest.mark.parametrize("change", CHANGES)
def test_the_poll_notices_where_the_system_does_not_tell(
    rules: Path, change: Callable[[Path], None], observer: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-85: network file systems, bind mounts, and systems with no notification left to give."""
    monkeypatch.setattr(watch, "Observer", observer)
    monkeypatch.setattr(watch, "POLL_S", 0.01)
    with watching(rules) as changed:
        change(rules)
        assert changed.wait(DEADLINE_S)


def test_a_configmap_that_is_swapped_is_noticed(tmp_path: Path) -> None:
    """U-85: Kubernetes swaps `..data`; no event names the file."""
    rules = tmp_path / "rules.d"
    for version in ("..2026_1", "..2026_2"):
        (rules / version).mkdir(parents=True)
        (rules / version / "a.yaml").write_text(f"# {version}\n")
    (rules / "..data").symlink_to("..2026_1")
    (rules / "a.yaml").symlink_to("..data/a.yaml")
    with watching(rules) as changed:
        (rules / "..data_tmp").symlink_to("..2026_2")
        (rules / "..data_tmp").replace(rules / "..data")
        assert changed.wait(DEADLINE_S)


def test_a_link_to_a_directory_that_is_flipped_is_noticed(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(f"# {version}\n")
    rules = tmp_path / "rules.d"
    rules.symlink_to("one")
    with watching(rules) as changed:
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(rules)
        assert changed.wait(DEADLINE_S)


def test_a_directory_that_is_removed_and_made_again_is_followed(rules: Path) -> None:
    with watching(rules) as changed:
        for step in (remove, Path.mkdir, add, write, delete):
            step(rules)
            if step is not Path.mkdir:
                assert changed.wait(DEADLINE_S), step.__name__
                changed.clear()


def test_a_directory_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """The system gives no notifications for what is not there: the poll does."""
    rules = tmp_path / "rules.d"
    with watching(rules) as changed:
        rules.mkdir()
        add(rules)
        assert changed.wait(DEADLINE_S)


def test_a_change_that_leaves_the_stamp_alone_is_none(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors' swap files and hidden files are not rule files."""
    monkeypatch.setattr(watch, "POLL_S", 0.01)
    looks = threading.Semaphore(0)

    def look() -> object:
        looks.release()
        return stamp(rules)

    with watching(rules, look) as changed:
        (rules / ".a.yaml.swp").write_text("x")
        (rules / "a.yaml~").write_text("x")
        (rules / ".#a.yaml").write_text("x")
        for _ in range(5):
            assert looks.acquire(timeout=DEADLINE_S)
        assert not changed.is_set()


class Recording(_Waker):
    """The waker, with a note of what it was told."""

    def __init__(self, wake: threading.Event) -> None:
        super().__init__(wake)
        self.told: list[str] = []
        self.file_was_read = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        super().on_any_event(event)
        self.told.append(event.event_type)
        if event.event_type == "closed_no_write" and not event.is_directory:
            self.file_was_read.set()


def test_a_change_that_is_taken_back_is_one_where_it_was_read_in_between(rules: Path) -> None:
    """U-86: what runs is what is on disk. It is told once, and again when it was read anew."""
    read, told = ["as it was"], threading.Semaphore(0)
    looked = threading.Semaphore(0)

    def look() -> object:
        looked.release()
        return "as it was"

    watched = DirectoryWatch(rules, look, told.release, lambda: read[0])
    watched.start()
    try:
        for number in range(2):
            assert not told.acquire(blocking=False)
            read[0] = f"changed {number}"
            assert told.acquire(timeout=DEADLINE_S)
            while looked.acquire(blocking=False):
                pass
            for _ in range(2):
                assert looked.acquire(timeout=DEADLINE_S)
    finally:
        watched.close()


def test_reading_the_files_never_wakes(rules: Path) -> None:
    """A watch that wakes for what it does itself would never sleep again."""
    wake = threading.Event()
    recording = Recording(wake)
    observer = Observer()
    observer.schedule(recording, str(rules), recursive=False)
    observer.start()
    try:
        assert stamp(rules)
        assert (rules / "a.yaml").read_text()
        assert recording.file_was_read.wait(DEADLINE_S)
        assert not wake.is_set(), recording.told
        write(rules)
        assert wake.wait(DEADLINE_S)
    finally:
        observer.stop()
        observer.join()


def test_closing_at_once_ends_all_threads(rules: Path) -> None:
    for _ in range(5):
        with watching(rules):
            pass
