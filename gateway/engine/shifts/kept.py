"""State as plain JSON values: tables whose keys are tuples become lists of pairs, and back."""

from collections.abc import Iterable, Mapping
from typing import Any

Table = dict[tuple[str, ...], list[float]]


def pairs(table: Mapping[Any, Any]) -> list[list[Any]]:
    """Give a table as pairs of key and value; a key that is a tuple becomes a list."""
    return [[list(key) if isinstance(key, tuple) else key, value] for key, value in table.items()]


def table(kept: Iterable[Any]) -> Table:
    """Read what `pairs` gave of a table with tuples for keys and lists of numbers for values."""
    return {tuple(key): list(value) for key, value in kept}
