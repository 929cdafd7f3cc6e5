"""The metrics that an alert can watch, by their names on the page of metrics; a test holds them to what is exported.

Histograms are not among them: what lies in their buckets is for Prometheus to compute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """A gauge, or a counter, of which it is watched by how much it grows; and the labels of its series."""

    name: str
    labels: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it only ever grows."""
        return self.name.endswith("_total")


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of one series; `labels` has its labels by name."""

    labels: Mapping[str, str]
    value: float


Samples = Mapping[str, Sequence[Sample]]
"""The samples of some metrics, by their names."""

PREFIX: Final = "rulegate_"
LOG_ROWS_DROPPED: Final = f"{PREFIX}log_rows_dropped_total"
UNPRICED_REQUESTS: Final = f"{PREFIX}unpriced_requests_total"
METRICS: Final[Mapping[str, Metric]] = {
    f"{PREFIX}{name}": Metric(f"{PREFIX}{name}", labels)
    for name, labels in {
        "alert_deliveries_total": ("receiver", "result"),
        "alerts_firing": ("alert",),
        "attempts_total": ("model", "failure"),
        "budget_limit_usd": ("budget",),
        "budget_reserved_usd": ("budget",),
        "budget_spend_usd": ("budget",),
        "budget_unread_attempts_total": ("budget",),
        "build_info": ("version",),
        "catalogue_age_days": (),
        "category_cost_usd_total": ("category", "model"),
        "concurrent_requests": ("at", "name"),
        "concurrent_requests_limit": ("at", "name"),
        "concurrent_requests_waiting": ("at", "name"),
        "config_info": ("fingerprint", "generation", "simulated"),
        "config_last_reload_success_timestamp_seconds": (),
        "config_last_reload_successful": (),
        "connections": (),
        "connections_cut_total": ("limit",),
        "cost_usd_total": ("rule", "model"),
        "event_loop_lag_seconds": (),
        "extra_cost_usd_total": ("kind", "rule"),
        "extra_seconds_total": ("kind", "rule"),
        "extra_tokens_total": ("kind", "rule"),
        "in_flight_requests": (),
        "left_requests": (),
        "log_rows_dropped_total": (),
        "malformed_lines_total": ("model",),
        "model_state": ("model", "state"),
        "request_body_bytes": (),
        "requests_total": ("surface", "rule", "outcome"),
        "retries_refused_total": ("what",),
        "shed_requests_total": ("bound",),
        "skips_total": ("model", "reason"),
        "store_failures_total": ("store",),
        "token_counts_total": ("model", "result"),
        "tokens_total": ("model", "type"),
        "unpriced_requests_total": (),
    }.items()
}
HISTOGRAMS: Final = frozenset(
    f"{PREFIX}{name}" for name in ("overhead_seconds", "request_duration_seconds", "time_to_first_content_seconds")
)
