"""A bucket: a few minutes of spend events as sums by what they have in common.

A cell's key is the values of an event and the model it fell back from; the sums of its cell are those below. Logarithms
of tokens are summed beside the tokens: their means are what a few huge requests cannot move.
"""

from math import log
from typing import Final

from gateway.domain.shift import SpendEvent

Key = tuple[str, ...]
Cell = list[float]
Cells = dict[Key, Cell]

CALLS: Final = 0
LOG_IN: Final = 1
LOG_OUT: Final = 2
CACHED_SHARE: Final = 3
TOKENS_IN: Final = 4
TOKENS_CACHED: Final = 5
TOKENS_OUT: Final = 6
NANO_USD: Final = 7
HEDGED: Final = 8
RETRIED: Final = 9
WIDTH: Final = 10


def add(cells: Cells, event: SpendEvent) -> None:
    """Add an event to the cells of its bucket."""
    key = (*event.values, event.fallback_from)
    cell = cells.get(key)
    if cell is None:
        cell = cells[key] = [0.0] * WIDTH
    tokens_in, tokens_out = event.tokens_in or 1, event.tokens_out or 1
    cell[CALLS] += 1.0
    cell[LOG_IN] += log(tokens_in)
    cell[LOG_OUT] += log(tokens_out)
    cell[CACHED_SHARE] += event.tokens_cached / tokens_in
    cell[TOKENS_IN] += event.tokens_in
    cell[TOKENS_CACHED] += event.tokens_cached
    cell[TOKENS_OUT] += event.tokens_out
    cell[NANO_USD] += event.nano_usd
    cell[HEDGED] += event.hedged_nano_usd
    cell[RETRIED] += event.retried_nano_usd


def summed(into: Cells, cells: Cells) -> None:
    """Add the cells of one bucket to those of a longer one."""
    for key, cell in cells.items():
        held = into.get(key)
        if held is None:
            into[key] = cell.copy()
        else:
            for i in range(WIDTH):
                held[i] += cell[i]
