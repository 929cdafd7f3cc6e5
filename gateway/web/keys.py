"""The typed keys under which handlers find the parts that `app.py` has built."""

from dataclasses import dataclass

from aiohttp import web

from gateway.runtime.alerts import Alerting
from gateway.runtime.deliveries import Deliveries
from gateway.runtime.executor import Executor
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Clock, Meters
from gateway.runtime.recorder import Recorder
from gateway.runtime.reloader import Reloader
from gateway.runtime.spend import SpendBook


@dataclass(frozen=True, slots=True)
class Parts:
    """What a request needs from its first byte to its last."""

    reloader: Reloader
    executor: Executor
    board: HealthBoard
    recorder: Recorder
    spend: SpendBook
    meters: Meters
    clock: Clock
    alerts: Alerting
    deliveries: Deliveries


PARTS = web.AppKey("parts", Parts)
