"""Which files of a directory count, and what is said of those that cannot be read."""

import os
from pathlib import Path

import pytest

from gateway.config import sources
from gateway.config.sources import Unreadable, counts, read, stamp


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "90-z.yaml"])
def test_visible_yaml_files_count(name: str) -> None:
    assert counts(name)


@pytest.mark.parametrize(
    "name", [".a.yaml", "a.yaml~", "#a.yaml#", ".a.yaml.swp", "a.yaml.bak", "a.json", "4913", "#a.yaml"]
)
def test_hidden_and_temporary_files_do_not(name: str) -> None:
    """U-85."""
    assert not counts(name)


def test_files_come_in_byte_order_without_directories(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "B.yaml", "\u00e9.yaml", ".hidden.yaml", "x.txt"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "d.yaml").mkdir()
    (tmp_path / "c.yaml").symlink_to(tmp_path / "b.yaml")
    found = read(tmp_path)
    assert not isinstance(found, Unreadable)
    assert [file.name for file in found] == ["B.yaml", "a.yml", "b.yaml", "c.yaml", "\u00e9.yaml"]
    assert found[3].data == b"b.yaml"


def told(directory: Path) -> str:
    found = read(directory)
    assert isinstance(found, Unreadable)
    return str(found.problems[0])


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "x") == (
        "the rules directory: cannot be read: no such file or directory "
        f"(make {tmp_path}/x, or give another one with --rules DIR)"
    )
    assert stamp(tmp_path / "x") == ()


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone")
    assert told(tmp_path) == ("a.yaml:1:1: this is a link that leads nowhere (remove it, or put back what it leads to)")


def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert told(tmp_path) == "a.yaml:1:1: this is not a file (move it away: a rule file is an ordinary file)"


def test_a_name_that_is_no_text_is_told_readably(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_bytes(b"")
    assert told(tmp_path) == "\\udcff.yaml:1:1: the name of this file is not readable text (rename it)"


def test_too_many_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILES", 1)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_bytes(b"")
    assert "there are more than 1 rule files" in told(tmp_path)


def test_the_stamp_changes_with_the_files_that_count_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"x")
    before = stamp(tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"")
    assert stamp(tmp_path) == before
    path.write_bytes(b"xy")
    assert stamp(tmp_path) != before
