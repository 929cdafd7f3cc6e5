"""A second table of prices, in the form that litellm keeps (`model_prices_and_context_window.json`), beside our own.

It is decoded and asked here; nothing is fetched. It says dollars per token, in fields that carry the rate, the length
of input and the service tier in their names. What it does not say is not compared.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from gateway.domain.price import NANO_USD_PER_USD, TOKENS_PER_RATE, Price
from gateway.domain.usage import STANDARD, Usage
from gateway.engine.pricing import rates_of

PREFIXES: Final[Mapping[str, str]] = {
    "anthropic": "",
    "cerebras": "cerebras/",
    "cohere": "",
    "deepseek": "deepseek/",
    "fireworks": "fireworks_ai/",
    "google": "gemini/",
    "groq": "groq/",
    "mistral": "mistral/",
    "moonshotai": "moonshot/",
    "openai": "",
    "together": "together_ai/",
    "xai": "xai/",
    "zai": "zai/",
}
"""What the table's ids begin with, by the catalogue's name of the seller."""

TEXT_MODES: Final = frozenset({"chat", "completion", "responses"})
_MODES: Final = TEXT_MODES | {"embedding"}
_RATES: Final[Mapping[str, str]] = {
    "input_cost_per_token": "fresh_input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "audio_input",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "output_cost_per_audio_token": "audio_output",
}
_TIERS: Final[Mapping[str, str]] = {"": STANDARD, "_batches": "batch", "_flex": "flex", "_priority": "priority"}
_FIELD: Final = re.compile(
    rf"(?P<rate>{'|'.join(_RATES)})(?:_above_(?P<thousands>\d{{1,9}})k_tokens)?(?P<tier>{'|'.join(_TIERS)})"
)
_SEARCHES: Final = ("search_context_cost_per_query", "search_context_size_medium")


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate for which the second table says another number than what we charge.

    `rate` is the name of one of Rates; `ours` and `theirs` are nano-dollars per million tokens, per call for
    `web_search`. `above_input_tokens` is 0 for the rate of short inputs.
    """

    rate: str
    service_tier: str
    above_input_tokens: int
    ours: int
    theirs: Decimal

    @property
    def ratio(self) -> Decimal | None:
        """Theirs by ours; None where ours is nothing."""
        return self.theirs / self.ours if self.ours else None


@dataclass(frozen=True)
class SecondTable:
    """Models by id, the id led by the name of the seller for most of them."""

    models: Mapping[str, Mapping[str, Any]]

    @cached_property
    def lowered(self) -> Mapping[str, Mapping[str, Any]]:
        """The table by lower-case id."""
        return {name.lower(): entry for name, entry in self.models.items()}

    def ids(self, prefix: str) -> Iterator[str]:
        """Give the ids that stand under a prefix, without it; of the bare ones those that name no seller."""
        for name in self.models:
            rest = name.removeprefix(prefix)
            if (rest != name) if prefix else "/" not in name:
                yield rest.lower()

    def sold_by(self, seller: str) -> Iterator[str]:
        """Give the ids of the text models that a seller of the catalogue sells under its own name."""
        prefix = PREFIXES[seller]
        for name, entry in self.models.items():
            own = name.startswith(prefix) if prefix else entry.get("litellm_provider") == seller and "/" not in name
            if own and entry.get("mode") in TEXT_MODES:
                yield name.removeprefix(prefix)

    def find(self, prefixes: Iterable[str], names: Sequence[str]) -> Mapping[str, Any]:
        """Give the first entry that goes by one of the names under the first prefix that has any, or an empty one."""
        return next(
            (
                entry
                for prefix in prefixes
                for name in names
                if (entry := self.lowered.get(prefix + name)) and entry.get("mode") in _MODES
            ),
            {},
        )


def decode(text: bytes) -> SecondTable:
    """Decode the table, its numbers exactly as written; raises ValueError for what is none."""
    try:
        decoded = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from error
    if not isinstance(decoded, dict) or not all(isinstance(entry, dict) for entry in decoded.values()):
        raise ValueError("it is no JSON object of models by id, each an object with input_cost_per_token and so on")
    return SecondTable(decoded)


def differences(price: Price, entry: Mapping[str, Any]) -> Iterator[Difference]:
    """Give each rate that an entry says and that differs from what we charge for that tier and length of input."""
    for rate, tier, above, theirs in _stated(entry):
        ours: int = getattr(rates_of(Usage(fresh_input_tokens=above + 1, service_tier=tier), price), rate)
        if abs(theirs - ours) * TOKENS_PER_RATE > ours:  # the table has roundings such as 1.9999999e-07
            yield Difference(rate, tier, above, ours, theirs)


def _stated(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, int, Decimal]]:
    """Give (rate, service tier, above how much input, nano-dollars) for each of our rates that an entry says."""
    for field, written in entry.items():
        if (found := _FIELD.fullmatch(field)) and (usd := _number(written)) is not None:
            above = 1000 * int(found["thousands"] or 0)
            nano = usd * NANO_USD_PER_USD * TOKENS_PER_RATE
            yield _RATES[found["rate"]], _TIERS[found["tier"]], above, nano
    searches = entry.get(_SEARCHES[0])
    usd = _number(searches.get(_SEARCHES[1])) if isinstance(searches, dict) else None
    if usd is not None:
        yield "web_search", STANDARD, 0, usd * NANO_USD_PER_USD


def _number(written: object) -> Decimal | None:
    return Decimal(written) if type(written) is int else written if isinstance(written, Decimal) else None
