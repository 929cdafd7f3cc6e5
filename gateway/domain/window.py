"""Budget windows: the stretch of time whose spend is held against a limit, and how a rule file names it.

Nothing here computes an edge; `gateway.engine.windows` does.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

QUARTER_HOUR_S: Final = 900
"""The grain of the ledger: it keeps sums by quarter hours of UTC, named by their start in unix seconds."""
LONGEST_ROLLING_DAYS: Final = 3660


class Calendar(StrEnum):
    """A period of the calendar, as `per:` names it; a week begins on Monday."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class RollingUnit(StrEnum):
    """What a rolling period is counted in; a day is 24 hours, whatever the clocks do."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"


_UNIT_S: Final = {RollingUnit.MINUTES: 60, RollingUnit.HOURS: 3600, RollingUnit.DAYS: 86_400}


@dataclass(frozen=True, slots=True)
class Rolling:
    """The last so many minutes, hours or days; ValueError unless that is a whole number of quarter hours."""

    count: int
    unit: RollingUnit

    def __post_init__(self) -> None:
        if self.count < 1 or self.length_s % QUARTER_HOUR_S:
            raise ValueError(f"{self} is not a whole number of quarter hours, which is what spend is kept by")
        if self.length_s > LONGEST_ROLLING_DAYS * _UNIT_S[RollingUnit.DAYS]:
            raise ValueError(f"{self} is longer than {LONGEST_ROLLING_DAYS} days")

    def __str__(self) -> str:
        """Give the period as a rule file writes it."""
        return f"rolling {self.count} {self.unit}"

    @property
    def length_s(self) -> int:
        """The length in seconds."""
        return self.count * _UNIT_S[self.unit]


Period = Calendar | Rolling
"""What `per:` says; `str()` of it is the text in the file."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time between two instants in UTC: `start` belongs to it, `end` does not."""

    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        """Say whether an instant lies in this window."""
        return self.start <= at < self.end
