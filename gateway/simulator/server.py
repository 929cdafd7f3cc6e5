"""The simulated providers over HTTP: reads a request, asks for a plan and carries it out.

One server stands in for any number of providers: `/v1/...` and `/{provider}/v1/...` are the same. Control endpoints
(`/faults`, `/requests`) script it and tell what it saw. Loopback only; it checks no key and keeps none.
"""

import asyncio
import hashlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

from aiohttp import web

from gateway.simulator import anthropic, counting, embeddings, openai, responses
from gateway.simulator.control import fault_as_document, read_fault
from gateway.simulator.faults import Faults, Script
from gateway.simulator.journal import TOLD_HEADERS, Entry, Journal
from gateway.simulator.plan import Ending, Head, Plan, plan, plan_whole, planned
from gateway.simulator.wire import Reply, Whole, Wire
from gateway.simulator.world import Latency, Question, latency_for

LARGEST_BODY_BYTES = 64 * 1024 * 1024

REPEATED_EVERY_S = 0.01
HEAD_WITHOUT_END = b"HTTP/1.1 200 OK\r\nx-slow: "
_TOLD_BODY_BYTES = 64 * 1024
_LARGE_BODY_BYTES = 1024 * 1024
_SHUTDOWN_S = 0.05
_USUAL_MODELS = frozenset({"claude-haiku-4-5", "claude-sonnet-4-5", "gpt-4o-mini", "gpt-5"})

Planner = Callable[[Question, Script | None, Latency, float], Plan]
"""Decides what happens to a question of one endpoint."""


class Simulator:
    """The handlers of one simulated world; delays are multiplied by `speed`."""

    def __init__(self, faults: Faults, speed: float, latencies: Mapping[str, Latency]) -> None:
        self._faults = faults
        self._speed = speed
        self._latencies = dict(latencies)
        self._journal = Journal()

    def routes(self) -> list[web.RouteDef]:
        """List what is served."""
        inference = [
            route
            for prefix in ("", "/{provider}")
            for route in (
                web.post(f"{prefix}/v1/chat/completions", self._handler(openai, partial(plan, openai))),
                web.post(f"{prefix}/v1/responses", self._handler(responses, partial(plan, responses))),
                web.post(f"{prefix}/v1/messages", self._handler(anthropic, partial(plan, anthropic))),
                web.post(f"{prefix}/v1/embeddings", self._handler(embeddings, partial(plan_whole, embeddings))),
                web.post(f"{prefix}/v1/messages/count_tokens", self._handler(counting, partial(plan_whole, counting))),
                web.get(f"{prefix}/v1/models", self._list_models),
            )
        ]
        return [
            *inference,
            web.post("/faults", self._put_fault),
            web.get("/faults", self._list_faults),
            web.delete("/faults", self._clear_faults),
            web.delete("/faults/{model:.+}", self._clear_faults),
            web.get("/requests", self._list_requests),
            web.delete("/requests", self._clear_requests),
        ]

    def _handler(self, wire: Whole, decide: Planner) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._infer(request, wire, decide)

        return handle

    async def _infer(self, request: web.Request, wire: Whole, decide: Planner) -> web.StreamResponse:
        body = await request.read()
        header_names = tuple(name.lower() for name in request.headers)
        names = frozenset(header_names)
        large = len(body) > _LARGE_BODY_BYTES
        document, asked = await asyncio.to_thread(_read, wire, body, names) if large else _read(wire, body, names)
        provider = request.match_info.get("provider")
        fault: str | None = None
        if isinstance(asked, Question):
            script = self._faults.take(provider, asked.model)
            fault = None if script is None else script.fault
            decided = decide(asked, script, latency_for(asked.model, self._latencies), self._speed)
        else:
            decided = planned(asked)
        model, stream = _facts(asked, document)
        entry = Entry(
            provider=provider,
            model=model,
            dialect=wire.NAME,
            stream=stream,
            header_names=header_names,
            headers={name.lower(): value for name, value in request.headers.items() if name.lower() in TOLD_HEADERS},
            body_sha256=hashlib.sha256(body).hexdigest(),
            body_bytes=len(body),
            body=document if len(body) <= _TOLD_BODY_BYTES else None,
            fault=fault,
            status=None if decided.head is None else decided.head.status,
        )
        serial = self._journal.begin(entry)
        try:
            return await self._carry_out(request, decided, serial)
        except ConnectionError:
            return web.Response()  # the client went while it was told something: nobody reads this
        finally:
            # Whoever leaves without having said how it ended was left by the client.
            self._journal.end(serial, None)

    async def _carry_out(self, request: web.Request, decided: Plan, serial: int) -> web.StreamResponse:
        await _wait(decided.wait_s)
        response = _response(decided.head)
        if decided.head is not None:
            await response.prepare(request)
        for portion in decided.portions:
            await _wait(portion.wait_s)
            await response.write(portion.data)
        match decided.ending:
            case Ending.COMPLETE:
                await response.write_eof()
                self._journal.end(serial, Ending.COMPLETE)
            case Ending.HELD:
                await asyncio.Event().wait()
            case Ending.REPEATED:
                await _repeat(request, response if decided.head else None, decided.again)
            case Ending.HALF_CLOSED:
                self._journal.end(serial, Ending.HALF_CLOSED)
                if request.transport is not None:
                    request.transport.write_eof()
                await asyncio.Event().wait()
            case Ending.CUT | Ending.RESET as ending:
                self._journal.end(serial, ending)
                _hang_up(request, reset=ending is Ending.RESET)
        return response

    async def _list_models(self, request: web.Request) -> web.Response:
        names = sorted(_USUAL_MODELS | self._journal.models | set(self._latencies))
        wire: Wire = anthropic if "anthropic-version" in request.headers else openai
        reply = wire.models(names)
        return web.Response(status=reply.status, headers=list(reply.headers), body=reply.body)

    async def _put_fault(self, request: web.Request) -> web.Response:
        read = read_fault(await request.read())
        if isinstance(read, str):
            return web.json_response({"error": read}, status=400)
        self._faults.put(read.model, read.script)
        return await self._list_faults(request)

    async def _list_faults(self, _request: web.Request) -> web.Response:
        listed = [fault_as_document(model, script) for model, script in self._faults.scripts.items()]
        return web.json_response({"faults": listed})

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear(request.match_info.get("model"))
        return await self._list_faults(request)

    async def _list_requests(self, request: web.Request) -> web.Response:
        try:
            settle_s = float(request.query.get("settle", "0"))
        except ValueError:
            return web.json_response({"error": "settle is a number of seconds"}, status=400)
        if settle_s > 0:
            await self._journal.settle(settle_s)
        return web.json_response(self._journal.as_document())

    async def _clear_requests(self, request: web.Request) -> web.Response:
        self._journal.clear()
        return await self._list_requests(request)


