"""How often each asker asks at each half hour, for every call of all the others.

An asker's odds at a half hour of the day, times what the day of the week does to it: a launch, a holiday or growth
that all take part in leaves the odds as they are.
"""

from dataclasses import dataclass, field
from typing import Any, Final

SLOTS_A_DAY: Final = 48
WEEKDAYS: Final = 7
KEPT_A_WEEK: Final = 0.75
PRIOR_CALLS: Final = 10.0

Askers = dict[str, list[float]]


def _week() -> list[float]:
    return [0.0] * (SLOTS_A_DAY * WEEKDAYS)


@dataclass(slots=True)
class Seasons:
    """Calls by half hour of the week: of all, and of each asker."""

    all: list[float] = field(default_factory=_week)
    askers: Askers = field(default_factory=dict)

    def close(self, weekday: int, day: Askers) -> None:
        """Take a day's calls of each asker, 48 half hours each; what the same day was before fades."""
        first = weekday * SLOTS_A_DAY
        for slot in range(first, first + SLOTS_A_DAY):
            self.all[slot] *= KEPT_A_WEEK
            for calls in self.askers.values():
                calls[slot] *= KEPT_A_WEEK
        for name, calls_of_day in day.items():
            calls = self.askers.setdefault(name, _week())
            for slot, count in enumerate(calls_of_day):
                calls[first + slot] += count
                self.all[first + slot] += count

    def odds(self, weekday: int) -> Askers:
        """Give each asker's calls for each call of the others, for the half hours of a day of the week."""
        totals = [sum(self.all[slot::SLOTS_A_DAY]) for slot in range(SLOTS_A_DAY)]
        return {name: self._odds(calls, totals, weekday * SLOTS_A_DAY) for name, calls in self.askers.items()}

    def _odds(self, calls: list[float], totals: list[float], first: int) -> list[float]:
        own = [sum(calls[slot::SLOTS_A_DAY]) for slot in range(SLOTS_A_DAY)]
        others = [max(0.0, total - mine) for total, mine in zip(totals, own, strict=True)]
        usual = sum(own) / (sum(others) or 1.0)
        odds = [
            (mine + PRIOR_CALLS * min(1.0, usual)) / (other + PRIOR_CALLS / max(1.0, usual))
            for mine, other in zip(own, others, strict=True)
        ]
        mine = sum(calls[first : first + SLOTS_A_DAY])
        due = sum(odds[slot] * max(0.0, self.all[first + slot] - calls[first + slot]) for slot in range(SLOTS_A_DAY))
        factor = (mine + 2 * PRIOR_CALLS) / (due + 2 * PRIOR_CALLS)
        return [each * factor for each in odds]

    def to_plain(self) -> dict[str, Any]:
        """Give this as JSON values."""
        return {"all": self.all, "askers": self.askers}

    @classmethod
    def from_plain(cls, kept: Any) -> "Seasons":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        return cls(list(kept["all"]), {name: list(calls) for name, calls in kept["askers"].items()})
