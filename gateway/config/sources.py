"""The rules directory on disk: which files count, their bytes, and a cheap stamp that changes with them."""

import os
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.problem import WHOLE_SET, Problem
from gateway.domain.snapshot import RuleFile

SUFFIXES = (".yaml", ".yml")
MAX_FILES = 2_000

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Name, times of content and of status in nanoseconds, size and inode of each file that counts."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The directory, or a file in it, cannot be read."""

    problems: tuple[Problem, ...]


def stamp(directory: Path) -> Stamp:
    """Look at the directory without reading a file; a directory that is gone has no files."""
    entries = []
    try:
        with os.scandir(directory) as found:
            for entry in found:
                if counts(entry.name):
                    status = _status(entry)
                    entries.append(
                        (entry.name, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
                        if status
                        else (entry.name, 0, 0, 0, 0)
                    )
    except OSError:
        return ()
    return tuple(sorted(entries))


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None


def counts(name: str) -> bool:
    """Say whether a file of this name is a rule file: a visible one, with one of the two endings."""
    return name.endswith(SUFFIXES) and not name.startswith((".", "#"))


def read(directory: Path) -> tuple[RuleFile, ...] | Unreadable:
    """Read every rule file, in byte order of names; a link is followed, a directory is left alone."""
    try:
        names = sorted((path.name for path in directory.iterdir() if counts(path.name)), key=os.fsencode)
    except OSError as error:
        if isinstance(error, PermissionError):
            return _unreadable(WHOLE_SET, error, f"make it readable for this user: chmod a+rx {directory}")
        return _unreadable(WHOLE_SET, error, f"make {directory}, or give another one with --rules DIR")
    if len(names) > MAX_FILES:
        return Unreadable((Problem(WHOLE_SET, 1, 1, f"there are more than {MAX_FILES} rule files"),))
    files = []
    for name in names:
        path = directory / name
        try:
            if path.is_dir():
                continue
            if (trouble := _trouble(name, path)) is not None:
                return Unreadable((trouble,))
            files.append(RuleFile(name, path.read_bytes()))
        except OSError as error:
            return _unreadable(name, error, f"make it readable for this user: chmod a+r {path}")
    return tuple(files)


def _trouble(name: str, path: Path) -> Problem | None:
    """A pipe would never end, a link may lead nowhere, and a name that is no text could be told to nobody."""
    if not name.isprintable():
        shown = name.encode("ascii", "backslashreplace").decode()
        return Problem(shown, 1, 1, "the name of this file is not readable text", "rename it")
    if path.is_symlink() and not path.exists():
        return Problem(name, 1, 1, "this is a link that leads nowhere", "remove it, or put back what it leads to")
    if path.exists() and not path.is_file():
        return Problem(name, 1, 1, "this is not a file", "move it away: a rule file is an ordinary file")
    return None


def _unreadable(name: str, error: OSError, hint: str) -> Unreadable:
    return Unreadable((Problem(name, 1, 1, f"cannot be read: {(error.strerror or 'unknown error').lower()}", hint),))
