"""The composition root: builds the parts, wires them, decides nothing."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.aiohttp import make_aiohttp_handler

from gateway import app_alerts
from gateway.adapters.budget_gauges import BudgetGauges, Gauged
from gateway.adapters.clock import SystemClock
from gateway.adapters.log_sqlite import LogReader, LogWriter
from gateway.adapters.metrics import Metrics
from gateway.adapters.model_states import ModelStates
from gateway.adapters.state_sqlite import Lock, State
from gateway.adapters.transport import HttpTransport
from gateway.adapters.watch import DirectoryWatch
from gateway.config import catalogue, packaged, secrets, sources
from gateway.config.compile import Compiler
from gateway.config.settings import Settings
from gateway.dialects.anthropic import AnthropicMessages
from gateway.dialects.base import CallerDialect, ProviderDialect
from gateway.dialects.execute import Execute
from gateway.dialects.openai_chat import OpenAIChat
from gateway.domain.problem import Problem, StoreError
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.domain.words import Dialect, Surface
from gateway.runtime.deliveries import Deliveries
from gateway.runtime.executor import Executor
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Target, Targets
from gateway.runtime.recorder import Recorder
from gateway.runtime.rehearsal import failures_of, rehearse
from gateway.runtime.reloader import Parts as ReloadParts
from gateway.runtime.reloader import Reloader, activate, first, follow, no_addresses
from gateway.runtime.spend import SpendBook
from gateway.simulator.faults import Faults
from gateway.simulator.server import build_app as build_simulator
from gateway.simulator.server import start as start_simulator
from gateway.web.alerts import accept, alerts, hush, silence, unhush
from gateway.web.catalogue import models, nothing_here, route_handler
from gateway.web.errors import edge
from gateway.web.inference import surface_handler
from gateway.web.keys import PARTS, Parts
from gateway.web.operations import (
    DAEMON,
    Daemon,
    config,
    livez,
    log,
    model_health,
    page,
    private,
    readyz,
    reload,
    status,
)

logger = logging.getLogger("gateway")

VERSION = version("rulegate")
SIMULATED = "simulated"
"""The folder under the data directory that a rehearsal keeps to."""
SHIPPED_RULES = "rules.d"
DRAIN_S = 30.0
"""How long requests in flight have at a stop; aiohttp waits for them twice, half of it each time."""
NOTE_WITHIN_S = 0.02
"""How long a request that has ended may wait to be noted."""
GC_THRESHOLDS = (50_000, 50, 50)
"""Objects between collections: requests make few cycles, and a full collection stalls every stream."""

OPENAI, ANTHROPIC = OpenAIChat(), AnthropicMessages()
SURFACES: Mapping[Surface, CallerDialect] = {
    Surface.CHAT: OPENAI,
    Surface.MESSAGES: ANTHROPIC,
    Surface.EXECUTE: Execute(),
}
PROVIDERS: Mapping[Dialect, ProviderDialect] = {Dialect.OPENAI: OPENAI, Dialect.ANTHROPIC: ANTHROPIC}
PATHS = {
    Surface.CHAT: "/v1/chat/completions",
    Surface.MESSAGES: "/v1/messages",
    Surface.EXECUTE: "/v1/execute",
}


class StartError(Exception):
    """The daemon cannot start; the message has a line for each reason, with the remedy."""


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that answers. `simulator` is the address of the simulated providers, empty without them."""

    address: str
    simulator: str
    reloader: Reloader


def shipped_rules() -> tuple[RuleFile, ...]:
    """Give the rule files that come with the gateway."""
    names = [name for name in packaged.names(SHIPPED_RULES) if sources.counts(name)]
    return tuple(RuleFile(name, packaged.read(f"{SHIPPED_RULES}/{name}")) for name in names)


