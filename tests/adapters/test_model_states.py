"""The gauge shows the state each model is in at the moment of the scrape."""

from prometheus_client import CollectorRegistry

from gateway.adapters.model_states import ModelStates
from gateway.domain.health import HealthState


def test_a_model_is_in_one_state_at_a_time() -> None:
    """U-20: and the state is that of the scrape, not that of registration."""
    registry = CollectorRegistry()
    states = {"small": HealthState.OK}
    ModelStates(registry, lambda: states)

    def shown() -> dict[str, float]:
        (family,) = registry.collect()
        return {f"{sample.labels['model']} {sample.labels['state']}": sample.value for sample in family.samples}

    assert shown() == {"small ok": 1.0, "small degraded": 0.0, "small cooling": 0.0, "small half_open": 0.0}
    states |= {"small": HealthState.COOLING}
    assert {name for name, value in shown().items() if value} == {"small cooling"}
