"""What bounds the daemon's work: places at models, what is taken on at once, and connections of slow callers."""

import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.adapters.clock import SystemClock
from gateway.adapters.load_gauges import Carried, LoadGauges
from gateway.adapters.metrics import Metrics
from gateway.domain.load import Shed
from gateway.domain.snapshot import Defaults, Snapshot
from gateway.runtime.connections import Connections
from gateway.runtime.gates import GateBoard
from gateway.runtime.load import Load
from gateway.wiring.serving import beside

MOST_DESCRIPTORS = 65_536


@dataclass(frozen=True, slots=True)
class Bounds:
    """The parts that say when it is too much."""

    load: Load
    gates: GateBoard
    connections: Connections


def bounds_of(clock: SystemClock, metrics: Metrics, defaults: Callable[[], Defaults]) -> Bounds:
    """Build them; `defaults` gives those of the rules that run."""
    load = Load(clock, metrics, lambda: defaults().capacity)
    return Bounds(
        load,
        GateBoard(clock, lambda: load.turned_away(Shed.QUEUE)),
        Connections(clock, metrics, lambda: defaults().capacity, lambda: defaults().patience),
    )


@asynccontextmanager
async def bounded(bounds: Bounds, snapshot: Snapshot, metrics: Metrics) -> AsyncIterator[None]:
    """Take up the gates of a snapshot, show how things stand, and look after lag and connections meanwhile."""
    load, gates, connections = bounds.load, bounds.gates, bounds.connections
    gates.take_up(snapshot)
    connections.most = descriptors() // 2  # a request may need one more, to a provider
    LoadGauges(metrics.registry, gates.crowds, lambda: Carried(len(connections), load.bodies_bytes, load.lag_s))
    async with beside(load.watch()), beside(connections.watch()):
        yield


def descriptors() -> int:
    """Take as many descriptors as the system allows this process, and say how many those are.

    What a process may have unless it asks is often 1,024, for the sake of programs that use select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
