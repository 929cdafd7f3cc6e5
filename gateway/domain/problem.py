"""Problems: what is wrong with a rule file, as data."""

from dataclasses import dataclass


class StoreError(Exception):
    """What must be kept could not be written; the message says which file and why."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; line and column count from 1, the column in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, where it stands, and what was probably meant.

    `file` is the name within the rules directory. `message` is lowercase and never holds a secret.
    `hint` is the remedy, or empty.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Give the form that editors and terminals turn into a link: `file:line:column: message (hint)`."""
        place = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{place} ({self.hint})" if self.hint else place
