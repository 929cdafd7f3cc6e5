"""The surfaces that call no model: what would be decided, and what paths there are."""

from collections.abc import Mapping

from aiohttp import web

from gateway.dialects.base import CallerDialect
from gateway.dialects.fields import object_of
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.words import Surface
from gateway.runtime.exchange import LONGEST_NAME_SHOWN
from gateway.web.answers import answer
from gateway.web.errors import Handler, edge
from gateway.web.ids import new_id
from gateway.web.inference import STOPPING, enter, kept_headers, read_body, refuse, send
from gateway.web.keys import PARTS
from gateway.web.models import client_of


def route_handler(surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give the handler of `/v1/route`: the Decision for a body of any surface, without asking a model."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        active = parts.reloader.active
        at = parts.clock.now()
        caller = enter(http, parts, active, at)
        if isinstance(caller, Refusal):
            return refuse(surfaces[client_of(http.headers)], caller, new_id(at))
        with parts.load.held() as held:
            body = await read_body(http, parts, active.snapshot.defaults, held)
        if isinstance(body, Refusal):
            return refuse(surfaces[client_of(http.headers)], body, new_id(at))
        headers = kept_headers(http.headers)
        named = http.query.get("surface")
        if named is not None and named not in surfaces:
            words = f"there is no surface '{named[:LONGEST_NAME_SHOWN]}'; there is {', '.join(surfaces)}"
            refusal = Refusal(RefusalKind.INVALID_REQUEST, words, "surface")
            return refuse(surfaces[client_of(http.headers)], refusal, new_id(at))
        dialect = surfaces[surface_of(body, headers) if named is None else Surface(named)]
        request = dialect.read_request(body, headers)
        if isinstance(request, Refusal):
            return refuse(dialect, request, new_id(at))
        return answer(parts.decider.account(active, request.asked_by(caller), at))

    return edge(handle)


def surface_of(body: bytes, headers: Mapping[str, str]) -> Surface:
    """Tell whose body it is: a prompt is execute's, an input embeddings' or responses', a system text Anthropic's."""
    fields = object_of(body) or {}
    if "prompt" in fields:
        return Surface.EXECUTE
    if "input" in fields and "messages" not in fields:
        return Surface.EMBEDDINGS if _wants_vectors(fields) else Surface.RESPONSES
    return Surface.MESSAGES if "system" in fields else client_of(headers)


def _wants_vectors(fields: Mapping[str, object]) -> bool:
    """Tell a request for embeddings by having nothing that those have not; an input of items is of responses."""
    asked = fields["input"]
    items = isinstance(asked, list) and any(isinstance(each, dict) for each in asked)
    return not items and fields.keys() <= _OF_EMBEDDINGS


_FOR_CALLERS = "/v1/"
_OF_EMBEDDINGS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})


def unless_stopping(handler: Handler, surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give a handler that turns requests away once the gateway stops, as the surfaces that ask models do."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        if not parts.drain.draining:
            return await handler(http)
        return await send(http, parts, refuse(surfaces[client_of(http.headers)], STOPPING, new_id(parts.clock.now())))

    return handle


def nothing_here(surfaces: Mapping[Surface, CallerDialect], paths: tuple[str, ...]) -> Handler:
    """Give the handler for every other path: a 404 that says what exists beside it, or else what there is at all."""

    async def handle(http: web.Request) -> web.StreamResponse:
        beside = [each for each in paths if each.partition(" ")[2].startswith(_FOR_CALLERS)]
        shown = beside if beside and http.path.startswith(_FOR_CALLERS) else paths
        words = f"there is no {http.method} {http.path[:100]} here; there is {', '.join(shown)}"
        dialect = surfaces[client_of(http.headers)]
        return refuse(dialect, Refusal(RefusalKind.NOT_FOUND, words), new_id(http.app[PARTS].clock.now()))

    return handle
