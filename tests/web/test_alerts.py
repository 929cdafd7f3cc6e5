"""What operators are told when what is kept of alerts cannot be read or written."""

from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from gateway.adapters.metrics import Metrics
from gateway.web.door import Door
from gateway.web.keys import Parts
from gateway.web.operations import Daemon
from gateway.wiring.surfaces import build_web, operations_routes
from tests.runtime.test_alerts import PROBLEM, REJECTED, World


def parts_of(**some: object) -> Parts:
    """Give parts of which only those that alerts need are there."""
    every: dict[str, Any] = {name: some.get(name) for name in Parts.__dataclass_fields__}
    return Parts(**every)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/alerts", None),
        ("POST", "/api/silences", {"matchers": {"alert": "rejected"}, "for": "1h"}),
        ("POST", "/api/alerts/{id}/silence", {"for": "1h"}),
        ("POST", "/api/alerts/{id}/accept", None),
        ("DELETE", "/api/silences/{silence}", None),
    ],
)
async def test_a_store_that_does_not_work_is_said_so(method: str, path: str, body: object) -> None:
    """U-103: with the words of the store, and nothing is taken for done."""
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick()
    hush = await looking.alerting.hush({"alert": "other"}, world.time.at.replace(year=2100))
    (incident,) = looking.alerting.open()
    world.store.broken = True
    parts = parts_of(
        alerts=looking.alerting,
        deliveries=looking.deliveries,
        reloader=looking.reloader,
        clock=world.time,
        door=Door(),
    )
    metrics = Metrics(CollectorRegistry(), "0", simulated=False)
    app: web.Application = build_web(parts, cast("Daemon", None), operations_routes(metrics))
    async with TestClient(TestServer(app)) as client:
        url = path.format(id=incident.state.incident_id, silence=hush.id)
        response = await client.request(method, url, json=body)
        assert (response.status, await response.json()) == (503, {"error": {"message": "the disk is full"}})
    assert (looking.alerting.hushes(), world.store.kept.accepted) == ([hush], frozenset())
