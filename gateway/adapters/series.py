"""Series that one thread counts, as plain numbers: `prometheus_client` takes a lock and several calls for each of them.

Each belongs to the event loop, which counts and is scraped. Series are shown in the order in which they were made.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gateway.domain.price import NANO_USD_PER_USD

Labels = tuple[str, ...]
"""The values of a metric's labels, in their order."""


class Counts(Collector):
    """A counter of whole numbers."""

    def __init__(self, name: str, words: str, labels: Labels) -> None:
        self._name = name
        self._words = words
        self._labels = labels
        self._sums: dict[Labels, int] = {}

    def make(self, series: Iterable[Labels]) -> None:
        """Make series that are not there yet, so that a zero is visible."""
        for labels in series:
            self._sums.setdefault(labels, 0)

    def add(self, labels: Labels, count: int = 1) -> None:
        """Add to a series."""
        self._sums[labels] = self._sums.get(labels, 0) + count

    def shown(self, total: int) -> float:
        """Give a sum as it is shown."""
        return total

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Give the family without a sample, so that it can be asked for by its name."""
        yield CounterMetricFamily(self._name, self._words, labels=self._labels)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give the sums."""
        family = CounterMetricFamily(self._name, self._words, labels=self._labels)
        for labels, total in self._sums.items():
            family.add_metric(labels, self.shown(total))
        yield family


class Money(Counts):
    """A counter of money that adds nano-dollars, so that its sum is that of the rows, and shows dollars."""

    def shown(self, total: int) -> float:
        """Give a sum in dollars."""
        return total / NANO_USD_PER_USD


class Seconds(Counts):
    """A counter of time that adds milliseconds, so that its sum is that of the rows, and shows seconds."""

    def shown(self, total: int) -> float:
        """Give a sum in seconds."""
        return total / 1000


class Spread:
    """How some numbers are spread: a count for each bound, which has those up to it and past the one before."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, numbers: Iterable[float]) -> None:
        """Count numbers in."""
        bounds, counts = self.bounds, self.counts
        for number in numbers:
            counts[bisect_left(bounds, number)] += 1
            self.total += number


class Spreads(Collector):
    """A histogram, with one spread for each of its series."""

    def __init__(self, name: str, words: str, labels: Labels, bounds: Sequence[float]) -> None:
        self._name = name
        self._words = words
        self._labels = labels
        self._bounds = bounds
        self._spreads: dict[Labels, Spread] = {}

    def make(self, series: Iterable[Labels]) -> None:
        """Make series that are not there yet."""
        for labels in series:
            self.of(labels)

    def of(self, labels: Labels) -> Spread:
        """Give the spread of a series, which is made when it is first asked for."""
        found = self._spreads.get(labels)
        if found is None:
            found = self._spreads[labels] = Spread(self._bounds)
        return found

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Give the family without a sample."""
        yield HistogramMetricFamily(self._name, self._words, labels=self._labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Give the counts, each with all below its bound."""
        family = HistogramMetricFamily(self._name, self._words, labels=self._labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, spread in self._spreads.items():
            below, buckets = 0, []
            for bound, count in zip(bounds, spread.counts, strict=True):
                below += count
                buckets.append((bound, float(below)))
            family.add_metric(labels, buckets, spread.total)
        yield family
