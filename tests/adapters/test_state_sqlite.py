"""The state of a daemon, on a real file, and the lock of its directory."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.adapters import state_sqlite
from gateway.adapters.state_sqlite import HASH_KEY_BYTES, MIGRATIONS, DataDirectoryError, Lock, State, migrate
from gateway.domain.problem import StoreError
from gateway.domain.snapshot import RuleFile

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE = (RuleFile("10-a.yaml", b"rules: []\n"), RuleFile("20-b.yaml", b"\xff\x00 any bytes"))
TWO = (RuleFile("10-a.yaml", b"rules: [x]\n"),)


@contextmanager
def opened(path: Path) -> Iterator[State]:
    state = State(path)
    try:
        yield state
    finally:
        state.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_the_same_set_keeps_its_number_and_another_gets_the_next(path: Path) -> None:
    with opened(path) as state:
        assert [state.accepted(name, ONE, AT) for name in ("aaa", "aaa", "bbb", "bbb")] == [1, 1, 2, 2]


def test_generations_go_on_over_a_restart(path: Path) -> None:
    for fingerprint, number in [("aaa", 1), ("aaa", 1), ("bbb", 2), ("bbb", 2)]:
        with opened(path) as state:
            assert state.accepted(fingerprint, ONE, AT) == number


def test_going_back_to_an_older_set_is_a_new_generation(path: Path) -> None:
    """A number never runs twice: rows of generation 1 and 3 are of the same rules at different times."""
    with opened(path) as state:
        assert [state.accepted(name, ONE, AT) for name in ("aaa", "bbb", "aaa", "aaa")] == [1, 2, 3, 3]


def test_the_text_of_every_accepted_set_is_kept_by_fingerprint(path: Path) -> None:
    with opened(path) as state:
        state.accepted("aaa", ONE, AT)
        state.accepted("bbb", TWO, AT)
        state.accepted("aaa", ONE, AT)
    with opened(path) as state:
        assert state.files("aaa") == ONE
        assert state.files("bbb") == TWO
        assert state.files("ccc") == ()
        assert [state.knows(name) for name in ("aaa", "bbb", "ccc")] == [True, True, False]


def test_the_last_good_set_is_the_one_that_was_accepted_last(path: Path) -> None:
    """U-89: what `--use-last-good` starts from."""
    with opened(path) as state:
        assert state.last_good() is None
        state.accepted("aaa", ONE, AT)
        state.accepted("bbb", TWO, AT)
    with opened(path) as state:
        assert state.last_good() == TWO
        state.accepted("aaa", ONE, AT)
        assert state.last_good() == ONE


def test_an_empty_set_that_was_accepted_is_not_the_same_as_none(path: Path) -> None:
    with opened(path) as state:
        state.accepted("empty", (), AT)
        assert state.last_good() == ()


def test_a_name_in_a_fingerprint_or_a_file_is_a_value(path: Path) -> None:
    """U-111: whatever a file is called."""
    odd = (RuleFile("'); drop table files; --.yaml", b"x"),)
    with opened(path) as state:
        state.accepted("' or 1=1 --", odd, AT)
        assert state.files("' or 1=1 --") == odd
        assert state.files("") == ()


def test_the_key_of_the_hashes_is_made_once_and_is_another_elsewhere(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db") as state:
        key = state.hash_key()
        assert state.hash_key() == key
        assert len(key) == HASH_KEY_BYTES
    with opened(tmp_path / "state.db") as state:
        assert state.hash_key() == key
    with opened(tmp_path / "other.db") as other:
        assert other.hash_key() != key


def test_every_older_version_is_brought_to_the_newest() -> None:
    """U-102: a migration from each version there was gives the tables of a file that is new."""
    shapes = []
    for version in range(len(MIGRATIONS) + 1):
        with closing(sqlite3.connect(":memory:")) as database:
            for number, script in enumerate(MIGRATIONS[:version], start=1):
                database.executescript(f"{script}; pragma user_version={number};")
            migrate(database)
            migrate(database)
            assert database.execute("pragma user_version").fetchone() == (len(MIGRATIONS),)
            shapes.append(database.execute("select name, sql from sqlite_master order by name").fetchall())
    assert len(shapes[0]) >= 4
    assert all(shape == shapes[0] for shape in shapes)


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-102: a step is done whole or not at all, and the next start tries it again."""
    broken = "begin; create table half (x); create table half (x); pragma user_version=99; commit;"
    with opened(path) as state:
        state.accepted("aaa", ONE, AT)
    with monkeypatch.context() as patched:
        patched.setattr(state_sqlite, "_STEPS", (*state_sqlite._STEPS, broken))
        with pytest.raises(DataDirectoryError, match="half already exists"):
            State(path)
    with opened(path) as state:
        assert state.files("aaa") == ONE


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("pragma user_version=99", f"it was written by a later version (99 > {len(MIGRATIONS)})"),
        (None, "file is not a database"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_left_alone(path: Path, spoil: str | None, words: str) -> None:
    """U-102, U-126: the message names the file and says what to do; its bytes stay as they were."""
    if spoil is None:
        path.write_bytes(b"somebody's notes\n" * 100)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute(spoil)
    before = path.read_bytes()
    with pytest.raises(DataDirectoryError) as caught:
        State(path)
    assert str(caught.value) == f"{path} cannot be used: {words}; move it away to begin anew"
    assert path.read_bytes() == before


HOLDS = """
import sys
from pathlib import Path
from gateway.adapters.state_sqlite import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_daemon_is_told_who_holds_the_directory_until_that_one_dies(tmp_path: Path) -> None:
    """One daemon holds a data directory; a process that was killed holds nothing."""
    folder = tmp_path / "data"
    command = [sys.executable, "-c", HOLDS, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(DataDirectoryError) as caught:
            Lock(folder)
        hint = "stop it, or give another directory with --data DIR"
        assert str(caught.value) == f"{folder} is in use by process {child.pid}: {hint}"
        child.kill()
    lock = Lock(folder)
    assert (folder / "lock").read_text() == str(os.getpid())
    lock.close()
    Lock(folder).close()


def test_a_directory_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    """U-126: no write permission, or something in the way."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DataDirectoryError) as caught:
        Lock(tmp_path / "data")
    assert str(caught.value) == f"cannot write to {tmp_path / 'data'}: file exists; give another one with --data DIR"


def test_a_key_that_cannot_be_kept_is_a_store_error(path: Path) -> None:
    with opened(path) as state:
        with closing(sqlite3.connect(path)) as database:
            database.execute("drop table keys")
        with pytest.raises(StoreError, match=r"cannot be kept in state\.db"):
            state.hash_key()
