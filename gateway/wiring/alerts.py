"""What watches and what tells, beside the requests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

from prometheus_client import CollectorRegistry

from gateway.adapters.alert_metrics import AlertMetrics, MetricSamples
from gateway.adapters.alerts_sqlite import AlertStore
from gateway.adapters.ledger_sqlite import LedgerReader
from gateway.adapters.metrics import Metrics
from gateway.adapters.prices_sqlite import Prices
from gateway.adapters.state_sqlite import DataDirectoryError
from gateway.adapters.webhook import Printer, Webhooks
from gateway.domain.delivery import Address
from gateway.domain.problem import StoreError
from gateway.receivers.formats import post_for
from gateway.runtime.alerts import Alerting
from gateway.runtime.alerts import Parts as AlertParts
from gateway.runtime.deliveries import RESULTS, Deliveries
from gateway.runtime.deliveries import Parts as DeliveryParts
from gateway.runtime.exchange import Active
from gateway.runtime.outbox import Place, Places
from gateway.runtime.paces import Paces
from gateway.runtime.ports import Clock, Courier
from gateway.runtime.prices import PriceWatch
from gateway.runtime.reloader import Reloader
from gateway.runtime.shifts import ShiftWatch
from gateway.runtime.spend import SpendBook
from gateway.runtime.tally import Tally
from gateway.web.ids import new_id
from gateway.wiring.serving import beside


@dataclass(frozen=True, slots=True)
class Around:
    """What of the daemon alerts need. A rehearsal (`simulated`) sends nothing and says what it would."""

    reloader: Reloader
    spend: SpendBook
    tally: Tally
    paces: Paces
    shifts: ShiftWatch
    ledger: LedgerReader
    metrics: Metrics
    clock: Clock
    state: Path
    hash_key: bytes
    simulated: bool


@dataclass(frozen=True, slots=True)
class Watching:
    """What watches and what tells."""

    alerting: Alerting
    deliveries: Deliveries


@asynccontextmanager
async def alerts_of(around: Around, version: str) -> AsyncIterator[Watching]:
    """Begin with what was kept of alerts, and watch and tell until the end. Raises DataDirectoryError."""
    async with AsyncExitStack() as stack:
        store = AlertStore(around.state)
        stack.callback(store.close)
        registry: CollectorRegistry = around.metrics.registry
        meters = AlertMetrics(registry, RESULTS, lambda: around.metrics.store_failed("alerts"))
        deliveries = Deliveries(
            DeliveryParts(
                store=store,
                courier=await stack.enter_async_context(_courier(version, simulated=around.simulated)),
                format=post_for,
                places=lambda: places(around.reloader.active),
                meters=meters,
                clock=around.clock,
                chance=SystemRandom().random,
                hash_key=around.hash_key,
            )
        )
        alerting = Alerting(
            AlertParts(
                reloader=around.reloader,
                book=around.spend,
                tally=around.tally,
                gauges=MetricSamples(registry),
                store=store,
                deliveries=deliveries,
                meters=meters,
                clock=around.clock,
                new_id=new_id,
                paces=around.paces,
                shifts=around.shifts,
                prices=PriceWatch(
                    around.clock, Prices(around.state), around.ledger, lambda: around.metrics.store_failed("alerts")
                ),
            )
        )
        try:
            await alerting.load()
        except StoreError as error:
            raise DataDirectoryError(f"{error}; move {around.state} away to begin anew") from error
        await stack.enter_async_context(beside(alerting.run()))
        await stack.enter_async_context(beside(deliveries.run()))
        yield Watching(alerting, deliveries)


@asynccontextmanager
async def _courier(version: str, *, simulated: bool) -> AsyncIterator[Courier]:
    if simulated:
        yield Printer()
        return
    webhooks = Webhooks(version)
    try:
        yield webhooks
    finally:
        await webhooks.close()


def places(active: Active) -> Places:
    """Give the receivers of the rules that run; a rehearsal's are nowhere."""
    receivers = active.snapshot.receivers.items()
    return {name: Place(each.receiver, active.addresses.get(name, Address())) for name, each in receivers}
