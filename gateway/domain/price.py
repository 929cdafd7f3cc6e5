"""Prices and the catalogue of models: what an upstream model costs, holds, takes and refuses.

All money is integer nano-dollars. A price that is unknown and a price of nothing are values of different types, so
that nobody can charge an unknown price by accident. Nothing here reads a file; `gateway.config.catalogue` does.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

NANO_USD_PER_USD: Final = 1_000_000_000
TOKENS_PER_RATE: Final = 1_000_000
"""Rates are quoted per million tokens."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What each counter of a Usage costs, in nano-dollars per million tokens; `web_search` in nano-dollars per call.

    Reasoning is output and costs what output costs. The audio rates are of the audio parts of the counters.
    """

    fresh_input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    audio_input: int
    cache_read_audio: int
    audio_output: int
    web_search: int = 0
    by_counter: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """What one more of each counter costs, in the order of `usage.COUNTERS`; that of audio comes on top of its text."""

    def __post_init__(self) -> None:
        by_counter = (
            *(self.fresh_input, self.cache_read, self.cache_write_5m, self.cache_write_1h, self.output),
            0,  # reasoning is output
            *(self.audio_input - self.fresh_input, self.cache_read_audio - self.cache_read),
            *(self.audio_output - self.output, self.web_search * TOKENS_PER_RATE),
        )
        object.__setattr__(self, "by_counter", by_counter)


RATE_NAMES: Final = tuple(rate.name for rate in fields(Rates) if rate.init)
_PLACES_MAX: Final = 40  # keeps 1E+999999999 from becoming a number of a thousand million digits


@dataclass(frozen=True, slots=True)
class Band:
    """The rates of requests with more input than `above_input_tokens`; exactly that many still cost the band below."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Tariff:
    """The rates of one service tier; a request in a band pays the band's rates for all of its tokens.

    `bands` ascend by `above_input_tokens`, and are empty where the length of the input does not matter.
    """

    rates: Rates
    bands: tuple[Band, ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: a tariff, and others for the service tiers that are priced differently.

    `service_tiers` holds the name a response gives its tier; a tier that is absent costs `standard`.
    """

    standard: Tariff
    service_tiers: Mapping[str, Tariff] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Nobody has said what this costs: not the same as a price of nothing."""


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """A price, and the first day (UTC) on which it is charged; the first of a history holds for all days before too."""

    effective_from: date
    price: Price


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """The prices of a model over time, at least one, ascending by day."""

    entries: tuple[DatedPrice, ...]

    def __post_init__(self) -> None:
        days = [entry.effective_from for entry in self.entries]
        if not days or days != sorted(set(days)):
            raise ValueError("a price history needs at least one price, each from a later day than the one before")


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """What is known of an upstream model.

    `provider` is the catalogue's name of the seller (`openai`, `anthropic`, `google`, ...), `id` the seller's main id,
    `aliases` its other ids, lower-case like `id`. `context_window_tokens` spans input and output; None is not known,
    as for `max_output_tokens`. `capabilities` are words of the condition `has` (`images`, `documents`, `audio`,
    `tools`, `json_schema`, `thinking`) and the surfaces `chat`, `responses` and `embeddings`; an
    empty set says that nothing is known, not that it can do nothing. `refused_parameters` are
    names of request fields in the provider's own dialect that the model answers with an error.
    """

    provider: str
    id: str
    prices: PriceHistory | Unpriced
    aliases: frozenset[str] = frozenset()
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()
    refused_parameters: frozenset[str] = frozenset()


_VERSION_SUFFIX: Final = re.compile(r"(?:[-@](?:20\d{6}|20\d\d-\d\d-\d\d)|-00\d|-latest)$")
_DATED_PREVIEW: Final = re.compile(r"(-preview|-exp)-\d\d-(?:20)?\d\d$")


def _readings(model: str) -> Iterator[str]:
    """Give the ids that an id can stand for, the nearest first."""
    name = ":".join(model.split(":", 2)[:2]) if model.startswith("ft:") else model
    for reading in dict.fromkeys((name, name.rpartition("models/")[2])):
        yield reading
        yield _VERSION_SUFFIX.sub("", reading)
        yield _DATED_PREVIEW.sub(r"\1", reading)
        yield _DATED_PREVIEW.sub("", reading)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models we know, as of `date`; look models up by the provider and the id that the provider uses.

    `models` is keyed by (provider, id) with every id and alias of a model; `hosts` maps the host name of an API to its
    provider.
    """

    date: date
    models: Mapping[tuple[str, str], CatalogueModel] = field(hash=False)
    hosts: Mapping[str, str] = field(default_factory=dict, hash=False)

    def lookup(self, provider: str, model: str) -> CatalogueModel | None:
        """Find a model by its id; an id with a date that is not listed is the model without the date.

        Of a fine-tuned model (`ft:gpt-4o-mini-2024-07-18:owner::id`) the base decides, of a resource name
        (`models/gemini-2.5-pro`) its last part, and a dated preview (`-preview-05-06`) is the model it previews.
        """
        found = (self.models.get((provider, name)) for name in _readings(model.lower()))
        return next((each for each in found if each is not None), None)

    def provider_at(self, host: str) -> str | None:
        """Name the provider that answers at this host name, or None for a host nobody sells models at."""
        return self.hosts.get(host.lower())

    def __iter__(self) -> Iterator[CatalogueModel]:
        return (model for (_, name), model in self.models.items() if name == model.id)

    def __len__(self) -> int:
        return sum(1 for _ in self)


FREE: Final = Price(Tariff(Rates(0, 0, 0, 0, 0, 0, 0, 0)))
"""The price of nothing, for what is said to be free."""


def always(price: Price) -> PriceHistory:
    """Make the history of a price that has never been another, such as one that a rule file states."""
    return PriceHistory((DatedPrice(date.min, price),))


def rates_from(given: Mapping[str, int]) -> Rates:
    """Make Rates of the ones a price list names, by field name; `fresh_input` and `output` are the least.

    Cached input without a rate of its own costs what fresh input costs, a write for an hour what one for five minutes
    costs, audio what text costs, and a web search nothing: on the providers' price pages a blank means that there is
    no discount and no premium. Raises ValueError for a rate that is missing, negative or not known here.
    """
    if unknown := sorted(given.keys() - set(RATE_NAMES)):
        raise ValueError(f"no such rate: {', '.join(unknown)}")
    if missing := sorted({"fresh_input", "output"} - given.keys()):
        raise ValueError(f"a price needs these rates: {', '.join(missing)}")
    if any(rate < 0 for rate in given.values()):
        raise ValueError("a rate is not negative")
    fresh_input, output = given["fresh_input"], given["output"]
    cache_read = given.get("cache_read", fresh_input)
    cache_write_5m = given.get("cache_write_5m", fresh_input)
    return Rates(
        fresh_input=fresh_input,
        output=output,
        cache_read=cache_read,
        cache_write_5m=cache_write_5m,
        cache_write_1h=given.get("cache_write_1h", cache_write_5m),
        audio_input=given.get("audio_input", fresh_input),
        cache_read_audio=given.get("cache_read_audio", cache_read),
        audio_output=given.get("audio_output", output),
        web_search=given.get("web_search", 0),
    )


def nano_usd(amount: Decimal) -> int:
    """Turn dollars into whole nano-dollars, exactly; raises ValueError for finer amounts and for what is no number."""
    if not amount.is_finite() or amount.as_tuple().exponent not in range(-_PLACES_MAX, _PLACES_MAX):
        raise ValueError(f"not an amount of money: {amount}")
    scaled = Fraction(amount) * NANO_USD_PER_USD
    if scaled.denominator != 1:
        raise ValueError(f"finer than a nano-dollar: {amount}")
    return scaled.numerator


def usd_text(amount: int, places: int) -> str:
    """Write an amount of 10^-places dollars as dollars: every digit, no exponent; nano-dollars have nine places."""
    whole, rest = divmod(amount, 10**places)
    return f"{whole}.{rest:0{places}d}".rstrip("0").removesuffix(".")
