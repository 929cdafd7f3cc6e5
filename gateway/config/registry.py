"""The section `models` to the values that chains refer to."""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlsplit

from gateway.config.gates import gate_of
from gateway.config.node import Findings, Node
from gateway.domain.limit import GateKind
from gateway.domain.price import (
    FREE,
    Catalogue,
    CatalogueModel,
    Price,
    PriceHistory,
    Tariff,
    Unpriced,
    always,
    nano_usd,
    rates_from,
)
from gateway.domain.registry import THINKING, Model, Provider
from gateway.domain.words import Dialect, Prefer
from gateway.engine.pricing import is_state_of

FROM_RULES = "rules"
"""The version of a price that stands in a rule file."""
_ASKS_TO_THINK = {Dialect.OPENAI: "reasoning_effort", Dialect.ANTHROPIC: "thinking"}
_RATES = {"input": "fresh_input", "output": "output", "cache_read": "cache_read", "cache_write": "cache_write_5m"}


def model_of(
    name: str, node: Node, providers: Mapping[str, Provider], catalogue: Catalogue, findings: Findings
) -> Model | None:
    """Compile an entry of `models`; without a price of its own it costs what the catalogue says, or is a Problem."""
    provider = providers.get(node["provider"].value)
    if provider is None:
        findings.missing(node["provider"], "provider", node["provider"].value, providers)
        return None
    upstream: str = node["model"].value
    known = _known(provider, upstream, catalogue)
    written = node.get("price")
    price: PriceHistory | Unpriced = known.prices if known else Unpriced()
    if written is not None:
        price = always(_price(written, findings))
    if isinstance(price, Unpriced):
        hint = "say 'price: free' or 'price: {input: 0.20, output: 0.60}' in USD per million tokens"
        message = f"model '{name}' has no price: the catalogue has none for '{upstream}' at {_host(provider)}"
        findings.add(node.problem(message, hint, at_key=True))
        return None
    window, most = node.get("context_window"), node.get("max_output")
    takes = _takes(node, known)
    return Model(
        name=name,
        provider=provider.name,
        upstream=upstream,
        strength=Prefer(node["strength"].value) if "strength" in node.value else Prefer.BALANCED,
        price=price,
        price_version=FROM_RULES if written else catalogue.date.isoformat(),
        window_tokens=window.value if window else known.context_window_tokens if known else None,
        max_output_tokens=most.value if most else known.max_output_tokens if known else None,
        takes=takes,
        refuses=_refuses(node, known, takes, provider.kind),
        known=known,
        responses=_takes_responses(provider, known),
        gates=tuple(
            gate for gate in (gate_of(GateKind.MODEL, name, node, findings), provider.gate) if gate is not None
        ),
        states=_states(known, upstream, catalogue),
    )


def _states(known: CatalogueModel | None, upstream: str, catalogue: Catalogue) -> dict[str, PriceHistory | Unpriced]:
    """Give what its seller takes for what reads like a state of a model and is a model of its own in the catalogue."""
    if known is None:
        return {}
    return {
        name: other.prices
        for (seller, name), other in catalogue.models.items()
        if seller == known.provider and other is not known and is_state_of(upstream, name)
    }


def _takes(node: Node, known: CatalogueModel | None) -> frozenset[str] | None:
    """Give what a model takes, None where nothing is known: of some models the catalogue has the price alone."""
    if (written := node.get("takes")) is not None:
        return frozenset(written.value)
    return known.capabilities or None if known else None


def _refuses(node: Node, known: CatalogueModel | None, takes: frozenset[str] | None, kind: Dialect) -> frozenset[str]:
    """Give the fields that a model answers with an error: of one that does not think the field that asks it to."""
    written = node.get("refuses")
    refuses = frozenset(written.value) if written is not None else known.refused_parameters if known else frozenset()
    return refuses if takes is None or THINKING in takes else refuses | {_ASKS_TO_THINK[kind]}


def _takes_responses(provider: Provider, known: CatalogueModel | None) -> bool:
    """Say whether a model takes responses: as its provider's file says, else one of OpenAI's own that is known to."""
    if provider.responses is not None:
        return provider.responses
    own = known is not None and known.provider == "openai" and provider.kind is Dialect.OPENAI
    return own and known is not None and "responses" in known.capabilities


def _known(provider: Provider, upstream: str, catalogue: Catalogue) -> CatalogueModel | None:
    """Look a model up at its seller; an address that is nobody's shop has prices of its own."""
    seller = seller_of(provider, catalogue)
    return catalogue.lookup(seller, upstream) if seller else None


def seller_of(provider: Provider, catalogue: Catalogue) -> str | None:
    """Give the catalogue's name of the seller behind a provider's address, None for an address of one's own."""
    return catalogue.provider_at(_host(provider))


def _host(provider: Provider) -> str:
    return urlsplit(provider.base_url).hostname or ""


def _price(node: Node, findings: Findings) -> Price:
    if node.value == "free":
        return FREE
    rates: dict[str, int] = {}
    for key, amount in node.items():
        try:
            rates[_RATES[key]] = nano_usd(Decimal(str(amount.value)))
        except ValueError as error:
            findings.add(amount.problem(str(error), "prices are in US dollars per million tokens"))
            rates[_RATES[key]] = 0
    return Price(Tariff(rates_from(rates)))
