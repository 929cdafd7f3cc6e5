"""The metrics of alerts, and the values of all metrics for the alerts that watch them."""

from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.domain.metric import Sample, Samples


class AlertMetrics:
    """`rulegate_alerts_firing` and `rulegate_alert_deliveries_total`; `results` are the values that its label has.

    Their labels are names of the rule files. `store_failed` counts a write of what is kept of alerts that failed.
    """

    def __init__(
        self, registry: CollectorRegistry, results: Collection[str], store_failed: Callable[[], object]
    ) -> None:
        self._results = results
        self._store_failed = store_failed
        self._firing = Gauge("rulegate_alerts_firing", "Incidents that are open.", ("alert",), registry=registry)
        words = "Attempts to send messages, and messages that are not sent, by what came of them."
        self._deliveries = Counter("rulegate_alert_deliveries", words, ("receiver", "result"), registry=registry)

    def firing(self, incidents: Mapping[str, int]) -> None:
        """Note how many incidents of each alert are open; of an alert that is not named there is no series."""
        for (alert,) in [labels for labels in self._firing._metrics if labels[0] not in incidents]:  # noqa: SLF001 - there is no other way to see them
            self._firing.remove(alert)
        for alert, count in incidents.items():
            self._firing.labels(alert).set(count)

    def delivery(self, receiver: str, result: str) -> None:
        """Count an attempt to deliver a message, or a message that is not tried any more, by what came of it."""
        self._deliveries.labels(receiver, result).inc()

    def receivers(self, names: Collection[str]) -> None:
        """Make the series of receivers, so that a zero is visible."""
        for name in names:
            for result in self._results:
                self._deliveries.labels(name, result)

    def store_failed(self) -> None:
        """Count a write that failed."""
        self._store_failed()


class MetricSamples:
    """Reads the gateway's own metrics, and only those that are asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def samples(self, metrics: Collection[str]) -> Samples:
        """Give what some metrics, by their names, say now."""
        found: dict[str, list[Sample]] = {}
        for family in self._registry.restricted_registry(metrics).collect():
            for sample in family.samples:
                if sample.name in metrics:
                    found.setdefault(sample.name, []).append(Sample(sample.labels, sample.value))
        return found
