"""Whether an answer was far slower than answers of its kind by its model usually are; nothing here asks the time.

Seconds are compared by their logarithms: what takes long now and then has a wide spread, and is judged by that. An
answer that was slow changes nothing about what is usual.
"""

from math import exp, log
from typing import Final

from gateway.domain.pace import Kind, Pace

ENOUGH: Final = 20
"""Answers that a pace must go by before anything is called slow."""
MOST: Final = 1000
"""Answers that a pace goes by at most: a later one counts as much as each of these."""
TIMES: Final = 4.0
"""A slow answer takes so many times what is usual, at the least."""
SPREADS: Final = 4.0
"""And it is so many mean deviations away, which 1 of 700 answers are where the logarithms are spread evenly."""
FLOOR_S: Final = 1.0
"""And it takes so many seconds more: nobody goes elsewhere for less."""
LEAST_S: Final = 0.001
INPUT_UNIT: Final = 1_000
OUTPUT_UNIT: Final = 8
"""Tokens up to which sizes are all the same; from there on each size is twice the last."""


def kind_of(input_tokens: int, output_tokens: int | None, *, thinks: bool) -> Kind:
    """Say which answers one may be compared with; `output_tokens` None for the first content of a stream."""
    output_size = None if output_tokens is None else (output_tokens // OUTPUT_UNIT).bit_length()
    return Kind(thinks, (input_tokens // INPUT_UNIT).bit_length(), output_size)


def is_slow(pace: Pace, seconds: float) -> bool:
    """Say whether an answer was slow, by what is usual for its kind."""
    if pace.seen < ENOUGH or seconds < exp(pace.mean) + FLOOR_S:
        return False
    return log(seconds) - pace.mean > max(log(TIMES), SPREADS * pace.spread)


def is_overtaken(pace: Pace, seconds: float) -> bool:
    """Say whether a model was slow that had given nothing for so long when another one answered beside it.

    Half as much is enough for that as for an answer, and no floor: the other one has shown that it can be faster.
    """
    return pace.seen >= ENOUGH and log(max(seconds, LEAST_S)) - pace.mean > log(TIMES) / 2


def learned(pace: Pace, seconds: float) -> Pace:
    """Take in an answer that was not slow."""
    value, seen = log(max(seconds, LEAST_S)), min(pace.seen + 1, MOST)
    away = value - pace.mean if pace.seen else 0.0
    spread = pace.spread + (abs(away) - pace.spread) / seen
    return Pace(seen, pace.mean + away / seen if pace.seen else value, spread)
