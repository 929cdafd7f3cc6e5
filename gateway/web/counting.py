"""The surface that counts tokens: it wants a key and counts for the limits on requests, and costs nobody anything."""

import asyncio
from typing import assert_never

from aiohttp import web

from gateway.dialects.base import CallerDialect
from gateway.dialects.messages.counting import written
from gateway.domain.refusal import Refusal
from gateway.domain.words import CountResult
from gateway.runtime.counting import Counted, Estimated
from gateway.runtime.drain import CutShortError
from gateway.runtime.exchange import Arrived, Exchange, Unrouted
from gateway.runtime.executor import Exhausted
from gateway.runtime.limits import Turned
from gateway.runtime.load import Held
from gateway.web.errors import Handler, edge
from gateway.web.ids import new_id
from gateway.web.inference import (
    JSON,
    NOT_AWAITED,
    STOPPING,
    enter,
    excess_of,
    exhausted_response,
    headers_of,
    naming,
    read_request,
    refuse,
    send,
    turned_response,
)
from gateway.web.keys import PARTS, Parts

ESTIMATED = "x-rulegate-estimated"
"""The header that marks a count of ours."""
Ended = tuple[CountResult, str, web.Response]
"""How a count ended, the registry name of the model that it is for, and what the caller gets."""


def count_handler(dialect: CallerDialect) -> Handler:
    """Give the handler of `/v1/messages/count_tokens`; each request is noted once, by how it ended."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        at = parts.clock.now()
        arrived = Arrived(new_id(at), at, parts.clock.monotonic(), parts.reloader.active)
        parts.drain.came()
        result, model = CountResult.FAILED, ""
        try:
            with parts.drain.stay(), parts.load.held() as held:
                result, model, response = await _ended(http, parts, arrived, dialect, held)
            return await send(http, parts, response)
        except CutShortError:
            result = CountResult.REFUSED
            return await send(http, parts, refuse(dialect, NOT_AWAITED, arrived.id))
        except asyncio.CancelledError:
            result = CountResult.CANCELLED
            raise
        finally:
            parts.counter.ended(model, result)
            parts.drain.went()

    return edge(handle)


async def _ended(http: web.BaseRequest, parts: Parts, arrived: Arrived, dialect: CallerDialect, held: Held) -> Ended:
    if parts.drain.draining:
        return _refused(dialect, STOPPING, arrived)
    if excess := excess_of(http, parts, arrived.active):
        return _refused(dialect, excess, arrived)
    caller = enter(http, parts, arrived.active, arrived.at)
    if isinstance(caller, Refusal):
        return _refused(dialect, caller, arrived)
    read = await read_request(http, parts, dialect, arrived.active.snapshot.defaults, held, caller)
    if isinstance(read, Refusal):
        return _refused(dialect, read, arrived)
    began = parts.decider.begin(arrived, parts.clock.monotonic(), read, dialect)
    if isinstance(began, Unrouted):
        response = refuse(dialect, began.refusal, arrived.id, naming(read.dropped))
        return CountResult.REFUSED, "", response
    admitted = parts.limits.admit(began, free=True)
    if isinstance(admitted, Turned):
        return CountResult.REFUSED, "", turned_response(parts, began, admitted)
    try:
        return await _counted(parts, began)
    finally:
        admitted.ended()


async def _counted(parts: Parts, exchange: Exchange) -> Ended:
    outcome = await parts.counter.run(exchange)
    model = exchange.decision.model
    match outcome:
        case Counted():
            response = web.Response(body=outcome.body, headers=headers_of(parts, exchange, JSON))
            return CountResult.COUNTED, exchange.attempts[-1].model, response
        case Estimated():
            headers = headers_of(parts, exchange, JSON)
            headers[ESTIMATED] = "true"
            return CountResult.ESTIMATED, model, web.Response(body=written(outcome.tokens), headers=headers)
        case Exhausted():
            result = CountResult.FAILED if exchange.attempts else CountResult.REFUSED
            return result, model, exhausted_response(parts, exchange, outcome)
        case _:
            assert_never(outcome)


def _refused(dialect: CallerDialect, refusal: Refusal, arrived: Arrived) -> Ended:
    return CountResult.REFUSED, "", refuse(dialect, refusal, arrived.id)
