"""What models there are, told to OpenAI's and to Anthropic's clients in their own shapes. No model is asked.

Shapes: the API references of `GET /v1/models` and `GET /v1/models/{id}` of both.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from gateway.dialects.base import CallerDialect
from gateway.domain.caller import Caller
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import AUTO
from gateway.domain.snapshot import Snapshot
from gateway.domain.words import Surface
from gateway.runtime.exchange import LONGEST_NAME_SHOWN, usable
from gateway.web.answers import answer
from gateway.web.errors import Handler
from gateway.web.ids import new_id
from gateway.web.inference import enter, refuse
from gateway.web.keys import PARTS

_LIMIT = re.compile("[1-9][0-9]{0,5}")
OURS = "rulegate"
"""Who owns `auto`."""


@dataclass(frozen=True, slots=True)
class Told:
    """A model as callers are told of it: `owner` is its provider."""

    name: str
    owner: str


def client_of(headers: Mapping[str, str]) -> Surface:
    """Tell whose client asks, by the header that all of Anthropic's send."""
    return Surface.MESSAGES if "anthropic-version" in headers else Surface.CHAT


def models_handler(surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give the handler of `/v1/models`: the models that may answer whoever asks."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        active, at, client = parts.reloader.active, parts.clock.now(), client_of(http.headers)
        caller = enter(http, parts, active, at)
        if isinstance(caller, Refusal):
            return refuse(surfaces[client], caller, new_id(at))
        there = models_for(active.snapshot, caller, client)
        if client is Surface.MESSAGES:
            return answer(_anthropic_page(there, http.query, active.loaded_at))
        return answer({"object": "list", "data": [_openai(each, active.loaded_at) for each in there]})

    return handle


def model_handler(surfaces: Mapping[Surface, CallerDialect]) -> Handler:
    """Give the handler of `/v1/models/{id}`: one of them, by its name or by the provider's id that it alone has."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        active, at, client = parts.reloader.active, parts.clock.now(), client_of(http.headers)
        caller = enter(http, parts, active, at)
        if isinstance(caller, Refusal):
            return refuse(surfaces[client], caller, new_id(at))
        asked = http.match_info["id"]
        there = {each.name: each for each in models_for(active.snapshot, caller, client)}
        found = there.get(asked) or there.get(active.snapshot.by_upstream.get(asked, ""))
        if found is None:
            words = f"there is no model '{asked[:LONGEST_NAME_SHOWN]}'; there is {', '.join(sorted(there))}"
            return refuse(surfaces[client], Refusal(RefusalKind.MODEL_NOT_FOUND, words, "model"), new_id(at))
        shape = _anthropic if client is Surface.MESSAGES else _openai
        return answer(shape(found, active.loaded_at))

    return handle


def models_for(snapshot: Snapshot, caller: Caller, client: Surface) -> list[Told]:
    """Give `auto`, and the models of the registry that a caller may use and that its client can ask for something.

    That is all of them for OpenAI's clients, and what can answer a message for Anthropic's.
    """
    surfaces = (Surface.MESSAGES,) if client is Surface.MESSAGES else (Surface.CHAT, Surface.EMBEDDINGS)
    names = {name for surface in surfaces for name in usable(caller, snapshot, surface)}
    models = (model for model in snapshot.models.values() if model.name in names)
    return [Told(AUTO, OURS), *(Told(model.name, model.provider) for model in models)]


def _openai(model: Told, loaded_at: datetime) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": int(loaded_at.timestamp()), "owned_by": model.owner}


def _anthropic(model: Told, loaded_at: datetime) -> dict[str, object]:
    created = loaded_at.isoformat(timespec="seconds")
    return {"type": "model", "id": model.name, "display_name": model.name, "created_at": created}


def _anthropic_page(there: Sequence[Told], query: Mapping[str, str], loaded_at: datetime) -> dict[str, object]:
    """Give the page that is asked for by `limit`, `after_id` and `before_id`: all, where nothing is that makes sense.

    Before a model come those nearest to it.
    """
    places = {model.name: place for place, model in enumerate(there)}
    after, before = (places.get(query.get(name, "")) for name in ("after_id", "before_id"))
    within = there[0 if after is None else after + 1 : before]
    limit = _LIMIT.fullmatch(query.get("limit", ""))
    most = int(limit[0]) if limit else len(within)
    page = within[:most] if before is None else within[-most:]
    return {
        "data": [_anthropic(model, loaded_at) for model in page],
        "has_more": len(page) < len(within),
        "first_id": page[0].name if page else None,
        "last_id": page[-1].name if page else None,
    }
