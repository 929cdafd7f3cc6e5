"""The gauges of how much there is at once, looked up at each scrape."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.domain.limit import Crowd


@dataclass(frozen=True, slots=True)
class Carried:
    """Connections of callers, bytes of request bodies, and the lag of the event loop when it was measured last."""

    connections: int
    bodies_bytes: int
    lag_s: float


class LoadGauges(Collector):
    """`rulegate_concurrent_*` of each model, provider and step with a limit; connections, bodies, lag."""

    def __init__(
        self, registry: CollectorRegistry, crowds: Callable[[], Iterable[Crowd]], carried: Callable[[], Carried]
    ) -> None:
        self._crowds = crowds
        self._carried = carried
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Give the families without a sample: they are registered before there is anything."""
        yield from (*_crowded(), *_whole(None))

    def collect(self) -> Iterator[Metric]:
        """Give the samples as they are now."""
        there, waiting, limits = _crowded()
        for crowd in self._crowds():
            labels = (crowd.kind.value, crowd.name)
            there.add_metric(labels, crowd.there)
            waiting.add_metric(labels, crowd.waiting)
            if crowd.limit is not None:
                limits.add_metric(labels, crowd.limit)
        yield from (there, waiting, limits, *_whole(self._carried()))


def _crowded() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    def family(name: str, words: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rulegate_concurrent_{name}", words, labels=("at", "name"))

    return (
        family("requests", "Requests that are at a model, a provider or a step with max_concurrent."),
        family("requests_waiting", "Requests that wait for room there."),
        family("requests_limit", "Requests that may be there at once."),
    )


def _whole(carried: Carried | None) -> tuple[GaugeMetricFamily, ...]:
    values = (None, None, None) if carried is None else (carried.connections, carried.bodies_bytes, carried.lag_s)
    described = zip(_WHOLE, values, strict=True)
    return tuple(GaugeMetricFamily(f"rulegate_{name}", words, value) for (name, words), value in described)


_WHOLE = (
    ("connections", "Connections that are open."),
    ("request_body_bytes", "Request bodies that are in memory."),
    ("event_loop_lag_seconds", "How late the event loop was when it was measured last."),
)
