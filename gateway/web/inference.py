"""The inference surfaces: one request from its bytes to the answer's bytes."""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import assert_never

from aiohttp import web
from msgspec.structs import replace

from gateway.dialects.base import Blame, CallerDialect
from gateway.domain.caller import NOBODY, Caller
from gateway.domain.load import Shed
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import CREDENTIALS, Request
from gateway.domain.snapshot import Defaults
from gateway.domain.words import Outcome, Surface
from gateway.runtime import bugs
from gateway.runtime.drain import CutShortError
from gateway.runtime.exchange import Active, Arrived, Exchange, Unrouted
from gateway.runtime.executor import Exhausted
from gateway.runtime.limits import Turned
from gateway.runtime.load import Held
from gateway.runtime.recorder import Refused
from gateway.runtime.streamer import Stream
from gateway.runtime.whole import Answered
from gateway.web.answers import answered
from gateway.web.connections import SlowBodyError, is_spare
from gateway.web.errors import BROKEN
from gateway.web.ids import new_id
from gateway.web.keys import Parts
from gateway.web.streaming import Outflow, is_patient
from gateway.web.turns import Handler
from gateway.web.unfolding import FOLDED, NotFoldedError, Unfolding

FAILED = Refusal(RefusalKind.INTERNAL, BROKEN)
STOPPING = Refusal(RefusalKind.STOPPING, "the gateway is stopping, and takes no new requests: send it again")
NOT_AWAITED = Refusal(RefusalKind.STOPPING, "the gateway is stopping, and cannot wait for this answer: send it again")
COME_BACK_S = "2"
"""What callers are told to wait whom a gateway that stops turns away: the next one may be there already."""
JSON = "application/json"
NO_MORE: Mapping[str, str] = {}


def surface_handler(surface: Surface, dialect: CallerDialect, parts: Parts) -> Handler:
    """Give the handler of one surface."""

    async def handle(http: web.BaseRequest) -> web.StreamResponse:
        at = parts.clock.now()
        arrived = Arrived(new_id(at), at, parts.clock.monotonic(), parts.reloader.active)
        parts.meters.began()
        parts.drain.came()
        held = parts.load.held()
        ended: Exchange | Refused = Refused(arrived, surface, Outcome.CANCELLED)
        try:
            if parts.drain.draining:
                ended = Refused(arrived, surface, Outcome.REFUSED)
                return await send(http, parts, refuse(dialect, STOPPING, arrived.id))
            if excess := excess_of(http, parts, arrived.active):
                ended = Refused(arrived, surface, Outcome.REFUSED)
                return await send(http, parts, refuse(dialect, excess, arrived.id))
            caller = enter(http, parts, arrived.active, at)
            if isinstance(caller, Refusal):
                ended = Refused(arrived, surface, Outcome.REFUSED)
                return await send(http, parts, refuse(dialect, caller, arrived.id))
            ended = Refused(arrived, surface, Outcome.CANCELLED, caller=caller)
            read = await read_request(http, parts, dialect, arrived.active.snapshot.defaults, held, caller)
            if isinstance(read, Refusal):
                ended = Refused(arrived, surface, Outcome.REFUSED, caller=caller)
                return await send(http, parts, refuse(dialect, read, arrived.id))
            started_s = parts.clock.monotonic()  # the upload is neither the gateway's time nor the deadline's
            began = await parts.decider.begin_together(arrived, started_s, read, dialect)
            if isinstance(began, Unrouted):
                ended = Refused(arrived, surface, Outcome.REFUSED, began, caller)
                return await send(http, parts, refuse(dialect, began.refusal, arrived.id, naming(read.dropped)))
            ended = began
            return await send(http, parts, await _admitted(http, parts, began))
        except CutShortError:
            if isinstance(ended, Refused):
                ended = replace(ended, outcome=Outcome.REFUSED)
            return await send(http, parts, refuse(dialect, NOT_AWAITED, arrived.id))
        except Exception as error:  # noqa: BLE001 - the edge: a bug is answered like an error
            bugs.say(f"request {arrived.id}", error)
            if isinstance(ended, Refused):
                ended = replace(ended, outcome=Outcome.FAILED)
            elif ended.begun and http.transport is not None:
                http.transport.abort()  # a part of the answer is out: it must not look as if it were whole
            return refuse(dialect, FAILED, arrived.id)
        finally:
            held.let_go()
            parts.recorder.ended(ended)
            parts.drain.went()

    return handle


