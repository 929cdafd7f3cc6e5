"""The typed keys under which handlers find the parts that `app.py` has built."""

from dataclasses import dataclass

from aiohttp import web

from gateway.runtime.alerts import Alerting
from gateway.runtime.counting import TokenCounter
from gateway.runtime.decider import Decider
from gateway.runtime.deliveries import Deliveries
from gateway.runtime.drain import Drain
from gateway.runtime.executor import Executor
from gateway.runtime.gates import GateBoard
from gateway.runtime.health import HealthBoard
from gateway.runtime.leftovers import Leftovers
from gateway.runtime.limits import LimitBoard
from gateway.runtime.load import Load
from gateway.runtime.ports import Clock, Departures, Meters, Overrides
from gateway.runtime.recorder import Recorder
from gateway.runtime.reloader import Reloader
from gateway.runtime.spend import SpendBook
from gateway.web.door import Door


@dataclass(frozen=True, slots=True)
class Parts:
    """What a request needs from its first byte to its last."""

    reloader: Reloader
    executor: Executor
    decider: Decider
    board: HealthBoard
    spend: SpendBook
    overrides: Overrides
    limits: LimitBoard
    door: Door
    recorder: Recorder
    meters: Meters
    clock: Clock
    drain: Drain
    alerts: Alerting
    deliveries: Deliveries
    counter: TokenCounter
    load: Load
    leftovers: Leftovers
    gates: GateBoard
    departures: Departures


PARTS = web.AppKey("parts", Parts)