def build_app(
    faults: Faults, *, speed: float = 1.0, latencies: Mapping[str, Latency] = MappingProxyType({})
) -> web.Application:
    """Build the simulated providers; every delay is multiplied by `speed`: 1 is life-like, 0 is no delay at all.

    `latencies` is by upstream model, instead of the guess by name. Run it with `start`, which lets a handler know at
    once that its client has gone.
    """
    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    app.add_routes(Simulator(faults, speed, latencies).routes())
    return app


async def start(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> tuple[web.AppRunner, int]:
    """Serve the app and give its runner, which the caller owns and cleans up, and the real port."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])


def _read(wire: Whole, body: bytes, header_names: frozenset[str]) -> tuple[object, Question | Reply]:
    """Give the JSON of a body, or None, and what it asks or what is wrong with it."""
    try:
        document: object = json.loads(body)
        if isinstance(document, dict):
            return document, wire.read(document, header_names)
    except (ValueError, RecursionError):
        return None, wire.unreadable()
    return document, wire.unreadable()


def _facts(asked: Question | Reply, document: object) -> tuple[str, bool]:
    """Give the model and whether a stream was asked for, also of a request that was refused."""
    match asked, document:
        case Question() as question, _:
            return question.model, question.stream
        case _, {"model": str() as model}:
            return model, False
        case _:
            return "", False


def _response(head: Head | None) -> web.StreamResponse:
    if head is None:
        return web.Response()
    response = web.StreamResponse(status=head.status, headers=list(head.headers))
    response.content_length = head.length
    return response


def _hang_up(request: web.Request, *, reset: bool) -> None:
    """Close the connection after what was written, or reset it (RFC 9293, 3.5.2) and drop what was not sent."""
    transport = request.transport
    if transport is None:
        return
    if not reset:
        transport.close()
        return
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _repeat(request: web.Request, response: web.StreamResponse | None, data: bytes) -> None:
    """Say the same until the client goes: in the body of a response, or else in the head of one."""
    if request.transport is not None and response is None:
        request.transport.write(HEAD_WITHOUT_END)
    while request.transport is not None:
        if response is None:
            request.transport.write(data)
        else:
            await response.write(data)
        await asyncio.sleep(REPEATED_EVERY_S)


async def _wait(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
