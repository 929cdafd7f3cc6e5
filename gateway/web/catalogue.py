"""The surfaces that call no model: what there is, and what would be decided."""

from collections.abc import Mapping

from aiohttp import web

from gateway.dialects.base import CallerDialect
from gateway.dialects.fields import object_of
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import AUTO
from gateway.domain.words import Surface
from gateway.runtime.exchange import account
from gateway.web.answers import answer
from gateway.web.errors import Handler, edge
from gateway.web.ids import new_id
from gateway.web.inference import kept_headers, read_body, refuse
from gateway.web.keys import PARTS


def route_handler(surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give the handler of `/v1/route`: the Decision for a body of any surface, without asking a model."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        active = parts.reloader.active
        at = parts.clock.now()
        body = await read_body(http, active.snapshot.defaults.max_body_bytes)
        if isinstance(body, Refusal):
            return refuse(surfaces[Surface.CHAT], body, new_id(at))
        headers = kept_headers(http.headers)
        dialect = surfaces[surface_of(body, headers)]
        request = dialect.read_request(body, headers)
        if isinstance(request, Refusal):
            return refuse(dialect, request, new_id(at))
        return answer(account(active, request, at, parts.board.state))

    return edge(handle)


def surface_of(body: bytes, headers: Mapping[str, str]) -> Surface:
    """Tell whose body it is: a prompt alone is execute's, a system text beside the messages is Anthropic's."""
    fields = object_of(body) or {}
    if "prompt" in fields:
        return Surface.EXECUTE
    return Surface.MESSAGES if "anthropic-version" in headers or "system" in fields else Surface.CHAT


async def models(http: web.Request) -> web.Response:
    """List the registry, `auto` first, in the shape of the client that asks."""
    active = http.app[PARTS].reloader.active
    snapshot, at = active.snapshot, active.loaded_at
    names = [(AUTO, "rulegate"), *((model.name, model.provider) for model in snapshot.models.values())]
    if "anthropic-version" in http.headers:
        created = at.isoformat(timespec="seconds")
        data: list[dict[str, object]] = [
            {"type": "model", "id": name, "display_name": name, "created_at": created} for name, _ in names
        ]
        return answer({"data": data, "has_more": False, "first_id": names[0][0], "last_id": names[-1][0]})
    created_s = int(at.timestamp())
    data = [{"id": name, "object": "model", "created": created_s, "owned_by": owner} for name, owner in names]
    return answer({"object": "list", "data": data})


def nothing_here(dialect: CallerDialect, paths: tuple[str, ...]) -> Handler:
    """Give the handler for every other path: a 404 that says what exists."""

    async def handle(http: web.Request) -> web.StreamResponse:
        words = f"there is no {http.method} {http.path[:100]} here; there is {', '.join(paths)}"
        parts = http.app[PARTS]
        return refuse(dialect, Refusal(RefusalKind.NOT_FOUND, words), new_id(parts.clock.now()))

    return handle
