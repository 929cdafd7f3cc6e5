"""What is served: the surfaces and the dialects behind them, and the paths of both addresses."""

from collections.abc import Mapping, Sequence

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from gateway.adapters.metrics import Metrics
from gateway.dialects.base import CallerDialect, ProviderDialect
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.embeddings import Embeddings, EmbeddingsUpstream
from gateway.dialects.execute import Execute
from gateway.dialects.messages.counting import CountTokens
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.dialects.responses.dialect import OpenAIResponses
from gateway.domain.words import Dialect, Surface
from gateway.runtime.asking import Spoken
from gateway.web.alerts import accept, alerts, hush, silence, unhush
from gateway.web.budgets import budgets, override
from gateway.web.catalogue import nothing_here, route_handler, unless_stopping
from gateway.web.counting import count_handler
from gateway.web.errors import edge
from gateway.web.inference import surface_handler
from gateway.web.keys import PARTS, Parts
from gateway.web.models import model_handler, models_handler
from gateway.web.operations import (
    DAEMON,
    Daemon,
    config,
    livez,
    log,
    model_health,
    page,
    private,
    readyz,
    reload,
    status,
)
from gateway.web.spend import spend
from gateway.web.turns import Direct

OPENAI, RESPONSES, ANTHROPIC = OpenAIChat(), OpenAIResponses(), AnthropicMessages()
SURFACES: Mapping[Surface, CallerDialect] = {
    Surface.CHAT: OPENAI,
    Surface.RESPONSES: RESPONSES,
    Surface.MESSAGES: ANTHROPIC,
    Surface.EMBEDDINGS: Embeddings(),
    Surface.EXECUTE: Execute(),
}
PROVIDERS: Mapping[Dialect, ProviderDialect] = {Dialect.OPENAI: OPENAI, Dialect.ANTHROPIC: ANTHROPIC}
COUNTS: ProviderDialect = CountTokens()
SPOKEN = Spoken(PROVIDERS, {Surface.EMBEDDINGS: EmbeddingsUpstream, Surface.RESPONSES: lambda _: RESPONSES})
PATHS = {
    Surface.CHAT: "/v1/chat/completions",
    Surface.RESPONSES: "/v1/responses",
    Surface.MESSAGES: "/v1/messages",
    Surface.EMBEDDINGS: "/v1/embeddings",
    Surface.EXECUTE: "/v1/execute",
}


def inference_handlers(parts: Parts) -> Direct:
    """Give who answers on each surface, by its path."""
    return {path: surface_handler(surface, SURFACES[surface], parts) for surface, path in PATHS.items()}


def inference_routes(parts: Parts) -> list[web.RouteDef]:
    """List what callers ask for."""
    return [
        *(web.post(path, handler) for path, handler in inference_handlers(parts).items()),
        web.post("/v1/messages/count_tokens", count_handler(ANTHROPIC)),
        web.post("/v1/route", unless_stopping(route_handler(SURFACES), SURFACES)),
        web.get("/v1/models", edge(unless_stopping(models_handler(SURFACES), SURFACES))),
        web.get("/v1/models/{id:.+}", edge(unless_stopping(model_handler(SURFACES), SURFACES))),
    ]


def operations_routes(metrics: Metrics) -> list[web.RouteDef]:
    """List what operators ask for."""
    return [
        web.get("/livez", livez),
        web.get("/readyz", readyz),
        web.get("/metrics", page(make_aiohttp_handler(metrics.registry))),
        web.get("/api/status", private(status)),
        web.get("/api/config", private(config)),
        web.get("/api/budgets", private(budgets)),
        web.post("/api/budgets/{name}/override", private(override)),
        web.get("/api/spend", private(spend)),
        web.get("/api/models", private(model_health)),
        web.get("/api/log", private(log)),
        web.post("/api/reload", private(reload)),
        web.get("/api/alerts", private(alerts)),
        web.post("/api/alerts/{id}/silence", private(silence)),
        web.post("/api/alerts/{id}/accept", private(accept)),
        web.post("/api/silences", private(hush)),
        web.delete("/api/silences/{id}", private(unhush)),
    ]


def build_web(parts: Parts, daemon: Daemon, routes: Sequence[web.RouteDef]) -> web.Application:
    """Give the application of one address: these paths, and a 404 that lists them for every other."""
    app = web.Application(client_max_size=0)  # bodies are measured by the handlers, by the rules that run
    app[PARTS], app[DAEMON] = parts, daemon
    app.add_routes(routes)
    there = tuple(f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource)
    app.router.add_route("*", "/{path:.*}", nothing_here(SURFACES, tuple(each for each in there if "HEAD" not in each)))
    return app
