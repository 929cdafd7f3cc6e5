"""What a token of each model costs, learned from costs and tokens.

A cost is a sum of three prices times three counts, so a handful of different requests tells the prices exactly: least
squares over the cells of past days, each by the inverse of its cost, so that large requests do not drown the small.
"""

from typing import Final

from gateway.engine.shifts.buckets import NANO_USD, TOKENS_CACHED, TOKENS_IN, TOKENS_OUT, Cell

Price = tuple[float, float, float]
"""Nano-dollars a token: fresh input, cached input, output."""

FORGOTTEN_A_DAY: Final = 0.9
LEAST_CELLS: Final = 12.0
RIDGE: Final = 1e-9


def learn(sums: dict[str, list[float]], model: str, cell: Cell) -> None:
    """Add a cell of a model to the sums that its prices are solved from."""
    cost = cell[NANO_USD]
    if cost <= 0:
        return
    held = sums.get(model)
    if held is None:
        held = sums[model] = [0.0] * 10
    fresh, cached, out = cell[TOKENS_IN] - cell[TOKENS_CACHED], cell[TOKENS_CACHED], cell[TOKENS_OUT]
    weight = 1.0 / cost
    held[0] += fresh * fresh * weight
    held[1] += fresh * cached * weight
    held[2] += fresh * out * weight
    held[3] += cached * cached * weight
    held[4] += cached * out * weight
    held[5] += out * out * weight
    held[6] += fresh
    held[7] += cached
    held[8] += out
    held[9] += 1.0


def solved(held: list[float]) -> Price | None:
    """Give the prices that fit best, None while there is too little to tell."""
    if held[9] < LEAST_CELLS:
        return None
    ff, fc, fo, cc, co, oo, f, c, o, _ = held
    ff, cc, oo = ff * (1 + RIDGE) + RIDGE, cc * (1 + RIDGE) + RIDGE, oo * (1 + RIDGE) + RIDGE
    whole = ff * (cc * oo - co * co) - fc * (fc * oo - co * fo) + fo * (fc * co - cc * fo)
    if whole <= 0:
        return None
    fresh = (f * (cc * oo - co * co) - fc * (c * oo - co * o) + fo * (c * co - cc * o)) / whole
    cached = (ff * (c * oo - o * co) - f * (fc * oo - co * fo) + fo * (fc * o - c * fo)) / whole
    out = (ff * (cc * o - co * c) - fc * (fc * o - c * fo) + f * (fc * co - cc * fo)) / whole
    return max(0.0, fresh), max(0.0, cached), max(0.0, out)


def listed(price: Price, cell: Cell) -> float:
    """Give what the tokens of a cell cost at a price, in nano-dollars."""
    cached = cell[TOKENS_CACHED]
    return (cell[TOKENS_IN] - cached) * price[0] + cached * price[1] + cell[TOKENS_OUT] * price[2]
