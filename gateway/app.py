"""The composition root: builds the parts, wires them, decides nothing."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

from prometheus_client import CollectorRegistry, disable_created_metrics

from gateway.adapters.budget_gauges import BudgetGauges, Gauged
from gateway.adapters.clock import SystemClock
from gateway.adapters.departures import Departures
from gateway.adapters.metrics import Metrics
from gateway.adapters.model_states import ModelStates
from gateway.adapters.shifts_sqlite import Shifts
from gateway.adapters.systemd import Systemd
from gateway.adapters.tls import Contexts
from gateway.adapters.transport import HttpTransport
from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.config.settings import Settings
from gateway.domain.snapshot import Rejected
from gateway.runtime.affinity import Pins
from gateway.runtime.attempts import Attempts
from gateway.runtime.counting import TokenCounter
from gateway.runtime.decider import Decider
from gateway.runtime.deliveries import Deliveries
from gateway.runtime.drain import Drain
from gateway.runtime.executor import Executor
from gateway.runtime.gates import GateBoard
from gateway.runtime.health import HealthBoard
from gateway.runtime.leftovers import Leftovers
from gateway.runtime.limits import LimitBoard
from gateway.runtime.openings import Openings
from gateway.runtime.paces import Paces
from gateway.runtime.ports import Timekeeper, Transport
from gateway.runtime.recorder import Books, Recorder
from gateway.runtime.reloader import Parts as ReloadParts
from gateway.runtime.reloader import Reloader, activate, first, no_addresses
from gateway.runtime.retries import Retries
from gateway.runtime.running import Boards
from gateway.runtime.shifts import ShiftWatch
from gateway.runtime.spend import SpendBook, Standing
from gateway.runtime.tally import Tally
from gateway.runtime.usual import UsualTimes
from gateway.web.door import Door
from gateway.web.keys import Parts
from gateway.web.operations import Daemon
from gateway.wiring.alerts import Around, alerts_of
from gateway.wiring.load import bounded, bounds_of
from gateway.wiring.rules import (
    Reader,
    addresses,
    gate,
    lacking,
    nothing_lacking,
    open_to_anybody,
    simulated_targets,
)
from gateway.wiring.serving import beside, followed, served, simulator, supervised
from gateway.wiring.stores import StartError, Stores, mendable, opened, stores
from gateway.wiring.surfaces import COUNTS, SPOKEN
from gateway.wiring.ways import Ways, real_targets

logger = logging.getLogger("gateway")

VERSION = version("rulegate")
SIMULATED = "simulated"
"""The folder under the data directory that a rehearsal keeps to."""
NOTE_WITHIN_S = 0.02
"""How long a request that has ended may wait to be noted."""
GC_THRESHOLDS = (50_000, 50, 50)
"""Objects between collections: requests make few cycles, and a full collection stalls every stream."""


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that answers: where callers ask, and where operators do, which may be the same address.

    `simulator` is the address of the simulated providers, empty without them.
    """

    address: str
    ops: str
    simulator: str
    reloader: Reloader


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Give uvloop's loop where the extra `speed` is installed, else asyncio's own."""
    if find_spec("uvloop") is None:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory


@asynccontextmanager
async def running(
    settings: Settings, drain: Drain | None = None, clock: SystemClock | None = None
) -> AsyncIterator[Running]:
    """Start a daemon, and stop it at the end, once the requests in flight have ended or `drain` waits no longer.

    `clock` stands in for the system's. Raises StartError, and DataDirectoryError for the data directory.
    """
    drain, clock, systemd = drain or Drain(), clock or SystemClock(), Systemd(os.environ)
    async with AsyncExitStack() as stack:
        data = settings.data / SIMULATED if settings.simulate else settings.data
        state = opened(data, stack)
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types here
        metrics = Metrics(CollectorRegistry(), VERSION, simulated=settings.simulate)
        simulated = await stack.enter_async_context(simulator(settings.simulate_speed)) if settings.simulate else ""
        spend, tally = SpendBook(clock), Tally(clock)
        compiler, contexts = Compiler(catalogue.load()), Contexts()
        metrics.catalogue(compiler.catalogue.date, lambda: clock.now().date())
        kept = await stores(data, state, metrics, lambda: reloader.active.snapshot.defaults)
        board, pins = HealthBoard(clock, kept.coolings.keep), Pins(clock, kept.hash_key, kept.pins.keep)
        paces = Paces(clock, kept.sums, kept.ledger)
        shifts = ShiftWatch(clock, Shifts(data / "state.db"), lambda: metrics.store_failed("alerts"))
        books = Books(kept.journal, metrics, spend, (tally.note, paces.note, shifts.note))
        bounds = bounds_of(clock, metrics, lambda: reloader.active.snapshot.defaults)
        recorder = Recorder(
            books, clock, kept.hash_key, _a_moment_later, lambda: drain.in_flight, simulated=settings.simulate
        )
        openings = Openings(spend, recorder, kept.sums, lambda: metrics.store_failed("ledger"))
        read = Reader(settings.rules)
        reload_parts = ReloadParts(
            read=read,
            compiler=compiler,
            gate=gate,
            lacking=lambda snapshot: (
                *(nothing_lacking if settings.simulate else lacking)(snapshot),
                *open_to_anybody(snapshot, settings),
            ),
            resolve=simulated_targets(simulated) if settings.simulate else real_targets(contexts, os.environ),
            addresses=no_addresses if settings.simulate else addresses,
            generations=state,
            meters=metrics,
            mended=lambda: mended(board, watching.deliveries, bounds.gates, reloader),
            budgets=openings,
            clock=clock,
        )
        started_with = first(reload_parts, use_last_good=settings.use_last_good)
        if isinstance(started_with, Rejected):
            raise StartError("\n".join(problem.within(settings.rules) for problem in started_with.problems))
        with mendable(data):
            reloader = Reloader(reload_parts, activate(reload_parts, started_with), systemd.reloading)
        kept.journal.start()
        stack.callback(kept.journal.close)
        stack.callback(recorder.note_waiting)
        snapshot = reloader.active.snapshot
        with mendable(data):
            for name, override in kept.overrides.all().items():
                spend.override(name, override)
            openings.take_up(snapshot, await openings.read(snapshot))
        await _resume(kept, board, pins, snapshot.models)
        _show(metrics, reloader, board, spend)
        around = Around(
            reloader=reloader,
            spend=spend,
            tally=tally,
            paces=paces,
            shifts=shifts,
            ledger=kept.ledger,
            metrics=metrics,
            clock=clock,
            state=data / "state.db",
            hash_key=kept.hash_key,
            simulated=settings.simulate,
        )
        watching = await stack.enter_async_context(alerts_of(around, VERSION))
        departures = Departures(asyncio.get_running_loop(), drain.alone)
        transport = Ways(HttpTransport(contexts=contexts, clock=clock, departures=departures))
        stack.push_async_callback(transport.close)
        parts = Parts(
            reloader=reloader,
            executor=executor_of(transport, clock, board, spend, bounds.gates, metrics),
            counter=TokenCounter(transport, clock, COUNTS, metrics),
            decider=Decider(board, spend, pins, drain.alone),
            board=board,
            spend=spend,
            overrides=kept.overrides,
            limits=LimitBoard(clock),
            door=Door(_names_of(settings), any_name=settings.allow_anonymous),
            recorder=recorder,
            meters=metrics,
            clock=clock,
            drain=drain,
            alerts=watching.alerting,
            deliveries=watching.deliveries,
            leftovers=Leftovers(clock, drain, metrics.left),
            load=bounds.load,
            gates=bounds.gates,
            departures=departures,
        )
        daemon = Daemon(
            version=VERSION,
            rules=_rules_of(settings),
            simulated=settings.simulate,
            log=kept.log,
            log_healthy=lambda: kept.journal.healthy,
            ledger=kept.ledger,
            booked=kept.sums.booked,
        )
        await stack.enter_async_context(followed(read, reloader, clock))
        await stack.enter_async_context(beside(openings.run(clock)))
        await stack.enter_async_context(bounded(bounds, snapshot, metrics))
        main, ops = await stack.enter_async_context(served(parts, daemon, metrics, settings, bounds.connections))
        _freeze_memory()
        await stack.enter_async_context(supervised(systemd, drain, reloader, clock))
        yield Running(main, ops, simulated, reloader)


def executor_of(
    transport: Transport,
    clock: Timekeeper,
    board: HealthBoard,
    spend: SpendBook,
    gates: GateBoard,
    metrics: Metrics,
) -> Executor:
    """Give what carries decisions out, and learns from what comes of them."""
    boards = Boards(board, UsualTimes())
    attempts = Attempts(transport, clock, SPOKEN, boards, spend, gates)
    return Executor(clock, attempts, boards, Retries(clock, metrics.retry_refused), gates)


def mended(board: HealthBoard, deliveries: Deliveries, gates: GateBoard, reloader: Reloader) -> None:
    """Take up what a reload has brought: who may be well again, whom to tell, and how many may be where at once."""
    board.mended()
    deliveries.wake()
    gates.take_up(reloader.active.snapshot)


def _show(metrics: Metrics, reloader: Reloader, board: HealthBoard, spend: SpendBook) -> None:
    """Have the metrics show what runs, how models are doing, and how budgets stand."""
    metrics.prepare(reloader.active.snapshot)
    metrics.reloaded(reloader.active.snapshot, reloader.active.loaded_at)
    ModelStates(metrics.registry, lambda: board.states(reloader.active.snapshot.models))
    BudgetGauges(metrics.registry, lambda: map(_gauged, spend.standings()))


async def _resume(kept: Stores, board: HealthBoard, pins: Pins, models: Collection[str]) -> None:
    """Go on where the last process ended: with models that rest, and conversations that stay."""
    board.resume(await asyncio.to_thread(kept.coolings.all), models)
    pins.resume(await asyncio.to_thread(kept.pins.all), models)


def _freeze_memory() -> None:
    """Take what stays out of the collector's rounds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _gauged(standing: Standing) -> Gauged:
    return Gauged(
        standing.budget.name,
        standing.spent_nano_usd,
        standing.held_nano_usd,
        standing.limit_nano_usd,
        standing.unread_attempts,
    )


def _names_of(settings: Settings) -> frozenset[str]:
    return frozenset(each.host.lower() for each in (settings.listen, settings.ops) if each is not None)


def _rules_of(settings: Settings) -> str:
    return str(settings.rules) if settings.rules else "the shipped rules"


def _a_moment_later(note: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(NOTE_WITHIN_S, note)
