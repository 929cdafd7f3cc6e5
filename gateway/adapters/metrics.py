"""What Prometheus sees. Label values come from the configuration only; anything else is `other`.

Children are bound once, when a generation is taken up, so that counting is a dictionary look-up and an addition.
`docs/metrics.md` describes each series.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from operator import attrgetter
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from gateway.domain.attempt import Attempt, Skipped
from gateway.domain.category import UNSURE
from gateway.domain.decision import REQUESTED_MODEL
from gateway.domain.entry import Entry
from gateway.domain.price import NANO_USD_PER_USD
from gateway.domain.snapshot import FINGERPRINT_SHOWN, Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import CountResult, Failure, Outcome, Skip, SpendKind, Surface

OTHER = "other"
NO_FAILURE = "none"
STORES = ("log", "ledger", "alerts", "health")
_SURFACES = tuple(
    surface.value
    for surface in (Surface.CHAT, Surface.RESPONSES, Surface.MESSAGES, Surface.EMBEDDINGS, Surface.EXECUTE)
)
_ENDS_SHOWN = (Outcome.ANSWERED.value, Outcome.FAILED.value)
"""The outcomes that each rule shows from the start; all of them would be too many series for a rate."""
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
_tokens_of = attrgetter(*_TOKEN_TYPES.values())


_Metric = TypeVar("_Metric", bound=MetricWrapperBase)


class Children(dict[tuple[str, ...], _Metric]):
    """The children of a metric by their label values, each made when it is first asked for."""

    def __init__(self, metric: _Metric) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> _Metric:
        child = self[labels] = self._metric.labels(*labels)
        return child


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

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Give the family without a sample, so that it can be asked for by its name."""
        yield CounterMetricFamily(self._name, self._words, labels=self._labels)

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

        def counters(name: str, words: str, *labels: str) -> Children[Counter]:
            return Children(counter(name, words, *labels))

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"rulegate_{name}", words, labels, registry=registry)

        def histograms(name: str, words: str, label: str) -> Children[Histogram]:
            return Children(Histogram(f"rulegate_{name}", words, (label,), registry=registry, buckets=_SECONDS))

        def money(name: str, words: str, *labels: str) -> Money:
            sums = Money(f"rulegate_{name}", words, labels)
            registry.register(sums)
            return sums

        self.requests = counters("requests", "Requests that have ended, by how.", "surface", "rule", "outcome")
        self.attempts = counters(
            "attempts", "HTTP requests to providers, by how they failed, or none.", "model", "failure"
        )
        self.skips = counters("skips", "Steps that were passed over, by why.", "model", "reason")
        self.cost = money("cost_usd", "What requests cost, in US dollars.", "rule", "model")
        self.category_cost = money("category_cost_usd", "What requests cost, in US dollars.", "category", "model")
        self.extra_cost = money("extra_cost_usd", "The part that gave no answer, in US dollars.", "kind", "rule")
        self.unpriced = counter("unpriced_requests", "Requests answered by a model that the price is not of.")
        self.tokens = counters("tokens", "Tokens used, reasoning also counted as output.", "model", "type")
        self.token_counts = counters("token_counts", "Counts of tokens that have ended, by how.", "model", "result")
        self.duration = histograms("request_duration_seconds", "From request to end of answer.", "surface")
        self.first_content = histograms("time_to_first_content_seconds", "From request to first content.", "model")
        self.overhead = Histogram(
            "rulegate_overhead_seconds",
            "Time of the gateway's own, providers not counted.",
            registry=registry,
            buckets=_OVERHEAD,
        )
        self.in_flight = gauge("in_flight_requests", "Requests that have not ended.")
        self.garbage_lines = counters("malformed_lines", "Events of streams that could not be read.", "model")
        self.rows_dropped = counter("log_rows_dropped", "Log rows that could not be written.")
        self.store_failures = counters("store_failures", "Writes to a store that failed.", "store")
        self.reload_ok = gauge("config_last_reload_successful", "Whether the rules on disk are those that run.")
        self.reload_at = gauge("config_last_reload_success_timestamp_seconds", "When the running rules were taken up.")
        self.config = gauge("config_info", "The rules that run.", "fingerprint", "generation", "simulated")
        self._catalogue_age = gauge("catalogue_age_days", "Days since the price catalogue was made.")
        gauge("build_info", "The version that runs.", "version").labels(version).set(1)
        self._rules: set[str] = set()
        self._models: set[str] = set()
        self._categories: set[str] = set()
        _make(self.store_failures, ((store,) for store in STORES))

    def catalogue(self, made: date, today: Callable[[], date]) -> None:
        """Show the age of the price catalogue, anew at each scrape."""
        self._catalogue_age.set_function(lambda: float((today() - made).days))

    def prepare(self, snapshot: Snapshot) -> None:
        """Make the series of a snapshot's rules and models, so that a zero is visible.

        The names of earlier snapshots stay known: a request that is in flight while the rules are reloaded ends under
        the names it began with, and a counter never goes back.
        """
        rules = (*(rule.name for rule in snapshot.rules), REQUESTED_MODEL)
        self._rules.update(rules)
        self._models.update(snapshot.models)
        self._categories.update((*(category.name for category in snapshot.table.categories), UNSURE))
        models = snapshot.models
        _make(self.attempts, ((model, failure) for model in models for failure in (NO_FAILURE, *map(str, Failure))))
        _make(self.skips, ((model, skip.value) for model in models for skip in Skip))
        _make(self.tokens, ((model, kind) for model in models for kind in _TOKEN_TYPES))
        _make(self.token_counts, ((model, result.value) for model in models for result in CountResult))
        _make(self.garbage_lines, ((model,) for model in models))
        _make(self.duration, ((surface,) for surface in _SURFACES))
        _make(
            self.requests,
            ((surface, rule, end) for surface in _SURFACES for rule in (*rules, OTHER) for end in _ENDS_SHOWN),
        )

    def began(self) -> None:
        """Count a request in flight."""
        self.in_flight.inc()

    def ended(self, entry: Entry) -> None:
        """Count a request that has ended, with its attempts, tokens and cost."""
        self.in_flight.dec()
        rule = entry.rule if entry.rule in self._rules else OTHER
        category = entry.category if entry.category in self._categories else OTHER
        model = self._model(entry.model)
        self.requests[entry.surface, rule, entry.outcome.value].inc()
        for event in entry.events:
            name = self._model(event.model)
            match event:
                case Attempt():
                    self.attempts[name, event.failure.value if event.failure else NO_FAILURE].inc()
                    if event.usage is not None:
                        self._used(name, event.usage)
                    if event.garbage:
                        self.garbage_lines[(name,)].inc(event.garbage)
                    if event.cost_nano_usd:
                        self.cost.add((rule, name), event.cost_nano_usd)
                        self.category_cost.add((category, name), event.cost_nano_usd)
                        if event.failure is not None and event.kind is not SpendKind.ANSWER:
                            self.extra_cost.add((event.kind.value, rule), event.cost_nano_usd)
                    if event.unpriced:
                        self.unpriced.inc()
                case Skipped():
                    self.skips[name, event.skip.value].inc()
        self.duration[(entry.surface,)].observe(entry.duration_s)
        if entry.first_content_s is not None:
            self.first_content[(model,)].observe(entry.first_content_s)
        self.overhead.observe(entry.overhead_s)

    def _used(self, model: str, usage: Usage) -> None:
        for kind, count in zip(_TOKEN_TYPES, _tokens_of(usage), strict=True):
            if count:
                self.tokens[model, kind].inc(count)

    def counted(self, model: str, result: CountResult) -> None:
        """Count a count of tokens that has ended; `model` is empty where none was chosen."""
        self.token_counts[self._model(model), result.value].inc()

    def _model(self, name: str) -> str:
        return name if name in self._models else OTHER

    def dropped(self) -> None:
        """Count an entry that the log did not take."""
        self.rows_dropped.inc()

    def store_failed(self, store: str) -> None:
        """Count a write that failed."""
        self.store_failures[(store,)].inc()

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


def _make(children: Children[_Metric], labels: Iterable[tuple[str, ...]]) -> None:
    """Make children that are not there yet."""
    for each in labels:
        children[each]  # the look-up makes it
