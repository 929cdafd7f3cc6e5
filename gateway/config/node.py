"""A place in a parsed rule file: the value there, and how to speak of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

from gateway.config.yamltree import Document, Path
from gateway.domain.problem import Mark, Problem


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a Document that the schema has checked, so that its shape is known."""

    document: Document
    path: Path
    value: Any

    def __getitem__(self, key: str | int) -> Self:
        return type(self)(self.document, (*self.path, key), self.value[key])

    def get(self, key: str) -> Self | None:
        """Give the node under a key, None where the key is absent."""
        return self[key] if key in self.value else None

    def items(self) -> Iterator[tuple[str, Self]]:
        """Give the keys of a map with their nodes, in the order of the file."""
        for key in self.value:
            yield key, self[key]

    def __iter__(self) -> Iterator[Self]:
        for position in range(len(self.value)):
            yield self[position]

    @property
    def mark(self) -> Mark:
        """Where the value starts."""
        return self.document.marks.get(self.path, Mark(1, 1))

    @property
    def key_mark(self) -> Mark:
        """Where the key of the value starts, or the value where it has no key."""
        return self.document.key_marks.get(self.path, self.mark)

    @property
    def place(self) -> str:
        """Give `file:line` of the key, for a message that refers to it."""
        return f"{self.document.file}:{self.key_mark.line}"

    def problem(self, message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """Give a Problem at this place."""
        mark = self.key_mark if at_key else self.mark
        return Problem(self.document.file, mark.line, mark.column, message, hint)


class Findings:
    """The Problems found so far. A reference that leads nowhere counts only when every file could be read."""

    def __init__(self, *, complete: bool) -> None:
        self.complete = complete
        self.problems: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Note a Problem."""
        self.problems.append(problem)

    def missing(self, node: Node, kind: str, name: str, known: Iterable[str], meant: str = "") -> None:
        """Note that `name` is no `kind` there is; `meant` says what is probably wrong, else the nearest name does."""
        if self.complete:
            self.add(node.problem(f"there is no {kind} '{name}'", meant or _meant(kind, name, sorted(known))))


_NAMES_SHOWN = 12


def _meant(kind: str, name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    if not names:
        return f"add it under {'categories' if kind == 'category' else f'{kind}s'}:"
    more = f", and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"one of {', '.join(names[:_NAMES_SHOWN])}{more}"
