"""By how much counters grew lately: what alerts on counters look at."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.metric import Sample

GRAINS: Final = 30
"""Points that are kept of a window: what a counter grew by is exact to a thirtieth of its time."""
_Series = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Growth:
    """The series of one counter over one window, in seconds of a clock that never goes back.

    A series that is there at the first look counts from its value then; one that comes later counts from nothing.
    """

    window_s: float
    _points: dict[_Series, deque[tuple[float, float]]] = field(default_factory=dict)
    _looked: bool = False

    def look(self, samples: Sequence[Sample], now_s: float) -> list[Sample]:
        """Take the values of now; give by how much each series has grown within the window."""
        grown = []
        for sample in samples:
            series = tuple(sorted(sample.labels.items()))
            points = self._points.get(series)
            if points is None:
                begun = (now_s - self.window_s, 0.0) if self._looked else (now_s, sample.value)
                points = self._points[series] = deque([begun])
            if now_s - points[-1][0] >= self.window_s / GRAINS:
                points.append((now_s, sample.value))
            while len(points) > 1 and points[1][0] <= now_s - self.window_s:
                points.popleft()
            grown.append(Sample(sample.labels, sample.value - points[0][1]))
        self._looked = True
        return grown
