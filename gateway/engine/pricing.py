"""Pricing: what a Usage costs at a Price, to the nano-dollar, and whether the price is of the model that answered.

Integers only, summed first and rounded once; the tier comes from what the provider answered, never from what was
asked. Nothing here knows where a price or a usage came from.
"""

import re
from datetime import date
from typing import Final

from gateway.domain.price import TOKENS_PER_RATE, Price, PriceHistory, Rates
from gateway.domain.registry import Model
from gateway.domain.usage import Usage

_HALF: Final = TOKENS_PER_RATE // 2


def price_at(history: PriceHistory, day: date) -> Price:
    """Give the price that is charged on a day (UTC); days before the history begins pay its first price."""
    current = history.entries[0]
    for entry in history.entries[1:]:
        if entry.effective_from > day:
            break
        current = entry
    return current.price


def rates_of(usage: Usage, price: Price) -> Rates:
    """Choose the rates by the response's own facts: its service tier, and all the input it counted."""
    tariff = price.service_tiers.get(usage.service_tier, price.standard)
    rates = tariff.rates
    if tariff.bands:
        input_tokens = usage.input_tokens
        for band in tariff.bands:
            if input_tokens <= band.above_input_tokens:
                break
            rates = band.rates
    return rates


def cost_nano_usd(usage: Usage, price: Price) -> int:
    """Give the cost of one attempt in nano-dollars: the exact sum, rounded half up once."""
    rates = rates_of(usage, price)
    millionths = (
        usage.fresh_input_tokens * rates.fresh_input
        + usage.cache_read_tokens * rates.cache_read
        + usage.cache_write_5m_tokens * rates.cache_write_5m
        + usage.cache_write_1h_tokens * rates.cache_write_1h
        + usage.output_tokens * rates.output
    )
    if usage.audio_input_tokens or usage.cache_read_audio_tokens or usage.audio_output_tokens:
        millionths += (
            usage.audio_input_tokens * (rates.audio_input - rates.fresh_input)
            + usage.cache_read_audio_tokens * (rates.cache_read_audio - rates.cache_read)
            + usage.audio_output_tokens * (rates.audio_output - rates.output)
        )
    if usage.web_searches:
        millionths += usage.web_searches * rates.web_search * TOKENS_PER_RATE
    return (millionths + _HALF) // TOKENS_PER_RATE


_VERSION: Final = re.compile(r"[-@:](?:20\d{6}|20\d\d-\d\d-\d\d|\d{4}|00\d|v\d+(?::\d+)?|latest)")
"""What providers put behind a model's name to say which state of it answered; a size such as `-8b` is none."""


def is_priced(model: Model, answered: str) -> bool:
    """Say whether the id that a provider answered with is of the model that the price is of.

    It is for the id that was asked for, for that id with a date or a version behind it, and for another id that the
    catalogue has for the same model. An answer that names no model is taken for what was asked.
    """
    known = model.known
    if not answered or answered == model.upstream or (known is not None and answered in known.aliases):
        return True
    asked, said = model.upstream.lower().removesuffix("-latest"), answered.lower()
    if said.startswith(asked) and (len(said) == len(asked) or _VERSION.fullmatch(said, len(asked))):
        return True
    return known is not None and (said == known.id or said in known.aliases)
