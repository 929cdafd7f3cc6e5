"""Problems: what is wrong with a rule file, as data."""

from dataclasses import dataclass


class StoreError(Exception):
    """What must be kept could not be written; the message says which file and why."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; line and column count from 1, the column in characters."""

    line: int
    column: int


WHOLE_SET = "."
"""What stands for a file in a Problem that no single file has."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, where it stands, and what was probably meant.

    `file` is the name within the rules directory, or WHOLE_SET where it is about all of them. `message` is lowercase
    and never holds a secret.
    `hint` is the remedy, or empty.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Give the form that editors and terminals turn into a link: `file:line:column: message (hint)`."""
        whole = self.file == WHOLE_SET
        return self._at("the rules directory" if whole else f"{self.file}:{self.line}:{self.column}")

    def within(self, directory: object) -> str:
        """Give the same with the path of the directory in front, so that it leads there; None where there is none."""
        if directory is None:
            return str(self)
        whole = self.file == WHOLE_SET
        return self._at(str(directory) if whole else f"{directory}/{self.file}:{self.line}:{self.column}")

    def _at(self, place: str) -> str:
        return f"{place}: {self.message} ({self.hint})" if self.hint else f"{place}: {self.message}"
