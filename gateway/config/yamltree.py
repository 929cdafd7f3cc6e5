"""The YAML of a rule file as plain data, with the place of every key and value.

Builds from parse events, in one pass without recursion: PyYAML's own loader crashes the process on deep nesting and
reads scalars the 1.1 way. Scalars follow the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema).
Rule files are plain data, so anchors, aliases, tags, merge keys and second documents are Problems. No bytes make this
raise, and no message repeats a value, for a value may be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from gateway.config import syntax
from gateway.domain.problem import Mark, Problem

Path: TypeAlias = tuple[str | int, ...]
Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | int | float | bool | None"

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_NODES = 100_000
MAX_PROBLEMS = 100

_NUMBER_LIMIT = 2**63
_MAYBE_NOT_TEXT = frozenset("~nNtTfF+-.0123456789")
_NULL_WORDS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed rule file: its data, and where each part of it stands.

    `marks` gives for a path of keys and positions where the value starts; `key_marks` where its key starts. The path
    of the whole document is empty, and an empty file is an empty map. Nobody may change `data`.
    """

    file: str
    data: Tree
    marks: Mapping[Path, Mark]
    key_marks: Mapping[Path, Mark]


def parse(file: str, data: bytes) -> Document | tuple[Problem, ...]:
    """Read a rule file, or say everything that is wrong with it as YAML; `file` is only a name for the Problems."""
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB"
        return (Problem(file, 1, 1, message, "split it: all files of the directory are merged"),)
    text = syntax.decode(file, data)
    if isinstance(text, Problem):
        return (text,)
    builder = _Builder(file, syntax.end(text))
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.YAMLError as error:
        builder.problems.append(syntax.explain(file, text, error))
    except _TooMuch:
        pass
    if builder.problems:
        return tuple(sorted(builder.problems))
    return Document(file, builder.root, builder.marks, builder.key_marks)


class _TooMuch(Exception):  # noqa: N818 - a way out of the loop, with its Problem already noted
    """The file goes beyond a limit and is not read further."""


def _events(text: str) -> Iterator[Event]:
    events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
    return events


@dataclass(slots=True)
class _Frame:
    """An open list or map; `key` is that of the value to come, in a map whose key has been read."""

    path: Path
    container: "dict[str, Tree] | list[Tree]"
    key: str | None = None


class _Builder:
    """The tree as far as the events have told it."""

    def __init__(self, file: str, end: Mark) -> None:
        self.file = file
        self.end = end
        self.root: Tree = {}
        self.marks: dict[Path, Mark] = {(): Mark(1, 1)}
        self.key_marks: dict[Path, Mark] = {}
        self.problems: list[Problem] = []
        self._stack: list[_Frame] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        """Add what one event says; raises `_TooMuch` where reading on makes no sense."""
        match event:
            case ScalarEvent():
                self._scalar(event)
            case MappingStartEvent():
                self._open({}, event)
            case SequenceStartEvent():
                self._open([], event)
            case MappingEndEvent() | SequenceEndEvent():
                self._stack.pop()
            case AliasEvent():
                self._report(
                    _mark(event), "an alias ('*') is refused", "write the value out; if text is meant, quote it"
                )
                self._put(None, _mark(event))
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._report(
                        _mark(event), "a second document starts here", "remove the '---', or use a second file"
                    )
                    raise _TooMuch
            case _:
                pass

    def _scalar(self, event: ScalarEvent) -> None:
        mark = (
            _mark(event) if event.value else min(_mark(event), self.end)
        )  # where nothing stands may be behind the end
        self._refuse_decorations(event, mark)
        plain = event.implicit[0] and not event.style
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.key is None and isinstance(frame.container, dict):
            self._key(frame, event.value, mark, plain=plain)
        elif not plain:
            self._put(event.value, mark)
        elif frame is None and not event.value:
            self.marks[()] = mark  # `---` and nothing else is an empty file
        else:
            self._put(self._resolve(event.value, mark), mark)

    def _key(self, frame: _Frame, key: str, mark: Mark, *, plain: bool) -> None:
        path = (*frame.path, key)
        if plain and key == "<<":
            self._report(mark, "a merge key ('<<') is refused", "write the keys out")
        elif plain and not key:
            self._report(mark, "a key is missing here", "write it before the ':'")
        elif key in frame.container:
            first = self.key_marks[path]
            self._report(mark, f"duplicate key {shorten(key)}", f"it stands first in line {first.line}")
        frame.key = key
        self.key_marks.setdefault(path, mark)

    def _open(self, container: "dict[str, Tree] | list[Tree]", event: MappingStartEvent | SequenceStartEvent) -> None:
        mark = _mark(event)
        self._refuse_decorations(event, mark)
        if len(self._stack) >= MAX_DEPTH:
            self._report(mark, f"nested more than {MAX_DEPTH} levels deep", "a bracket may never be closed before here")
            raise _TooMuch
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.key is None and isinstance(frame.container, dict):
            self._report(mark, "a key must be text, not a map or a list", "if text is meant, quote it")
            frame.key = ""
            self._stack.append(_Frame((*frame.path, ""), container))
        else:
            self._stack.append(_Frame(self._put(container, mark), container))

    def _put(self, value: Tree, mark: Mark) -> Path:
        """Hang a value in its place and give its path; an alias in the place of a key stands for no key at all."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._report(mark, f"more than {MAX_NODES} values", "split the file: all files of the directory are merged")
            raise _TooMuch
        if not self._stack:
            self.root = value
            self.marks[()] = mark
            return ()
        frame = self._stack[-1]
        if isinstance(frame.container, list):
            path: Path = (*frame.path, len(frame.container))
            frame.container.append(value)
        elif frame.key is None:
            frame.key = ""
            return frame.path
        else:
            path = (*frame.path, frame.key)
            frame.container.setdefault(frame.key, value)
            frame.key = None
        self.marks.setdefault(path, mark)
        return path

    def _resolve(self, text: str, mark: Mark) -> Tree:
        try:
            return resolve(text)
        except ValueError as error:
            self._report(mark, str(error), "if text is meant, quote it")
            return None

    def _refuse_decorations(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent, mark: Mark) -> None:
        if event.anchor is not None:
            self._report(mark, "an anchor ('&') is refused", "remove it; if text is meant, quote it")
        if event.tag is not None:
            self._report(mark, "a tag ('!') is refused", "rules are data: remove it; if text is meant, quote it")

    def _report(self, mark: Mark, message: str, hint: str) -> None:
        self.problems.append(Problem(self.file, mark.line, mark.column, message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _TooMuch


def resolve(text: str) -> str | float | bool | None:
    """Give what an unquoted scalar means in YAML 1.2; raises ValueError for a number that nothing could hold."""
    if text and text[0] not in _MAYBE_NOT_TEXT:
        return text
    if text in _NULL_WORDS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("a number must be finite")
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            if len(text) > _LONGEST_NUMBER or abs(number := int(text, base)) >= _NUMBER_LIMIT:
                raise ValueError("this number is too large")
            return number
    if _FLOAT.fullmatch(text):
        if abs(value := float(text)) >= _NUMBER_LIMIT:
            raise ValueError("this number is too large")
        return value
    return text


def shorten(word: str) -> str:
    """Give a word in quotes for a message, cut where it is long."""
    longest = 60
    return repr(word if len(word) <= longest else word[: longest - 1] + "…")


def _mark(event: Event) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)
