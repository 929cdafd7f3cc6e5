"""The metrics that alerts can watch are those that are exported, with their labels, and no others."""

from prometheus_client import CollectorRegistry

from gateway.adapters.alert_metrics import AlertMetrics
from gateway.adapters.budget_gauges import BudgetGauges
from gateway.adapters.load_gauges import Carried, LoadGauges
from gateway.adapters.metrics import Metrics
from gateway.adapters.model_states import ModelStates
from gateway.domain.metric import HISTOGRAMS, LOG_ROWS_DROPPED, METRICS
from gateway.runtime.deliveries import RESULTS

SUFFIXES = {"counter": "_total", "gauge": "", "histogram": ""}


def registry() -> CollectorRegistry:
    made = Metrics(CollectorRegistry(), "0", simulated=False).registry
    ModelStates(made, dict)
    BudgetGauges(made, list)
    LoadGauges(made, list, lambda: Carried(0, 0, 0.0))
    AlertMetrics(made, RESULTS, lambda: None)
    return made


def labels_of(collector: object) -> tuple[str, ...]:
    """Give the labels that a collector's families were made with."""
    return tuple(getattr(collector, "_labelnames", getattr(collector, "_labels", ())))


def test_what_can_be_watched_is_what_is_exported() -> None:
    """U-106: the names of rule files are those of the page."""
    exported = {family.name + SUFFIXES[family.type]: family.type for family in registry().collect()}
    assert set(METRICS) == {name for name, kind in exported.items() if kind != "histogram"}
    assert {name for name, kind in exported.items() if kind == "histogram"} == HISTOGRAMS
    assert {name for name, kind in exported.items() if kind == "counter"} == {
        name for name, metric in METRICS.items() if metric.counts
    }
    assert METRICS[LOG_ROWS_DROPPED].counts


def test_their_labels_are_those_that_are_exported() -> None:
    made = registry()
    for collector, names in made._collector_to_names.items():
        for name in names:
            if name in METRICS and labels_of(collector):
                assert METRICS[name].labels == labels_of(collector), name
    by_hand = {"rulegate_model_state": ("model", "state"), "rulegate_budget_spend_usd": ("budget",)}
    assert {name: METRICS[name].labels for name in by_hand} == by_hand


def test_all_of_them_can_be_asked_for_by_their_names() -> None:
    """Money too, whose series are made by hand."""
    assert [name for name in METRICS if name not in registry()._names_to_collectors] == []