def gate(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Give the reasons not to run a snapshot that compiled: its own tests that fail."""
    return failures_of(rehearse(snapshot, SURFACES))


def lacking(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Give the secrets that a snapshot needs and that cannot be had, or that are no addresses of receivers."""
    return secrets.missing(snapshot, os.environ) or app_alerts.unusable(snapshot)


def nothing_lacking(_: Snapshot) -> tuple[Problem, ...]:
    """Say that a rehearsal needs no secret."""
    return ()


def real_targets(snapshot: Snapshot) -> Targets:
    """Give each provider its own address and secret."""
    return {
        name: Target(provider.base_url, secrets.resolve(provider.api_key, os.environ))
        for name, provider in snapshot.providers.items()
    }


def simulated_targets(simulator: str) -> Callable[[Snapshot], Targets]:
    """Send every provider's requests to the simulator, with no secret."""

    def resolve(snapshot: Snapshot) -> Targets:
        return {name: Target(f"{simulator}/{name}/v1", None) for name in snapshot.providers}

    return resolve


def mended(board: HealthBoard, book: SpendBook, snapshot: Snapshot, deliveries: Deliveries) -> None:
    """Take up what a reload has brought, beside the routes: who may be well again, what may be spent, whom to tell."""
    board.mended()
    book.take_up(snapshot.budgets, {})
    deliveries.wake()


def gauged(book: SpendBook) -> list[Gauged]:
    """Give what the gauges of budgets show."""
    return [
        Gauged(each.budget.name, each.spent_nano_usd, each.held_nano_usd, each.limit_nano_usd)
        for each in book.standings()
    ]


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Give uvloop's loop where the extra `speed` is installed, else asyncio's own."""
    if find_spec("uvloop") is None:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Start a daemon, and stop it at the end. Raises StartError, and DataDirectoryError for the data directory."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        data = settings.data / SIMULATED if settings.simulate else settings.data
        stack.callback(Lock(data).close)
        state = State(data / "state.db")
        stack.callback(state.close)
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types here
        metrics = Metrics(CollectorRegistry(), VERSION, simulated=settings.simulate)
        simulator = await stack.enter_async_context(_simulator(settings.simulate_speed)) if settings.simulate else ""
        board, book = HealthBoard(clock), SpendBook(clock)
        compiler = Compiler(catalogue.load())
        metrics.catalogue(compiler.catalogue.date, lambda: clock.now().date())
        reload_parts = ReloadParts(
            read=_reader(settings),
            compiler=compiler,
            gate=gate,
            lacking=nothing_lacking if settings.simulate else lacking,
            resolve=simulated_targets(simulator) if settings.simulate else real_targets,
            generations=state,
            meters=metrics,
            mended=lambda: mended(board, book, reloader.active.snapshot, watching.deliveries),
            clock=clock,
            addresses=no_addresses if settings.simulate else app_alerts.addresses,
        )
        started_with = first(reload_parts, use_last_good=settings.use_last_good)
        if isinstance(started_with, Rejected):
            raise StartError("\n".join(str(problem) for problem in started_with.problems))
        try:
            reloader = Reloader(reload_parts, activate(reload_parts, started_with))
            hash_key = state.hash_key()
        except StoreError as error:
            raise StartError(f"{error}\n  free space or mend {data}, or give another one with --data DIR") from error
        book.take_up(reloader.active.snapshot.budgets, {})
        metrics.prepare(reloader.active.snapshot)
        metrics.reloaded(reloader.active.snapshot, reloader.active.loaded_at)
        ModelStates(metrics.registry, lambda: board.states(reloader.active.snapshot.models))
        BudgetGauges(metrics.registry, lambda: gauged(book))
        writer = LogWriter(
            data / "log",
            retention_days=lambda: reloader.active.snapshot.defaults.retention_days,
            failed=lambda: metrics.store_failed("log"),
            dropped=metrics.dropped,
        )
        writer.start()
        stack.callback(writer.close)
        transport = HttpTransport()
        stack.push_async_callback(transport.close)
        around = app_alerts.Around(reloader, book, metrics, clock, data / "state.db", hash_key, settings.simulate)
        watching = await stack.enter_async_context(app_alerts.alerts_of(around, VERSION))
        noted = (book.note, watching.tally.note)
        recorder = Recorder(writer, metrics, clock, hash_key, _a_moment_later, simulated=settings.simulate, noted=noted)
        stack.callback(recorder.note_waiting)
        executor = Executor(transport, clock, PROVIDERS, board, book)
        parts = Parts(reloader, executor, board, recorder, book, metrics, clock, watching.alerting, watching.deliveries)
        rules = str(settings.rules) if settings.rules else "the shipped rules"
        daemon = Daemon(VERSION, rules, settings.simulate, LogReader(data / "log"), lambda: writer.healthy)
        app = build_web(parts, daemon, metrics)
        await stack.enter_async_context(_followed(settings.rules, reloader, clock))
        port = await stack.enter_async_context(_listening(app, settings))
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        yield Running(settings.listen.url(port), simulator, reloader)


def build_web(parts: Parts, daemon: Daemon, metrics: Metrics) -> web.Application:
    """Give the application: every path there is."""
    app = web.Application(client_max_size=0)  # bodies are measured by the handlers, by the rules that run
    app[PARTS], app[DAEMON] = parts, daemon
    for surface, path in PATHS.items():
        app.router.add_post(path, surface_handler(surface, SURFACES[surface]))
    app.router.add_post("/v1/route", route_handler(SURFACES))
    app.router.add_get("/v1/models", edge(models))
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", page(make_aiohttp_handler(metrics.registry)))
    app.router.add_get("/api/status", private(status))
    app.router.add_get("/api/config", private(config))
    app.router.add_get("/api/models", private(model_health))
    app.router.add_get("/api/log", private(log))
    app.router.add_post("/api/reload", private(reload))
    app.router.add_get("/api/alerts", private(alerts))
    app.router.add_post("/api/alerts/{id}/silence", private(silence))
    app.router.add_post("/api/alerts/{id}/accept", private(accept))
    app.router.add_post("/api/silences", private(hush))
    app.router.add_delete("/api/silences/{id}", private(unhush))
    there = tuple(f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource)
    app.router.add_route("*", "/{path:.*}", nothing_here(OPENAI, tuple(each for each in there if "HEAD" not in each)))
    return app


def _a_moment_later(note: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(NOTE_WITHIN_S, note)


def _reader(settings: Settings) -> Callable[[], tuple[RuleFile, ...] | sources.Unreadable]:
    if settings.rules is None:
        files = shipped_rules()
        return lambda: files
    directory: Path = settings.rules
    return lambda: sources.read(directory)


@asynccontextmanager
async def _simulator(speed: float) -> AsyncIterator[str]:
    runner, port = await start_simulator(build_simulator(Faults(), speed=speed))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _followed(directory: Path | None, reloader: Reloader, clock: SystemClock) -> AsyncIterator[None]:
    """Follow the directory's changes while the daemon runs; the shipped rules, which have none, reload on SIGHUP."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def stamp() -> object:
        return None if directory is None else sources.stamp(directory)

    def wake() -> None:
        loop.call_soon_threadsafe(changed.set)

    loop.add_signal_handler(signal.SIGHUP, changed.set)
    async with AsyncExitStack() as stack:
        stack.callback(loop.remove_signal_handler, signal.SIGHUP)
        if directory is not None:
            watch = DirectoryWatch(directory, stamp, wake)
            watch.start()
            stack.push_async_callback(asyncio.to_thread, watch.close)
        tasks = await asyncio.TaskGroup().__aenter__()
        stack.push_async_callback(tasks.__aexit__, None, None, None)  # the daemon's errors are not the group's
        task = tasks.create_task(follow(reloader, changed, stamp, clock))
        stack.callback(task.cancel)
        yield


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[int]:
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, handler_cancellation=True, shutdown_timeout=DRAIN_S / 2
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.listen.host, settings.listen.port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            raise StartError(_cannot_listen(settings, error)) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _cannot_listen(settings: Settings, error: OSError) -> str:
    where = f"{settings.listen.host}:{settings.listen.port}"
    words = os.strerror(error.errno).lower() if error.errno else str(error)
    hint = (
        f"stop what listens there, or choose another port: --listen {settings.listen.host}:{settings.listen.port + 1}"
    )
    return f"cannot listen on {where}: {words}\n  {hint}"
