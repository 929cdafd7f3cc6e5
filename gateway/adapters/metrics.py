"""What Prometheus sees. Label values come from the configuration only; anything else is `other`.

Series are made when a generation is taken up. What every request counts are plain numbers of the event loop.
`docs/metrics.md` describes each series.
"""

from collections.abc import Callable
from datetime import date, datetime
from operator import attrgetter

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.adapters.series import Counts, Money, Seconds, Spreads
from gateway.domain.alike import Alike
from gateway.domain.attempt import Attempt, Skipped
from gateway.domain.category import UNSURE
from gateway.domain.decision import REQUESTED_MODEL
from gateway.domain.entry import Entry
from gateway.domain.extra import extra_ms, extra_tokens
from gateway.domain.load import Cut, Shed
from gateway.domain.snapshot import FINGERPRINT_SHOWN, Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import CountResult, Failure, Outcome, Skip, SpendKind, Surface

OTHER = "other"
NO_FAILURE = "none"
FURTHER = ("hedge", "try")
"""What the retry budget may have no room for."""
STORES = ("log", "ledger", "alerts", "health", "affinity")
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


class Metrics:
    """All series of the gateway, on the registry it is given; `simulated` marks a rehearsal."""

    def __init__(self, registry: CollectorRegistry, version: str, *, simulated: bool) -> None:
        self.registry = registry
        self._simulated = str(simulated).lower()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"rulegate_{name}", words, labels, registry=registry)

        def counts(name: str, words: str, *labels: str) -> Counts:
            sums = Counts(f"rulegate_{name}", words, labels)
            registry.register(sums)
            return sums

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"rulegate_{name}", words, labels, registry=registry)

        def spreads(name: str, words: str, bounds: tuple[float, ...], *labels: str) -> Spreads:
            spread = Spreads(f"rulegate_{name}", words, labels, bounds)
            registry.register(spread)
            return spread

        def money(name: str, words: str, *labels: str) -> Money:
            sums = Money(f"rulegate_{name}", words, labels)
            registry.register(sums)
            return sums

        self.requests = counts("requests", "Requests that have ended, by how.", "surface", "rule", "outcome")
        self.attempts = counts(
            "attempts", "HTTP requests to providers, by how they failed, or none.", "model", "failure"
        )
        self.skips = counts("skips", "Steps that were passed over, by why.", "model", "reason")
        self.cost = money("cost_usd", "What requests cost, in US dollars.", "rule", "model")
        self.category_cost = money("category_cost_usd", "What requests cost, in US dollars.", "category", "model")
        self.extra_cost = money("extra_cost_usd", "The part that gave no answer, in US dollars.", "kind", "rule")
        self.extra_seconds = Seconds(
            "rulegate_extra_seconds", "Time that callers waited for what gave no answer.", ("kind", "rule")
        )
        registry.register(self.extra_seconds)
        self.extra_tokens = counts("extra_tokens", "The tokens of what gave no answer.", "kind", "rule")
        self.retries_refused = counts("retries_refused", "Attempts that the retry budget had no room for.", "what")
        self.retries_refused.make((what,) for what in FURTHER)
        self.unpriced = counter("unpriced_requests", "Requests answered by a model that the price is not of.")
        self.tokens = counts("tokens", "Tokens used, reasoning also counted as output.", "model", "type")
        self.token_counts = counts("token_counts", "Counts of tokens that have ended, by how.", "model", "result")
        self.duration = spreads("request_duration_seconds", "From request to end of answer.", _SECONDS, "surface")
        self.first_content = spreads(
            "time_to_first_content_seconds", "From request to first content.", _SECONDS, "model"
        )
        self.overhead = spreads("overhead_seconds", "Time of the gateway's own, providers not counted.", _OVERHEAD)
        self.overhead.make([()])
        self.in_flight = 0
        gauge("in_flight_requests", "Requests that have not ended.").set_function(lambda: float(self.in_flight))
        self._left = gauge("left_requests", "Requests whose caller has left and whose answer is read to its end.")
        self.garbage_lines = counts("malformed_lines", "Events of streams that could not be read.", "model")
        self.rows_dropped = counter("log_rows_dropped", "Log rows that could not be written.")
        self.store_failures = counter("store_failures", "Writes to a store that failed.", "store")
        self.shed_requests = counter("shed_requests", "Requests turned away for want of room.", "bound")
        self.cuts = counter("connections_cut", "Connections closed before their callers did.", "limit")
        self.reload_ok = gauge("config_last_reload_successful", "Whether the rules on disk are those that run.")
        self.reload_at = gauge("config_last_reload_success_timestamp_seconds", "When the running rules were taken up.")
        self.config = gauge("config_info", "The rules that run.", "fingerprint", "generation", "simulated")
        self._catalogue_age = gauge("catalogue_age_days", "Days since the price catalogue was made.")
        gauge("build_info", "The version that runs.", "version").labels(version).set(1)
        self._rules: set[str] = set()
        self._models: set[str] = set()
        self._categories: set[str] = set()
        for store in STORES:
            self.store_failures.labels(store)
        for shed in Shed:
            self.shed_requests.labels(shed.value)
        for cut in Cut:
            self.cuts.labels(cut.value)

    def catalogue(self, made: date, today: Callable[[], date]) -> None:
        """Show the age of the price catalogue, anew at each scrape."""
        self._catalogue_age.set_function(lambda: float((today() - made).days))

    def left(self, count: int) -> None:
        """Show how many answers are read to their end for nobody."""
        self._left.set(count)

    def prepare(self, snapshot: Snapshot) -> None:
        """Make the series of a snapshot's rules and models, so that a zero is visible.

        The names of earlier snapshots stay known: a request that is in flight while the rules are reloaded ends under
        the names it began with, and a counter never goes back.
        """
        rules = (*(rule.name for rule in snapshot.rules), REQUESTED_MODEL)
        self._rules.update(rules)
        self._models.update(snapshot.models)
        self._categories.update((*(category.name for category in snapshot.table.categories), UNSURE))
        models, surfaces = snapshot.models, _SURFACES
        self.attempts.make((model, failure) for model in models for failure in (NO_FAILURE, *map(str, Failure)))
        self.skips.make((model, skip.value) for model in models for skip in Skip)
        self.tokens.make((model, kind) for model in models for kind in _TOKEN_TYPES)
        self.token_counts.make((model, result.value) for model in models for result in CountResult)
        self.garbage_lines.make((model,) for model in models)
        self.duration.make((surface,) for surface in surfaces)
        self.requests.make(
            (surface, rule, end) for surface in surfaces for rule in (*rules, OTHER) for end in _ENDS_SHOWN
        )

    def began(self) -> None:
        """Count a request in flight."""
        self.in_flight += 1

    def ended(self, alike: Alike) -> None:
        """Count requests that have ended, with their attempts, tokens and cost."""
        first, times = alike.first, alike.times
        self.in_flight -= times
        rule = first.rule if first.rule in self._rules else OTHER
        category = first.category if first.category in self._categories else OTHER
        self.requests.add((first.surface, rule, first.outcome.value), times)
        if first.outcome is not Outcome.ANSWERED or len(first.events) > 1:
            self._in_vain(first, rule)
        for happened in alike.happened:
            event = happened.event
            name = self._model(event.model)
            match event:
                case Attempt():
                    self.attempts.add((name, event.failure.value if event.failure else NO_FAILURE), times)
                    if happened.usage is not None:
                        self._used(name, happened.usage)
                    if happened.garbage:
                        self.garbage_lines.add((name,), happened.garbage)
                    if happened.nano_usd:
                        self.cost.add((rule, name), happened.nano_usd)
                        self.category_cost.add((category, name), happened.nano_usd)
                    if event.unpriced:
                        self.unpriced.inc()
                case Skipped():
                    self.skips.add((name, event.skip.value))
        self.duration.of((first.surface,)).observe([entry.duration_s for entry in alike.entries])
        seconds = [entry.first_content_s for entry in alike.entries if entry.first_content_s is not None]
        if seconds:
            self.first_content.of((self._model(first.model),)).observe(seconds)
        self.overhead.of(()).observe([entry.overhead_s for entry in alike.entries])

    def _in_vain(self, entry: Entry, rule: str) -> None:
        """Count what attempts of a request that gave no answer took of money, tokens and time."""
        for event, delay_ms in zip(entry.events, extra_ms(entry.events), strict=True):
            if not isinstance(event, Attempt) or event.kind is SpendKind.ANSWER:
                continue
            labels = (event.kind.value, rule)
            if event.cost_nano_usd:
                self.extra_cost.add(labels, event.cost_nano_usd)
            if tokens := extra_tokens(event):
                self.extra_tokens.add(labels, tokens)
            if delay_ms:
                self.extra_seconds.add(labels, delay_ms)

    def retry_refused(self, what: str) -> None:
        """Count an attempt that the retry budget had no room for."""
        self.retries_refused.add((what,))

    def _used(self, model: str, usage: Usage) -> None:
        for kind, count in zip(_TOKEN_TYPES, _tokens_of(usage), strict=True):
            if count:
                self.tokens.add((model, kind), count)

    def counted(self, model: str, result: CountResult) -> None:
        """Count a count of tokens that has ended; `model` is empty where none was chosen."""
        self.token_counts.add((self._model(model), result.value))

    def _model(self, name: str) -> str:
        return name if name in self._models else OTHER

    def dropped(self, times: int = 1) -> None:
        """Count entries that the log did not take."""
        self.rows_dropped.inc(times)

    def store_failed(self, store: str) -> None:
        """Count a write that failed."""
        self.store_failures.labels(store).inc()

    def shed(self, why: Shed) -> None:
        """Count a request that was turned away."""
        self.shed_requests.labels(why.value).inc()

    def cut(self, why: Cut) -> None:
        """Count a connection that was closed before its caller did."""
        self.cuts.labels(why.value).inc()

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
