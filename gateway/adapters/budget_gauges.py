"""The gauges of budgets, looked up at each scrape: windows begin by the clock, with no event to count."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.domain.price import NANO_USD_PER_USD


@dataclass(frozen=True, slots=True)
class Gauged:
    """A budget as its gauges show it, in nano-dollars; `unread_attempts` came while its spend was not known."""

    name: str
    spent_nano_usd: int
    held_nano_usd: int
    limit_nano_usd: int
    unread_attempts: int = 0


class BudgetGauges(Collector):
    """`rulegate_budget_spend_usd`, `_reserved_usd` and `_limit_usd`, of the present window, and `_unread_attempts`."""

    def __init__(self, registry: CollectorRegistry, budgets: Callable[[], Iterable[Gauged]]) -> None:
        self._budgets = budgets
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Give the families without a sample: they are registered before there is a budget."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        """Give a sample of each for every budget."""
        spend, reserved, limit, unread = _families()
        for budget in self._budgets():
            spend.add_metric((budget.name,), budget.spent_nano_usd / NANO_USD_PER_USD)
            reserved.add_metric((budget.name,), budget.held_nano_usd / NANO_USD_PER_USD)
            limit.add_metric((budget.name,), budget.limit_nano_usd / NANO_USD_PER_USD)
            unread.add_metric((budget.name,), budget.unread_attempts)
        yield from (spend, reserved, limit, unread)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, CounterMetricFamily]:
    def family(name: str, words: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rulegate_budget_{name}_usd", words, labels=("budget",))

    return (
        family("spend", "What is spent of a budget in its present window, in US dollars."),
        family("reserved", "What is held back for attempts under way, in US dollars."),
        family("limit", "What may be spent in a window, in US dollars."),
        CounterMetricFamily(
            "rulegate_budget_unread_attempts",
            "Attempts that were decided upon while it was not known what the budget has spent.",
            labels=("budget",),
        ),
    )
