"""What is counted of alerts, and what is read for those that watch metrics."""

from prometheus_client import CollectorRegistry

from gateway.adapters.alert_metrics import AlertMetrics, MetricSamples
from gateway.adapters.metrics import Metrics
from gateway.domain.metric import Sample


def made(registry: CollectorRegistry, failures: list[int] | None = None) -> AlertMetrics:
    return AlertMetrics(registry, ("delivered", "gone"), lambda: (failures or []).append(1))


def test_an_alert_that_was_taken_out_has_no_series_any_more() -> None:
    registry = CollectorRegistry()
    metrics = made(registry)
    metrics.firing({"money": 2, "errors": 0})
    metrics.firing({"errors": 1})
    assert registry.get_sample_value("rulegate_alerts_firing", {"alert": "errors"}) == 1
    assert registry.get_sample_value("rulegate_alerts_firing", {"alert": "money"}) is None


def test_a_zero_is_visible_before_anything_is_sent() -> None:
    registry = CollectorRegistry()
    metrics = made(registry)
    metrics.receivers(["ops"])
    metrics.delivery("ops", "gone")
    values = {
        result: registry.get_sample_value("rulegate_alert_deliveries_total", {"receiver": "ops", "result": result})
        for result in ("delivered", "gone")
    }
    assert values == {"delivered": 0, "gone": 1}


def test_a_write_that_failed_is_counted_with_the_stores() -> None:
    failures: list[int] = [0]
    made(CollectorRegistry(), failures).store_failed()
    assert failures == [0, 1]


def test_the_samples_of_a_metric_are_read_and_no_others() -> None:
    metrics = Metrics(CollectorRegistry(), "0", simulated=False)
    metrics.store_failed("log")
    metrics.cost.add(("code", "gpt"), 5_000_000_000)
    samples = MetricSamples(metrics.registry)
    assert samples.samples({"rulegate_store_failures_total"}) == {
        "rulegate_store_failures_total": [
            Sample({"store": "log"}, 1.0),
            Sample({"store": "ledger"}, 0.0),
            Sample({"store": "alerts"}, 0.0),
            Sample({"store": "health"}, 0.0),
            Sample({"store": "affinity"}, 0.0),
        ]
    }
    assert samples.samples({"rulegate_cost_usd_total", "rulegate_in_flight_requests"}) == {
        "rulegate_cost_usd_total": [Sample({"rule": "code", "model": "gpt"}, 5.0)],
        "rulegate_in_flight_requests": [Sample({}, 0.0)],
    }
    assert samples.samples({"rulegate_no_such_metric"}) == {}
