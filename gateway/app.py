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

from gateway.adapters.clock import SystemClock
from gateway.adapters.log_sqlite import LogReader, LogWriter
from gateway.adapters.metrics import Metrics
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
from gateway.domain.problem import Problem
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.domain.words import Dialect, Surface
from gateway.runtime.executor import Executor
from gateway.runtime.ports import Target, Targets
from gateway.runtime.recorder import Recorder
from gateway.runtime.rehearsal import failures_of, rehearse
from gateway.runtime.reloader import Parts as ReloadParts
from gateway.runtime.reloader import Reloader, activate, follow, prepare
from gateway.simulator.faults import Faults
from gateway.simulator.server import build_app as build_simulator
from gateway.simulator.server import start as start_simulator
from gateway.web.catalogue import models, nothing_here, route_handler
from gateway.web.inference import surface_handler
from gateway.web.keys import PARTS, Parts
from gateway.web.operations import DAEMON, Daemon, config, livez, log, private, readyz, reload, status

logger = logging.getLogger("gateway")

VERSION = version("rulegate")
SIMULATED = "simulated"
"""The folder under the data directory that a rehearsal keeps to."""
SHIPPED_RULES = "rules.d"
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


def gate_with_secrets(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Give those and the secrets that cannot be had."""
    return (*gate(snapshot), *secrets.missing(snapshot.providers, os.environ))


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
        simulator = await stack.enter_async_context(_simulator()) if settings.simulate else ""
        compiler = Compiler(catalogue.load())
        metrics.catalogue_age.set((clock.now().date() - compiler.catalogue.date).days)
        reload_parts = ReloadParts(
            read=_reader(settings),
            compiler=compiler,
            gate=gate if settings.simulate else gate_with_secrets,
            resolve=simulated_targets(simulator) if settings.simulate else real_targets,
            generations=state,
            meters=metrics,
            clock=clock,
        )
        reloader = Reloader(reload_parts, activate(reload_parts, _first_snapshot(reload_parts, settings)))
        metrics.prepare(reloader.active.snapshot)
        metrics.reloaded(reloader.active.snapshot, reloader.active.loaded_at)
        writer = LogWriter(
            data / "log",
            retention_days=lambda: reloader.active.snapshot.defaults.retention_days,
            failed=lambda: metrics.store_failed("log"),
        )
        writer.start()
        stack.callback(writer.close)
        transport = HttpTransport()
        stack.push_async_callback(transport.close)
        recorder = Recorder(writer, metrics, clock, state.hash_key(), simulated=settings.simulate)
        parts = Parts(reloader, Executor(transport, clock, PROVIDERS), recorder, metrics, clock)
        rules = str(settings.rules) if settings.rules else "the shipped rules"
        daemon = Daemon(VERSION, rules, settings.simulate, LogReader(data / "log"), lambda: writer.healthy)
        app = build_web(parts, daemon, metrics)
        if settings.rules is not None:
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
    app.router.add_get("/v1/models", models)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", make_aiohttp_handler(metrics.registry))
    app.router.add_get("/api/status", private(status))
    app.router.add_get("/api/config", private(config))
    app.router.add_get("/api/log", private(log))
    app.router.add_post("/api/reload", private(reload))
    there = tuple(f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource)
    app.router.add_route("*", "/{path:.*}", nothing_here(OPENAI, tuple(each for each in there if "HEAD" not in each)))
    return app


def _reader(settings: Settings) -> Callable[[], tuple[RuleFile, ...] | sources.Unreadable]:
    if settings.rules is None:
        files = shipped_rules()
        return lambda: files
    directory: Path = settings.rules
    return lambda: sources.read(directory)


def _first_snapshot(parts: ReloadParts, settings: Settings) -> Snapshot:
    """Compile what is on disk, or, when asked for, what ran last."""
    result = prepare(parts, None)
    if isinstance(result, Snapshot):
        return result
    if parts.generations.knows(result.fingerprint):
        accepted = parts.compiler.compile(_files(parts))
        if isinstance(accepted, Snapshot) and not secrets_missing(accepted, settings):
            for problem in result.problems:
                logger.warning("rules that ran before: %s", problem)
            return accepted
    if settings.use_last_good and (files := parts.generations.last_good()):
        last = parts.compiler.compile(files)
        if isinstance(last, Snapshot):
            logger.error("the rules on disk do not run, the last good ones do:\n%s", _lines(result))
            return last
    raise StartError(_lines(result))


def _files(parts: ReloadParts) -> tuple[RuleFile, ...]:
    files = parts.read()
    return () if isinstance(files, sources.Unreadable) else files


def secrets_missing(snapshot: Snapshot, settings: Settings) -> bool:
    """Say whether a real run lacks a secret."""
    return not settings.simulate and bool(secrets.missing(snapshot.providers, os.environ))


def _lines(rejected: Rejected) -> str:
    return "\n".join(str(problem) for problem in rejected.problems)


@asynccontextmanager
async def _simulator() -> AsyncIterator[str]:
    runner, port = await start_simulator(build_simulator(Faults()))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _followed(directory: Path, reloader: Reloader, clock: SystemClock) -> AsyncIterator[None]:
    """Follow the directory's changes while the daemon runs."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(changed.set)

    watch = DirectoryWatch(directory, lambda: sources.stamp(directory), wake)
    watch.start()
    loop.add_signal_handler(signal.SIGHUP, changed.set)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow(reloader, changed, lambda: sources.stamp(directory), clock))
        try:
            yield
        finally:
            task.cancel()
            loop.remove_signal_handler(signal.SIGHUP)
            await asyncio.to_thread(watch.close)


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, handler_cancellation=True, shutdown_timeout=30.0)
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
