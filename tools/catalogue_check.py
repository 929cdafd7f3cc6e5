"""What the second table of models adds to the catalogue, and where the two disagree on prices."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.config.second_table import TEXT_MODES, Difference, differences
from gateway.domain.price import NANO_USD_PER_USD, CatalogueModel, Unpriced
from gateway.engine.pricing import price_at

CAPABILITIES = {
    "supports_audio_input": "audio",
    "supports_function_calling": "tools",
    "supports_pdf_input": "documents",
    "supports_reasoning": "thinking",
    "supports_response_schema": "json_schema",
    "supports_vision": "images",
}
_ALL_KINDS = ("audio", "documents", "images", "json_schema", "tools")
TAKES_TOO = {
    ("anthropic", "claude-3-5-haiku-latest"): ("images",),
    ("anthropic", "claude-3-7-sonnet-latest"): ("documents",),
    ("anthropic", "claude-opus-4-0"): ("documents", "thinking"),
    ("anthropic", "claude-opus-4-1"): ("documents",),
    ("anthropic", "claude-sonnet-4-0"): ("documents", "images", "thinking"),
    ("google", "gemini-2.0-flash"): _ALL_KINDS,
    ("google", "gemini-2.0-flash-lite"): _ALL_KINDS,
    ("xai", "grok-4-0709"): ("images",),
}
"""What models take by their sellers' own overviews, and the table leaves out."""
SURFACES = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}
SAMPLING = ("frequency_penalty", "logit_bias", "logprobs", "presence_penalty", "temperature", "top_logprobs", "top_p")


def complete(record: dict[str, Any], entry: Mapping[str, Any]) -> None:
    """Add to a record of the catalogue what the entry of the table knows and the record does not."""
    if not entry:
        return
    record["context_window_tokens"] = record.get("context_window_tokens") or entry.get("max_input_tokens")
    record["max_output_tokens"] = entry.get("max_output_tokens")
    too = TAKES_TOO.get((record["provider"], record["id"]), ())
    record["capabilities"] = sorted({*_capabilities(record["provider"], entry), *too})
    record["refused_parameters"] = sorted(set(_refused(record, entry)))


def disagreements(model: CatalogueModel, entry: Mapping[str, Any], day: date) -> Iterator[str]:
    """Name each rate of the day's price for which the two tables give different numbers."""
    if isinstance(model.prices, Unpriced):
        return
    for each in differences(price_at(model.prices, day), entry):
        yield f"differs: {model.provider} {model.id} {_where(each)}: {_usd(each.ours)}, there {_usd(each.theirs)}"


def _where(difference: Difference) -> str:
    above = f" above {difference.above_input_tokens}" if difference.above_input_tokens else ""
    return f"{difference.service_tier}{above} {difference.rate}"


def _usd(nano: Decimal | int) -> str:
    return f"{(Decimal(nano) / NANO_USD_PER_USD).normalize():f}"


def _capabilities(provider: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield from (word for field, word in CAPABILITIES.items() if entry.get(field) is True)
    if entry.get("mode") == "embedding":
        yield "embeddings"
    elif provider == "openai":
        default = SURFACES if entry.get("mode") == "chat" else ["/v1/responses"]
        endpoints = entry.get("supported_endpoints") or default
        yield from (surface for path, surface in SURFACES.items() if path in endpoints)
    elif entry.get("mode") in TEXT_MODES:
        yield "chat"


def _refused(record: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[str]:
    """Name the request fields that the model answers with an error.

    OpenAI's reasoning models want `max_completion_tokens`, and refuse sampling unless they can be told not to reason;
    that o3 and o4-mini refuse `stop` is said in OpenAI's reference of the field.
    """
    if record["provider"] == "openai" and entry.get("supports_reasoning") is True:
        yield "max_tokens"
        if entry.get("supports_none_reasoning_effort") is not True:
            yield from SAMPLING
        if record["id"] in {"o3", "o3-pro", "o4-mini"}:
            yield "stop"
    if record["provider"] == "openai" and entry.get("supports_parallel_function_calling") is False:
        yield "parallel_tool_calls"
    if record["provider"] == "anthropic" and entry.get("supports_sampling_params") is False:
        yield from ("temperature", "top_k", "top_p")
