"""What Prometheus sees. Label values come from the configuration only; anything else is `other`.

Children are bound once, when a generation is taken up, so that counting is a dictionary look-up and an addition.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from gateway.domain.attempt import Attempt, Skipped
from gateway.domain.decision import REQUESTED_MODEL
from gateway.domain.entry import Entry
from gateway.domain.price import NANO_USD_PER_USD
from gateway.domain.snapshot import FINGERPRINT_SHOWN, Snapshot
from gateway.domain.words import Failure, Outcome, Skip, Surface

OTHER = "other"
NO_FAILURE = "none"
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_TOKEN_TYPES = {
    "input": "fresh_input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}


class Money(Collector):
    """A counter of money that adds integers, so that its sum is that of the rows to the nano-dollar."""

    def __init__(self, name: str, words: str, labels: tuple[str, ...]) -> None:
        self._name = name
        self._words = words
        self._labels = labels
        self._nano_usd: dict[tuple[str, ...], int] = {}

    def add(self, labels: tuple[str, ...], nano_usd: int) -> None:
        """Add an amount."""
        self._nano_usd[labels] = self._nano_usd.get(labels, 0) + nano_usd

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give the sums in dollars."""
        family = CounterMetricFamily(self._name, self._words, labels=self._labels)
        for labels, nano_usd in sorted(self._nano_usd.items()):
            family.add_metric(labels, nano_usd / NANO_USD_PER_USD)
        yield family


class Metrics:
    """All series of the gateway, on the registry it is given; `simulated` marks a rehearsal."""

    def __init__(self, registry: CollectorRegistry, version: str, *, simulated: bool) -> None:
        self.registry = registry
        self._simulated = str(simulated).lower()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"rulegate_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"rulegate_{name}", words, labels, registry=registry)

        def histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"rulegate_{name}", words, labels, registry=registry, buckets=buckets)

        self.requests = counter("requests", "Requests that have ended, by how.", "surface", "rule", "outcome")
        self.attempts = counter(
            "attempts", "HTTP requests to providers, by how they failed, or none.", "model", "failure"
        )
        self.skips = counter("skips", "Steps that were passed over, by why.", "model", "reason")
        self.cost = Money("rulegate_cost_usd", "What requests cost, in US dollars.", ("rule", "model"))
        self.category_cost = Money(
            "rulegate_category_cost_usd", "What requests cost, in US dollars.", ("category", "model")
        )
        registry.register(self.cost)
        registry.register(self.category_cost)
        self.tokens = counter("tokens", "Tokens used, reasoning also counted as output.", "model", "type")
        self.duration = histogram("request_duration_seconds", "From request to end of answer.", _SECONDS, "surface")
        self.first_content = histogram(
            "time_to_first_content_seconds", "From request to first content.", _SECONDS, "model"
        )
        self.overhead = histogram("overhead_seconds", "Time of the gateway's own, providers not counted.", _OVERHEAD)
        self.in_flight = gauge("in_flight_requests", "Requests that have not ended.")
        self.garbage_lines = counter("malformed_lines", "Events of streams that could not be read.", "model")
        self.rows_dropped = counter("log_rows_dropped", "Log rows that could not be written.")
        self.store_failures = counter("store_failures", "Writes to a store that failed.", "store")
        self.reload_ok = gauge("config_last_reload_successful", "Whether the rules on disk are those that run.")
        self.reload_at = gauge("config_last_reload_success_timestamp_seconds", "When the running rules were taken up.")
        self.config = gauge("config_info", "The rules that run.", "fingerprint", "generation", "simulated")
        self.catalogue_age = gauge("catalogue_age_days", "Days since the price catalogue was made.")
        gauge("build_info", "The version that runs.", "version").labels(version).set(1)
        self._bound: dict[tuple[Any, ...], Any] = {}
        self._known: dict[str, frozenset[str]] = {}

    def _child(self, metric: Any, *labels: str) -> Any:  # noqa: ANN401 - Counter and Histogram share no type
        key = (id(metric), *labels)
        child = self._bound.get(key)
        if child is None:
            child = self._bound[key] = metric.labels(*labels)
        return child

    def prepare(self, snapshot: Snapshot) -> None:
        """Make the series of a snapshot's rules and models, so that a zero is visible."""
        rules = (*(rule.name for rule in snapshot.rules), REQUESTED_MODEL)
        categories = (*(category.name for category in snapshot.table.categories), "unsure")
        self._known = {"rule": frozenset(rules), "model": frozenset(snapshot.models), "category": frozenset(categories)}
        for model in snapshot.models:
            for failure in (NO_FAILURE, *Failure):
                self._child(self.attempts, model, str(failure))
            for skip in Skip:
                self._child(self.skips, model, skip.value)
            for kind in _TOKEN_TYPES:
                self._child(self.tokens, model, kind)
            self._child(self.garbage_lines, model)
        for surface in (Surface.CHAT, Surface.MESSAGES, Surface.EXECUTE):
            for rule in rules:
                self._child(self.requests, surface.value, rule, Outcome.ANSWERED.value)

    def _name(self, kind: str, name: str) -> str:
        return name if name in self._known.get(kind, ()) else OTHER

    def began(self) -> None:
        """Count a request in flight."""
        self.in_flight.inc()

    def ended(self, entry: Entry) -> None:
        """Count a request that has ended, with its attempts, tokens and cost."""
        self.in_flight.dec()
        rule, model = self._name("rule", entry.rule), self._name("model", entry.model)
        self._child(self.requests, entry.surface, rule, entry.outcome.value).inc()
        for event in entry.events:
            name = self._name("model", event.model)
            match event:
                case Attempt():
                    self._child(self.attempts, name, event.failure.value if event.failure else NO_FAILURE).inc()
                case Skipped():
                    self._child(self.skips, name, event.skip.value).inc()
        if entry.usage is not None:
            for kind, counter in _TOKEN_TYPES.items():
                if count := getattr(entry.usage, counter):
                    self._child(self.tokens, model, kind).inc(count)
        if entry.cost_nano_usd:
            self.cost.add((rule, model), entry.cost_nano_usd)
            self.category_cost.add((self._name("category", entry.category), model), entry.cost_nano_usd)
        self._child(self.duration, entry.surface).observe(entry.duration_s)
        if entry.first_content_s is not None:
            self._child(self.first_content, model).observe(entry.first_content_s)
        self.overhead.observe(entry.overhead_s)

    def dropped(self) -> None:
        """Count an entry that the log did not take."""
        self.rows_dropped.inc()

    def store_failed(self, store: str) -> None:
        """Count a write that failed."""
        self._child(self.store_failures, store).inc()

    def garbage(self, model: str, count: int) -> None:
        """Count events of a stream that could not be read."""
        self._child(self.garbage_lines, self._name("model", model)).inc(count)

    def reloaded(self, snapshot: Snapshot, at: datetime) -> None:
        """Note a reload that succeeded."""
        self.reload_ok.set(1)
        self.reload_at.set(at.timestamp())
        self.config.clear()
        shown = snapshot.fingerprint[:FINGERPRINT_SHOWN]
        self.config.labels(shown, str(snapshot.generation), self._simulated).set(1)

    def rejected(self) -> None:
        """Note a reload that failed."""
        self.reload_ok.set(0)