def excess_of(http: web.BaseRequest, parts: Parts, active: Active) -> Refusal | None:
    """Say why a request is more than the gateway takes on now, None where it is not."""
    if is_spare(http):
        return parts.load.shed(Shed.CONNECTIONS)
    return parts.load.excess(parts.drain.in_flight, active.snapshot.defaults.capacity)


def enter(http: web.BaseRequest, parts: Parts, active: Active, at: datetime) -> Caller | Refusal:
    """Say who asks, or why they may not."""
    return parts.door.enter(http.headers, active.snapshot.callers, at)


async def send(http: web.BaseRequest, parts: Parts, response: web.StreamResponse) -> web.StreamResponse:
    """Send a response now, so that the caller does not wait for the request to be noted.

    A gateway that stops closes the connection behind it, so that the caller's next request goes elsewhere.
    """
    if not response.prepared:
        if is_spare(http):
            response.force_close()
        if parts.drain.draining:
            response.force_close()
            if response.status == 503:
                response.headers.setdefault("Retry-After", COME_BACK_S)
        try:
            await response.prepare(http)
            await response.write_eof()
        except ConnectionError:
            pass  # the caller left: nobody reads this
    return response


async def read_request(
    http: web.BaseRequest, parts: Parts, dialect: CallerDialect, defaults: Defaults, held: Held, caller: Caller
) -> Request | Refusal:
    """Read the body, within its limits, and what the caller asks for with it."""
    body = await read_body(http, parts, defaults, held)
    if isinstance(body, Refusal):
        return body
    request = dialect.read_request(body, kept_headers(http.headers))
    return request if isinstance(request, Refusal) or caller is NOBODY else request.asked_by(caller)


async def read_body(http: web.BaseRequest, parts: Parts, defaults: Defaults, held: Held) -> bytes | Refusal:
    """Read a body of at most `max_body`; a larger one is refused, at once where it says its length.

    A compressed body is measured as it unfolds, for its length says nothing. What is in memory is `held`; a body that
    there is no room for, beside all others, is refused as well, and so is one that does not come.
    """
    encoding = http.headers.get("Content-Encoding", "").strip().lower()
    length = http.content_length if encoding not in FOLDED else None
    if length is not None and length > defaults.max_body_bytes:
        return _too_large(defaults.max_body_bytes)
    try:
        if length is not None and http.content.is_eof():  # it came with its head
            body = http.content.read_nowait()
            return body if held.keeps(length, defaults.capacity) else parts.load.shed(Shed.BODIES)
        folded = Unfolding(encoding) if encoding in FOLDED else None
        with parts.drain.stay(http.task):
            return await _read_piecewise(http, parts, folded, defaults, held)
    except NotFoldedError:
        return Refusal(RefusalKind.INVALID_REQUEST, f"the request body is not {encoding}: send it as it is")
    except web.RequestPayloadError:
        return Refusal(RefusalKind.INVALID_REQUEST, "the request body is not whole: send it again")
    except SlowBodyError:
        return Refusal(RefusalKind.TOO_SLOW, "the request body did not come in time: send it again")


async def _read_piecewise(
    http: web.BaseRequest, parts: Parts, folded: Unfolding | None, defaults: Defaults, held: Held
) -> bytes | Refusal:
    limit_bytes, body = defaults.max_body_bytes, bytearray()
    while piece := await http.content.readany():
        body += folded.feed(piece, limit_bytes - len(body)) if folded else piece
        if len(body) > limit_bytes:
            return _too_large(limit_bytes)
        if not held.keeps(len(body), defaults.capacity):
            return parts.load.shed(Shed.BODIES)
    if folded:
        folded.end()
    return bytes(body)


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(RefusalKind.TOO_LARGE, f"the request body is larger than {limit_bytes} bytes")


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers by lower-case name, without credentials and cookies: those are for nobody behind this door."""
    return {name: value for key, value in headers.items() if (name := key.lower()) not in CREDENTIALS}


async def _admitted(http: web.BaseRequest, parts: Parts, exchange: Exchange) -> web.StreamResponse:
    """Answer within the caller's limits, and note what that used, whatever way it ends.

    A whole answer is sent after that: whoever has read it may ask again at once.
    """
    admitted = parts.limits.admit(exchange)
    if isinstance(admitted, Turned):
        return turned_response(parts, exchange, admitted)
    try:
        return await _answer(http, parts, exchange)
    finally:
        exchange.leave()
        admitted.ended()


async def _answer(http: web.BaseRequest, parts: Parts, exchange: Exchange) -> web.StreamResponse:
    outflow = Outflow(http, parts, exchange, headers_of)
    result: Answered | Stream | Exhausted | None
    try:
        if is_patient(exchange):
            result = await outflow.run()
        else:
            with parts.drain.stay(http.task):
                result = await parts.executor.run(exchange)
    except CutShortError:
        exchange.outcome = Outcome.FAILED
        result = Exhausted(NOT_AWAITED.status, NOT_AWAITED, "gateway")
    match result:
        case Answered():
            return answered(http, result.body, headers_of(parts, exchange, JSON))
        case Stream():
            return await outflow.relay(result)
        case Exhausted() if outflow.begun:
            return await outflow.fail(result)
        case Exhausted():
            return exhausted_response(parts, exchange, result)
        case None:
            return web.Response(status=499)  # the caller left: nobody reads this
        case _:
            assert_never(result)


def turned_response(parts: Parts, exchange: Exchange, turned: Turned) -> web.Response:
    """Answer a request that is beyond its caller's limits."""
    exchange.outcome = Outcome.REFUSED
    headers = headers_of(parts, exchange, JSON)
    if turned.retry_after_s is not None:
        headers["Retry-After"] = str(turned.retry_after_s)
    if turned.final:
        headers["x-should-retry"] = "false"  # both official SDKs obey it
    body = exchange.caller.refusal(turned.refusal, exchange.blame("gateway"), exchange.id)
    return web.Response(status=turned.refusal.status, body=body, headers=headers)


