"""The surfaces that call no model: what there is, and what would be decided."""

from collections.abc import Mapping

from aiohttp import web

from gateway.dialects.base import CallerDialect
from gateway.dialects.fields import object_of
from gateway.domain.caller import Caller
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import AUTO
from gateway.domain.words import Surface
from gateway.runtime.exchange import Active
from gateway.web.answers import answer
from gateway.web.errors import Handler, edge
from gateway.web.ids import new_id
from gateway.web.inference import STOPPING, enter, kept_headers, read_body, refuse, send
from gateway.web.keys import PARTS


def route_handler(surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give the handler of `/v1/route`: the Decision for a body of any surface, without asking a model."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        active = parts.reloader.active
        at = parts.clock.now()
        caller = enter(http, active, at)
        if isinstance(caller, Refusal):
            return refuse(surfaces[_client_of(http.headers)], caller, new_id(at))
        body = await read_body(http, active.snapshot.defaults.max_body_bytes)
        if isinstance(body, Refusal):
            return refuse(surfaces[_client_of(http.headers)], body, new_id(at))
        headers = kept_headers(http.headers)
        dialect = surfaces[surface_of(body, headers)]
        request = dialect.read_request(body, headers)
        if isinstance(request, Refusal):
            return refuse(dialect, request, new_id(at))
        return answer(parts.decider.account(active, request.asked_by(caller), at))

    return edge(handle)


def surface_of(body: bytes, headers: Mapping[str, str]) -> Surface:
    """Tell whose body it is: a prompt alone is execute's, a system text beside the messages is Anthropic's."""
    fields = object_of(body) or {}
    if "prompt" in fields:
        return Surface.EXECUTE
    return Surface.MESSAGES if "system" in fields else _client_of(headers)


def _client_of(headers: Mapping[str, str]) -> Surface:
    """Tell whose client asks, by the header that all of Anthropic's send."""
    return Surface.MESSAGES if "anthropic-version" in headers else Surface.CHAT


def models_handler(surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give the handler of `/v1/models`: the models that may answer whoever asks."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        active = parts.reloader.active
        at = parts.clock.now()
        client = _client_of(http.headers)
        caller = enter(http, active, at)
        if isinstance(caller, Refusal):
            return refuse(surfaces[client], caller, new_id(at))
        return _listed(active, caller, client)

    return handle


def _listed(active: Active, caller: Caller, client: Surface) -> web.Response:
    """List `auto` and the models of the registry that a caller may use, in the shape of the client that asks."""
    at = active.loaded_at
    models = (model for model in active.snapshot.models.values() if caller.may_use(model.name))
    names = [(AUTO, "rulegate"), *((model.name, model.provider) for model in models)]
    if client is Surface.MESSAGES:
        created = at.isoformat(timespec="seconds")
        data: list[dict[str, object]] = [
            {"type": "model", "id": name, "display_name": name, "created_at": created} for name, _ in names
        ]
        return answer({"data": data, "has_more": False, "first_id": names[0][0], "last_id": names[-1][0]})
    created_s = int(at.timestamp())
    data = [{"id": name, "object": "model", "created": created_s, "owned_by": owner} for name, owner in names]
    return answer({"object": "list", "data": data})


def unless_stopping(handler: Handler, surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give a handler that turns requests away once the gateway stops, as the surfaces that ask models do."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        if not parts.drain.draining:
            return await handler(http)
        surface = Surface.MESSAGES if "anthropic-version" in http.headers else Surface.CHAT
        return await send(http, refuse(surfaces[surface], STOPPING, new_id(parts.clock.now())))

    return handle


def nothing_here(dialect: CallerDialect, paths: tuple[str, ...]) -> Handler:
    """Give the handler for every other path: a 404 that says what exists."""

    async def handle(http: web.Request) -> web.StreamResponse:
        words = f"there is no {http.method} {http.path[:100]} here; there is {', '.join(paths)}"
        parts = http.app[PARTS]
        return refuse(dialect, Refusal(RefusalKind.NOT_FOUND, words), new_id(parts.clock.now()))

    return handle
