"""The gauge of how models are doing, looked up at each scrape: a rest ends by the clock, with no event to count."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.domain.health import HealthState


class ModelStates(Collector):
    """`rulegate_model_state`: 1 for the state that a model is in, 0 for the others."""

    def __init__(self, registry: CollectorRegistry, states: Callable[[], Mapping[str, HealthState]]) -> None:
        self._states = states
        registry.register(self)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Give the family without a sample: it is registered before there is a model."""
        yield _family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give a sample for each model and state."""
        family = _family()
        for model, state in sorted(self._states().items()):
            for each in HealthState:
                family.add_metric((model, each.value), float(each is state))
        yield family


def _family() -> GaugeMetricFamily:
    return GaugeMetricFamily("rulegate_model_state", "Whether a model is in this state.", labels=("model", "state"))
