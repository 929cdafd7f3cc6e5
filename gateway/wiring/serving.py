"""The sockets and tasks of a daemon: it listens, follows its rules, beats for systemd, and lets requests end."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from gateway.adapters.clock import SystemClock
from gateway.adapters.metrics import Metrics
from gateway.adapters.systemd import Systemd
from gateway.adapters.watch import DirectoryWatch
from gateway.config.settings import Address, Settings
from gateway.runtime.connections import Connections
from gateway.runtime.drain import Drain
from gateway.runtime.ports import Departures
from gateway.runtime.reloader import Reloader, follow
from gateway.simulator.faults import Faults
from gateway.simulator.server import build_app as build_simulator
from gateway.simulator.server import start as start_simulator
from gateway.web.connections import WatchedRunner
from gateway.web.keys import Parts
from gateway.web.operations import Daemon
from gateway.web.turns import NONE_DIRECT, Direct
from gateway.wiring.rules import Reader
from gateway.wiring.stores import StartError
from gateway.wiring.surfaces import build_web, inference_handlers, inference_routes, operations_routes

CLOSE_WITHIN_S = 1.0
"""How long what is left after the drain may keep a connection from being closed; aiohttp waits for it up to twice."""


@asynccontextmanager
async def simulator(speed: float) -> AsyncIterator[str]:
    """Serve simulated providers; gives their address."""
    runner, port = await start_simulator(build_simulator(Faults(), speed=speed))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def followed(read: Reader, reloader: Reloader, clock: SystemClock) -> AsyncIterator[None]:
    """Follow the directory's changes while the daemon runs; the shipped rules, which have none, reload on SIGHUP."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(changed.set)

    loop.add_signal_handler(signal.SIGHUP, changed.set)
    async with AsyncExitStack() as stack:
        stack.callback(loop.remove_signal_handler, signal.SIGHUP)
        if read.directory is not None:
            watch = DirectoryWatch(read.directory, read.stamp, wake, lambda: read.stood)
            watch.start()
            stack.push_async_callback(asyncio.to_thread, watch.close)
        await stack.enter_async_context(beside(follow(reloader, changed, read.stamp, clock)))
        yield


@asynccontextmanager
async def supervised(systemd: Systemd, drain: Drain, reloader: Reloader, clock: SystemClock) -> AsyncIterator[None]:
    """Take requests, and in the end let those in flight end; systemd is told how it goes, where it listens."""

    def state() -> str:
        rejected = "; the rules on disk are rejected" if reloader.rejection else ""
        label = reloader.active.snapshot.label
        return f"{drain.phase}: generation {label}{rejected}, requests in flight: {drain.in_flight}"

    async def beat() -> None:
        while systemd.listens:
            systemd.alive()
            await clock.sleep(systemd.every_s)

    drain.ready()
    systemd.ready(state)
    async with beside(beat()):
        try:
            yield
        finally:
            systemd.stopping()
            await drain.ended(reloader.active.snapshot.defaults.drain_timeout_s)


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run something beside the daemon, and end it with the daemon, whose errors are not its own."""
    async with AsyncExitStack() as stack:
        tasks = await asyncio.TaskGroup().__aenter__()
        stack.push_async_callback(tasks.__aexit__, None, None, None)
        stack.callback(tasks.create_task(work).cancel)
        yield


@asynccontextmanager
async def served(
    parts: Parts, daemon: Daemon, metrics: Metrics, settings: Settings, connections: Connections
) -> AsyncIterator[tuple[str, str]]:
    """Answer callers and operators, at one address or at two; gives both."""
    callers, operators = inference_routes(parts), operations_routes(metrics)
    direct, departures = inference_handlers(parts), parts.departures
    if settings.ops is None:
        app = build_web(parts, daemon, [*callers, *operators])
        async with listening(app, settings.listen, connections, departures, direct) as main:
            yield main, main
        return
    async with (
        listening(build_web(parts, daemon, operators), settings.ops, connections, departures, option="ops") as ops,
        listening(build_web(parts, daemon, callers), settings.listen, connections, departures, direct) as main,
    ):
        yield main, ops


@asynccontextmanager
async def listening(
    app: web.Application,
    address: Address,
    connections: Connections,
    departures: Departures,
    direct: Direct = NONE_DIRECT,
    *,
    option: str = "listen",
) -> AsyncIterator[str]:
    """Answer at an address, which the option gave; gives its URL. What is `direct` is not looked up in the router."""
    counted = option == "listen"
    runner = WatchedRunner(app, connections, departures, direct, counted=counted, shutdown_timeout=CLOSE_WITHIN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address.host, address.port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            raise StartError(cannot_listen(address, option, error)) from error
        yield address.url(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def cannot_listen(address: Address, option: str, error: OSError) -> str:
    """Say why, and what else could be tried."""
    code = error.errno or 0
    match code:
        case errno.EADDRNOTAVAIL | socket.EAI_NONAME:
            hint = f"this machine has no such address: --{option} 127.0.0.1:{address.port}"
        case errno.EACCES:
            hint = f"ports below 1024 need a privilege: --{option} {Address(address.host, 8000 + address.port % 1000)}"
        case _:
            another = Address(address.host, (address.port + 1) % 65_536)
            hint = f"stop what listens there, or choose another port: --{option} {another}"
    words = os.strerror(code) if code in errno.errorcode else str(error.strerror or error)
    return f"cannot listen on {address}: {words.lower()}\n  {hint}"
