"""Of each thing the last word is kept, also where one comes while an older one cannot be written."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from gateway.adapters.last_words import LastWords
from tests.adapters.journals import journal_of, turn


def test_a_word_that_comes_during_a_write_that_fails_is_newer(tmp_path: Path) -> None:
    """U-99: what failed is written with the next change, but for what has been said again since."""
    written: list[dict[str, int | None]] = []
    failures: list[None] = []

    def put(_: sqlite3.Connection, words: Mapping[str, int | None]) -> None:
        if not written:
            written.append({})
            kept.keep("a", 2)
            raise sqlite3.OperationalError("database is locked")
        written.append(dict(words))

    journal = journal_of(tmp_path)
    kept = LastWords[str, int](tmp_path / "state.db", journal, put, lambda: failures.append(None))
    kept.keep("a", 1)
    kept.keep("b", None)
    turn(journal)
    turn(journal)
    assert (written[1:], len(failures)) == ([{"a": 2, "b": None}], 1)
