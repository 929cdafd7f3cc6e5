"""The inference surfaces: one request from its bytes to the answer's bytes."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import assert_never

from aiohttp import web
from multidict import CIMultiDict

from gateway.dialects.base import Blame, CallerDialect
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.words import Outcome, Surface
from gateway.runtime import bugs
from gateway.runtime.exchange import Arrived, Exchange, Unrouted, begin
from gateway.runtime.executor import Answered, Exhausted
from gateway.runtime.recorder import Refused
from gateway.runtime.streamer import Stream
from gateway.web.errors import BROKEN, Handler
from gateway.web.ids import new_id
from gateway.web.keys import PARTS, Parts

FAILED = Refusal(RefusalKind.INTERNAL, BROKEN)
_NEVER_KEPT = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})
_JSON = "application/json"


def surface_handler(surface: Surface, dialect: CallerDialect) -> Handler:
    """Give the handler of one surface."""

    async def handle(http: web.Request) -> web.StreamResponse:
        parts = http.app[PARTS]
        at = parts.clock.now()
        arrived = Arrived(new_id(at), at, parts.clock.monotonic(), parts.reloader.active)
        parts.meters.began()
        ended: Exchange | Refused = Refused(arrived, surface, Outcome.CANCELLED)
        try:
            read = await read_request(http, dialect, arrived.active.snapshot.defaults.max_body_bytes)
            if isinstance(read, Refusal):
                ended = Refused(arrived, surface, Outcome.REFUSED)
                return await send(http, refuse(dialect, read, arrived.id))
            started_s = parts.clock.monotonic()  # the upload is neither the gateway's time nor the deadline's
            began = begin(arrived, started_s, read, dialect, parts.board.state)
            if isinstance(began, Unrouted):
                ended = Refused(arrived, surface, Outcome.REFUSED, began)
                return await send(http, refuse(dialect, began.refusal, arrived.id))
            ended = began
            return await send(http, await _answer(http, parts, began))
        except Exception as error:  # noqa: BLE001 - the edge: a bug is answered like an error
            bugs.say(f"request {arrived.id}", error)
            if isinstance(ended, Refused):
                ended = replace(ended, outcome=Outcome.FAILED)
            elif ended.begun and http.transport is not None:
                http.transport.abort()  # a part of the answer is out: it must not look as if it were whole
            return refuse(dialect, FAILED, arrived.id)
        finally:
            parts.recorder.ended(ended)

    return handle


async def send(http: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send a response now, so that the caller does not wait for the request to be noted."""
    if not response.prepared:
        try:
            await response.prepare(http)
            await response.write_eof()
        except ConnectionError:
            pass  # the caller left: nobody reads this
    return response


async def read_request(http: web.Request, dialect: CallerDialect, limit_bytes: int) -> Request | Refusal:
    """Read the body, within its limit, and what it asks for."""
    body = await read_body(http, limit_bytes)
    if isinstance(body, Refusal):
        return body
    return dialect.read_request(body, kept_headers(http.headers))


async def read_body(http: web.Request, limit_bytes: int) -> bytes | Refusal:
    """Read a body of at most `limit_bytes`; a larger one is refused, at once where it says its length.

    A compressed body is measured as it unfolds, for its length says nothing.
    """
    length = http.content_length
    if length is not None and "Content-Encoding" not in http.headers:
        return _too_large(limit_bytes) if length > limit_bytes else await http.read()
    body = bytearray()
    try:
        while piece := await http.content.readany():
            body += piece
            if len(body) > limit_bytes:
                return _too_large(limit_bytes)
    except web.RequestPayloadError:
        words = f"the request body is not {http.headers.get('Content-Encoding', 'whole')[:20]}: send it as it is"
        return Refusal(RefusalKind.INVALID_REQUEST, words)
    return bytes(body)


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(RefusalKind.TOO_LARGE, f"the request body is larger than {limit_bytes} bytes")


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers by lower-case name, without credentials and cookies: those are for nobody behind this door."""
    return {name: value for key, value in headers.items() if (name := key.lower()) not in _NEVER_KEPT}


async def _answer(http: web.Request, parts: Parts, exchange: Exchange) -> web.StreamResponse:
    result = await parts.executor.run(exchange)
    match result:
        case Answered():
            return web.Response(body=result.body, headers=_headers(parts, exchange, _JSON))
        case Stream():
            return await _stream(http, parts, exchange, result)
        case Exhausted():
            return _exhausted(parts, exchange, result)
        case _:
            assert_never(result)


async def _stream(http: web.Request, parts: Parts, exchange: Exchange, stream: Stream) -> web.StreamResponse:
    left = False
    try:
        headers = _headers(parts, exchange, "text/event-stream; charset=utf-8")
        headers["Cache-Control"] = "no-cache"
        headers["X-Accel-Buffering"] = "no"
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        exchange.begun = True
        while piece := await stream.next():
            await response.write(piece)
        await response.write_eof()
    except ConnectionError:
        left = True
        return web.Response(status=499)  # the caller left: nobody reads this
    except asyncio.CancelledError:
        left = True
        raise
    else:
        return response
    finally:
        stream.close(caller_left=left)


def _exhausted(parts: Parts, exchange: Exchange, exhausted: Exhausted) -> web.Response:
    headers = _headers(parts, exchange, _JSON)
    error, blame = exhausted.error, exchange.blame(exhausted.blame)
    if isinstance(error, Refusal):
        body = exchange.caller.refusal(error, blame, exchange.id)
    else:
        body = exchange.caller.failure(exhausted.status, error, blame, exchange.id)
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, ceil(error.retry_after_s)))
    return web.Response(status=exhausted.status, body=body, headers=headers)


def _headers(parts: Parts, exchange: Exchange, content_type: str) -> CIMultiDict[str]:
    """Give the headers that name what happened; the row says the same."""
    decision, model = exchange.decision, exchange.model
    overhead_s = max(0.0, parts.clock.monotonic() - exchange.started_s - exchange.waited_s)
    attempts = len(exchange.attempts) + (exchange.outcome is None)
    headers = CIMultiDict(
        {
            "Content-Type": content_type,
            "x-rulegate-request-id": exchange.id,
            "x-rulegate-rule": decision.rule,
            "x-rulegate-category": decision.category,
            "x-rulegate-attempts": str(attempts),
            "x-rulegate-generation": exchange.active.snapshot.label,
            "x-rulegate-overhead-ms": f"{overhead_s * 1000:.2f}",
        }
    )
    if model is not None:
        headers["x-rulegate-model"] = model.name
        headers["x-rulegate-provider"] = model.provider
    if exchange.usage is not None:
        headers["x-rulegate-cost-usd"] = f"{exchange.cost_nano_usd / 1e9:.9f}"
    return headers


def refuse(dialect: CallerDialect, refusal: Refusal, request_id: str) -> web.Response:
    """Answer with a refusal of the gateway's own."""
    body = dialect.refusal(refusal, Blame("gateway", ()), request_id)
    return web.Response(
        status=refusal.status,
        body=body,
        headers={"Content-Type": _JSON, "x-rulegate-request-id": request_id},
    )
