"""Makes of a request what a step's provider is asked: in its own words, or in those of its dialect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.dialects.base import Endpoint, ProviderDialect
from gateway.domain.attempt import Attempt
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Step
from gateway.domain.upstream import Call
from gateway.domain.words import Dialect, Surface
from gateway.engine.budgets import UNKNOWN_MAX_OUTPUT_TOKENS
from gateway.engine.capable import strict_refusal
from gateway.engine.fitness import unfit
from gateway.runtime.exchange import Exchange

NATIVE = {
    Surface.CHAT: Dialect.OPENAI,
    Surface.MESSAGES: Dialect.ANTHROPIC,
    Surface.EMBEDDINGS: Dialect.OPENAI,
}
"""Surfaces whose bodies every provider of that dialect takes as they are; of responses a model says so."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """How providers are spoken to: in the dialect of their kind, but for surfaces with an endpoint of their own.

    That one takes only what it can pass on as it is, and is made for each request.
    """

    dialects: Mapping[Dialect, ProviderDialect]
    apart: Mapping[Surface, Callable[[Request], Endpoint]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a provider is asked, and how its replies are read."""

    call: Call
    endpoint: Endpoint


def endpoint_of(exchange: Exchange, spoken: Spoken, model: Model) -> Endpoint:
    """Give how a model is spoken to for this request."""
    kind = exchange.active.snapshot.providers[model.provider].kind
    own = spoken.apart.get(exchange.request.surface) if native(exchange, model) else None
    return spoken.dialects[kind] if own is None else own(exchange.request)


def asked(exchange: Exchange, spoken: Spoken, position: int, step: Step) -> Asked | Refusal:
    """Write the call of one step, or say why it cannot carry the request; what got lost is noted in the exchange."""
    model, provider, target = exchange.upstream_of(step)
    endpoint = endpoint_of(exchange, spoken, model)
    if native(exchange, model):
        body = _passed_on(exchange, endpoint, model, step)
    else:
        body = _translated(exchange, spoken.dialects[provider.kind], model, step)
    if exchange.decision.chain.strict and exchange.dropped and not isinstance(body, Refusal):
        body = strict_refusal(step.model, exchange.dropped)
    if isinstance(body, Refusal):
        return body
    body = _mended(exchange, endpoint, position, body)
    headers = endpoint.headers(target.secret, exchange.request)
    return Asked(
        Call(provider.name, target.base_url + endpoint.path, headers, body, step.timeouts, target.way), endpoint
    )


def native(exchange: Exchange, model: Model) -> bool:
    """Say whether a model takes the body as it is."""
    surface = exchange.request.surface
    if surface is Surface.RESPONSES:
        return model.responses
    return NATIVE.get(surface) is exchange.active.snapshot.providers[model.provider].kind


def _unfit(exchange: Exchange, model: Model) -> Refusal | None:
    kind, surface = exchange.active.snapshot.providers[model.provider].kind, exchange.request.surface
    words = unfit(model, kind, surface)
    return Refusal(RefusalKind.INVALID_REQUEST, words, "model") if words else None


def _most(model: Model) -> int:
    return model.max_output_tokens or UNKNOWN_MAX_OUTPUT_TOKENS


def _passed_on(exchange: Exchange, endpoint: Endpoint, model: Model, step: Step) -> bytes | Refusal:
    exchange.lost, exchange.defaulted = (), None
    if refusal := _unfit(exchange, model):
        return refusal
    passed = endpoint.pass_on(exchange.request, model, step.params, _most(model))
    exchange.lost, exchange.defaulted = passed.lost, passed.defaulted
    return passed.body


def _translated(exchange: Exchange, dialect: ProviderDialect, model: Model, step: Step) -> bytes | Refusal:
    exchange.lost, exchange.defaulted = (), None
    if refusal := _unfit(exchange, model):
        return refusal
    chat = exchange.caller.chat(exchange.request.fields)
    if isinstance(chat, Refusal):
        return chat
    written = dialect.write_request(chat, model, step.params, _most(model))
    if isinstance(written, Refusal):
        return written
    exchange.lost = tuple(sorted({exchange.caller.names.get(name, name) for name in written.lost}))
    exchange.defaulted = written.defaulted
    return written.body


def _mended(exchange: Exchange, endpoint: Endpoint, position: int, body: bytes) -> bytes:
    """Leave out of a request what the provider turned down when this step was asked before."""
    last = exchange.history[-1] if exchange.history else None
    if not isinstance(last, Attempt) or last.position != position or not last.again or last.error is None:
        return body
    mended = endpoint.mended(body, last.error)
    if mended is None:
        return body
    exchange.lost = tuple(sorted({*exchange.lost, *(exchange.caller.names.get(name, name) for name in mended.lost)}))
    return mended.body
