"""Scores over time: each series summed over several time scales, and how far it wanders when nothing is wrong.

A scale is a mean age: sums fade by it, so a scale takes one row of numbers a series and no history. What a series did
in calm times, pooled and for itself, is what its scores are measured by.
"""

from dataclasses import dataclass, field
from math import exp
from typing import Any, Final

from gateway.engine.shifts.buckets import Key
from gateway.engine.shifts.kept import Table, pairs, table
from gateway.engine.shifts.terms import LEVEL_BUCKETS, SCALES_A_LEVEL, SCALES_S

WILD: Final = 16.0
"""A squared score counts for the usual spread up to this many times the spread."""
PRIOR_SCORES: Final = 30.0
WORST_KEPT_A_DAY: Final = 0.98
WORST_WAITS_DAYS: Final = 3

Sums = list[float]
"""The slot of the last change, the variance, then the sums of the series."""


@dataclass(slots=True)
class Sources:
    """The tables of one kind of series, one for each scale."""

    scales: list[Table] = field(default_factory=lambda: [{} for _ in SCALES_S])

    def take(self, scale: int, number: int, slots_a_scale: float, added: Table) -> None:
        """Add a slot, the `number`th of its level, to the sums of a scale."""
        held = self.scales[scale]
        now = float(number)
        for key, values in added.items():
            sums = held.get(key)
            if sums is None:
                held[key] = [now, *values]
                continue
            fade = exp((sums[0] - now) / slots_a_scale)
            variance = sums[1] * fade * fade + values[0]
            held[key] = [now, *[total * fade + value for total, value in zip(sums[1:], values, strict=True)]]
            held[key][1] = variance

    def prune(self, scale: int, number: int, slots_a_scale: float) -> None:
        """Forget series that have faded away."""
        held = self.scales[scale]
        for key in [key for key, sums in held.items() if number - sums[0] > 8 * slots_a_scale]:
            del held[key]

    def to_plain(self) -> list[Any]:
        """Give this as JSON values."""
        return [pairs(each) for each in self.scales]

    @classmethod
    def from_plain(cls, kept: Any) -> "Sources":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        return cls([table(each) for each in kept])


@dataclass(slots=True)
class Wandering:
    """How far scores go when nothing is wrong: the spread of a channel at a scale, the worst of each series.

    `spread` has the sum of squared scores and their number; `worst` the worst score and the most money of a series.
    """

    spread: Table = field(default_factory=dict)
    worst: Table = field(default_factory=dict)
    lately: list[Table] = field(default_factory=lambda: [{}])

    def spread_of(self, channel: str, scale: int) -> float:
        """Give the usual squared score of a channel at a scale; 1 where variances are as expected."""
        squares, number = self.spread.get((channel, str(scale)), (0.0, 0.0))
        return (squares + PRIOR_SCORES) / (number + PRIOR_SCORES)

    def worst_of(self, key: Key) -> tuple[float, float]:
        """Give the worst score a series has had, and the most money."""
        held = self.worst.get(key)
        return (held[0], held[1]) if held else (0.0, 0.0)

    def learn(self, channel: str, scale: int, squares: float, number: float) -> None:
        """Take squared scores of a calm time, before they are divided by the spread and capped at `WILD` times it."""
        held = self.spread.setdefault((channel, str(scale)), [0.0, 0.0])
        held[0] += squares
        held[1] += number

    def learn_worst(self, key: Key, score: float, usd: float) -> None:
        """Take a score of a series, of a calm time; it counts in some days, so that what grows is not its own bar."""
        _raise(self.lately[-1], key, score, usd)

    def age(self) -> None:
        """Let a day pass: the worst fades, and the spread forgets."""
        self.lately.append({})
        if len(self.lately) > WORST_WAITS_DAYS:
            for key, (score, usd) in self.lately.pop(0).items():
                _raise(self.worst, key, score, usd)
        for held in (*self.worst.values(), *self.spread.values()):
            held[0] *= WORST_KEPT_A_DAY
            held[1] *= WORST_KEPT_A_DAY

    def to_plain(self) -> dict[str, Any]:
        """Give this as JSON values."""
        lately = [pairs(each) for each in self.lately]
        return {"spread": pairs(self.spread), "worst": pairs(self.worst), "lately": lately}

    @classmethod
    def from_plain(cls, kept: Any) -> "Wandering":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        return cls(table(kept["spread"]), table(kept["worst"]), [table(each) for each in kept["lately"]])


def _raise(worst: Table, key: Key, score: float, usd: float) -> None:
    held = worst.get(key)
    if held is None:
        worst[key] = [max(0.0, score), max(0.0, usd)]
    else:
        held[0] = max(held[0], score)
        held[1] = max(held[1], usd)


def scales_of(level: int) -> range:
    """Give the scales that a level of slots brings up to date."""
    return range(level * SCALES_A_LEVEL, (level + 1) * SCALES_A_LEVEL)


def slots_a_scale(scale: int, bucket_s: int) -> float:
    """Give how many slots of its level a scale spans."""
    return SCALES_S[scale] / (bucket_s * LEVEL_BUCKETS[scale // SCALES_A_LEVEL])