def exhausted_response(parts: Parts, exchange: Exchange, exhausted: Exhausted) -> web.Response:
    """Answer a request that no step answered."""
    headers = headers_of(parts, exchange, JSON)
    error, blame = exhausted.error, exchange.blame(exhausted.blame)
    if isinstance(error, Refusal):
        body = exchange.caller.refusal(error, blame, exchange.id)
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(error.retry_after_s)
    else:
        body = exchange.caller.failure(exhausted.status, error, blame, exchange.id)
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, ceil(error.retry_after_s)))
    return web.Response(status=exhausted.status, body=body, headers=headers)


def headers_of(parts: Parts, exchange: Exchange, content_type: str) -> dict[str, str]:
    """Give the headers that name what happened; the row says the same.

    Of an answer that begins before any model gave one, they say what was decided.
    """
    decision, model = exchange.decision, exchange.model
    headers = {
        "Content-Type": content_type,
        "x-rulegate-request-id": exchange.id,
        exchange.caller.id_header: exchange.id,
        "x-rulegate-rule": decision.rule,
        "x-rulegate-category": decision.category,
        "x-rulegate-generation": exchange.active.snapshot.label,
    }
    if standings := parts.limits.standings(exchange.request.caller):
        headers.update(exchange.caller.limit_headers(standings, parts.clock.now()))
    if model is None and exchange.outcome is None:
        return headers
    overhead_s = max(0.0, parts.clock.monotonic() - exchange.started_s - exchange.waited_s)
    headers["x-rulegate-overhead-ms"] = f"{overhead_s * 1000:.2f}"
    headers["x-rulegate-attempts"] = str(len(exchange.attempts) + (exchange.outcome is None))
    if model is not None:
        headers["x-rulegate-model"] = model.name
        headers["x-rulegate-provider"] = model.provider
    if exchange.usage is not None:
        headers["x-rulegate-cost-usd"] = f"{exchange.cost_nano_usd / 1e9:.9f}"
    if exchange.upstream_id:
        headers["x-rulegate-upstream-request-id"] = exchange.upstream_id
    if dropped := exchange.dropped:
        headers.update(naming(dropped))
    return headers


def naming(dropped: tuple[str, ...]) -> dict[str, str]:
    """Give the header that names what a model did not get of a request."""
    return {"x-rulegate-dropped-params": ", ".join(dropped)} if dropped else {}


def refuse(
    dialect: CallerDialect, refusal: Refusal, request_id: str, more: Mapping[str, str] = NO_MORE
) -> web.Response:
    """Answer with a refusal of the gateway's own."""
    body = dialect.refusal(refusal, Blame("gateway", ()), request_id)
    headers = {"Content-Type": JSON, "x-rulegate-request-id": request_id, dialect.id_header: request_id, **more}
    if refusal.kind is RefusalKind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, section 11.6.1
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    response = web.Response(status=refusal.status_where(dialect.overloaded), body=body, headers=headers)
    if refusal.kind is RefusalKind.TOO_SLOW:
        response.force_close()  # the rest of the body, if it ever comes, is not the next request
    return response
