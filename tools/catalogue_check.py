"""The second table of models, in the form that litellm keeps: what it adds to the catalogue, and where it disagrees."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from gateway.domain.price import NANO_USD_PER_USD, TOKENS_PER_RATE

CAPABILITIES = {
    "supports_audio_input": "audio",
    "supports_function_calling": "tools",
    "supports_pdf_input": "documents",
    "supports_reasoning": "thinking",
    "supports_response_schema": "json_schema",
    "supports_vision": "images",
}
SURFACES = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}
TEXT_MODES = frozenset({"chat", "completion", "responses"})
SAMPLING = ("frequency_penalty", "logit_bias", "logprobs", "presence_penalty", "temperature", "top_logprobs", "top_p")
COMPARED = (
    ("fresh_input", "input_cost_per_token"),
    ("output", "output_cost_per_token"),
    ("cache_read", "cache_read_input_token_cost"),
    ("cache_write_5m", "cache_creation_input_token_cost"),
    ("cache_write_1h", "cache_creation_input_token_cost_above_1hr"),
    ("audio_input", "input_cost_per_audio_token"),
    ("audio_output", "output_cost_per_audio_token"),
)
TIERS = {"standard": "", "batch": "_batches", "flex": "_flex", "priority": "_priority"}


@dataclass(frozen=True)
class Second:
    """The second table: a JSON object of models by id, the id led by the name of the seller for most of them."""

    table: Mapping[str, Mapping[str, Any]]

    @cached_property
    def lowered(self) -> Mapping[str, Mapping[str, Any]]:
        """The table by lower-case id."""
        return {name.lower(): entry for name, entry in self.table.items()}

    def ids(self, prefix: str) -> Iterator[str]:
        """Give the ids that stand under a prefix, without it; of the bare ones those that name no seller."""
        for name in self.table:
            rest = name.removeprefix(prefix)
            if (rest != name) if prefix else "/" not in name:
                yield rest.lower()

    def chat_ids(self, provider: str) -> Iterator[str]:
        """Give the bare ids of the text models that a provider sells under its own name."""
        for name, entry in self.table.items():
            if entry.get("litellm_provider") == provider and entry.get("mode") in TEXT_MODES and "/" not in name:
                yield name

    def find(self, prefixes: Iterable[str], names: Sequence[str]) -> Mapping[str, Any]:
        """Give the first entry that goes by one of the names under the first prefix that has any, or an empty one."""
        return next(
            (
                entry
                for prefix in prefixes
                for name in names
                if (entry := self.lowered.get(prefix + name)) and entry.get("mode") in TEXT_MODES | {"embedding"}
            ),
            {},
        )

    def complete(self, record: dict[str, Any], prefixes: Iterable[str], names: Sequence[str]) -> None:
        """Add to a record what the table knows and the record does not."""
        entry = self.find(prefixes, names)
        if not entry:
            return
        record["context_window_tokens"] = record.get("context_window_tokens") or entry.get("max_input_tokens")
        record["max_output_tokens"] = entry.get("max_output_tokens")
        record["capabilities"] = sorted(set(_capabilities(record["provider"], entry)))
        record["refused_parameters"] = sorted(set(_refused(record, entry)))


def differences(record: Mapping[str, Any], entry: Mapping[str, Any], day: date) -> Iterator[str]:
    """Name each rate of the day's price for which the two tables give different numbers."""
    if not entry:
        return
    price = [each for since, each in record["prices"] if since is None or date.fromisoformat(since) <= day][-1]
    for tier, ending in TIERS.items():
        if tier not in price:
            continue
        rates, *bands = price[tier]
        for above, band in [(None, rates), *bands]:
            length = f"_above_{above // 1000}k_tokens" if above else ""
            for rate, field in COMPARED:
                theirs = entry.get(f"{field}{length}{ending}")
                if theirs is None or rate not in band:
                    continue
                other = Decimal(repr(theirs)) * NANO_USD_PER_USD * TOKENS_PER_RATE
                if abs(other - band[rate]) * TOKENS_PER_RATE > band[rate]:
                    where = f"{tier}{f' above {above}' if above else ''}"
                    model = f"{record['provider']} {record['id']}"
                    yield f"differs: {model} {where} {rate}: {_usd(band[rate])}, there {_usd(other)}"


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
