"""The operations from other machines: none is answered but to an operator's key."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry

from gateway.adapters.clock import SystemClock
from gateway.adapters.metrics import Metrics
from gateway.runtime.exchange import Active
from gateway.runtime.reloader import Reloader
from gateway.web.door import Door
from gateway.web.keys import PARTS, Parts
from gateway.web.operations import private
from gateway.wiring.surfaces import build_web, operations_routes
from tests.fakes.caller_files import bearer, callers, key_of
from tests.fakes.values import snapshot_of

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
ELSEWHERE = "203.0.113.7"


def application(*rules: str) -> web.Application:
    """Give the application over a snapshot of these rules; what no refusal needs is not there."""
    none: Any = None
    reloader = Reloader(none, Active(snapshot_of(*rules), {}, AT))
    parts = Parts(reloader, none, none, none, none, none, none, Door(), none, none, SystemClock(), *[none] * 8)
    return build_web(parts, none, operations_routes(Metrics(CollectorRegistry(), "0", simulated=False)))


KEYED = application(callers(bot="", op="operator: true", gone="operator: true, expires: 2020-01-01"))
ROUTES = [
    route
    for route in KEYED.router.routes()
    if route.resource is not None and route.resource.canonical.startswith("/api/")
]


async def asked(handler: Any, app: web.Application, peer: str, **headers: str) -> tuple[int, str]:  # noqa: ANN401 - aiohttp's
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await handler(make_mocked_request("GET", "/", headers=named, app=app).clone(remote=peer))
    return response.status, response.text


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.resource.canonical}")
async def test_every_operation_asks_another_machine_for_a_key(route: web.AbstractRoute) -> None:
    """U-111: a new one that did not would be in this test by being there."""
    status, told = await asked(route.handler, KEYED, ELSEWHERE)
    assert (status, "a key is needed" in told) == (401, True)
    assert (await asked(route.handler, application(), ELSEWHERE))[0] == 403


async def test_an_operators_key_opens_them_and_no_other_does() -> None:
    """U-111: as a bearer or in x-api-key, from anywhere; without a key, this machine alone."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="in")

    there = private(page)
    for headers in (bearer("op"), {"x_api_key": key_of("op")}):
        assert await asked(there, KEYED, ELSEWHERE, **headers) == (200, "in")
    assert (await asked(there, KEYED, ELSEWHERE, **bearer("bot")))[0] == 403
    for name in ("gone", "nobody"):
        status, told = await asked(there, KEYED, ELSEWHERE, **bearer(name))
        assert (status, key_of(name) in told) == (401, False)
    assert await asked(there, KEYED, "127.0.0.1") == (200, "in")
    assert await asked(there, application(), "::1", **bearer("anybody")) == (200, "in")
    assert KEYED[PARTS].reloader.active.snapshot.callers.needed
