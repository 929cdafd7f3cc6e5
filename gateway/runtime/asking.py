"""Makes of a request what a step's provider is asked: in its own words, or in those of its dialect."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from msgspec import Struct, structs

from gateway.dialects.base import Endpoint, Outgoing, ProviderDialect
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


class Asked(Struct, frozen=True, gc=False):
    """What a provider is asked, and how its replies are read: what it says is in the caller's own dialect if `native`.

    `lost` names what of the request could not be carried over, and `defaulted` is the limit on the output that it was
    given because nobody gave one.
    """

    call: Call
    endpoint: Endpoint
    native: bool
    lost: tuple[str, ...] = ()
    defaulted: int | None = None


@dataclass(frozen=True, slots=True)
class Unaskable:
    """Why a step cannot carry a request, and what of it would have been lost there."""

    refusal: Refusal
    lost: tuple[str, ...] = ()


def asked(exchange: Exchange, spoken: Spoken, position: int, step: Step) -> Asked | Unaskable:
    """Write the call of one step, or say why it cannot carry the request."""
    request = exchange.request
    model, provider, target = exchange.upstream_of(step)
    if words := unfit(model, provider.kind, request.surface):
        return Unaskable(Refusal(RefusalKind.INVALID_REQUEST, words, "model"))
    native = _is_native(request.surface, model, provider.kind)
    dialect, apart = spoken.dialects[provider.kind], spoken.apart.get(request.surface) if native else None
    endpoint = dialect if apart is None else apart(request)
    if native:
        written: Outgoing | Refusal = endpoint.pass_on(request, model, step.params, _most(model))
    else:
        written = _translated(exchange, dialect, model, step)
    if isinstance(written, Refusal):
        return Unaskable(written)
    if exchange.decision.chain.strict and (dropped := (*request.dropped, *written.lost)):
        return Unaskable(strict_refusal(step.model, dropped), written.lost)
    if exchange.history:
        written = _mended(exchange, endpoint, position, written)
    headers = endpoint.headers(target.secret, request)
    call = Call(provider.name, target.base_url + endpoint.path, headers, written.body, step.timeouts, target.way)
    return Asked(call, endpoint, native, written.lost, written.defaulted)


def _is_native(surface: Surface, model: Model, kind: Dialect) -> bool:
    """Say whether a model at a provider of a kind takes the body as it is."""
    return model.responses if surface is Surface.RESPONSES else NATIVE.get(surface) is kind


def _most(model: Model) -> int:
    return model.max_output_tokens or UNKNOWN_MAX_OUTPUT_TOKENS


def _translated(exchange: Exchange, dialect: ProviderDialect, model: Model, step: Step) -> Outgoing | Refusal:
    chat = exchange.caller.chat(exchange.request.fields)
    if isinstance(chat, Refusal):
        return chat
    written = dialect.write_request(chat, model, step.params, _most(model))
    if isinstance(written, Refusal):
        return written
    return structs.replace(written, lost=_named(exchange, written.lost))


def _named(exchange: Exchange, lost: Iterable[str]) -> tuple[str, ...]:
    """Give names of what is lost as the caller's dialect has them, sorted."""
    return tuple(sorted({exchange.caller.names.get(name, name) for name in lost}))


def _mended(exchange: Exchange, endpoint: Endpoint, position: int, written: Outgoing) -> Outgoing:
    """Leave out of a request what the provider turned down when this step was asked before."""
    last = exchange.history[-1]
    if not isinstance(last, Attempt) or last.position != position or not last.again or last.error is None:
        return written
    mended = endpoint.mended(written.body, last.error)
    if mended is None:
        return written
    lost = tuple(sorted({*written.lost, *_named(exchange, mended.lost)}))
    return structs.replace(written, body=mended.body, lost=lost)
