"""Pricing: what a Usage costs at a Price, to the nano-dollar, and whether the price is of the model that answered.

Integers only, summed first and rounded once; the tier comes from what the provider answered, never from what was
asked. Nothing here knows where a price or a usage came from.
"""

import re
from datetime import date
from operator import mul
from typing import Final

from gateway.domain.price import TOKENS_PER_RATE, DatedPrice, Price, PriceHistory, Rates, Unpriced
from gateway.domain.registry import Model
from gateway.domain.usage import Usage, counters_of

FEMTO_USD_PER_NANO_USD: Final = TOKENS_PER_RATE
"""A token costs as many femto-dollars as a million of them cost nano-dollars."""
Charge = tuple[str, int, int]
"""The name of a rate, how many tokens or calls pay it, and the femto-dollars that each of them costs."""
_HALF: Final = FEMTO_USD_PER_NANO_USD // 2


def dated_price_at(history: PriceHistory, day: date) -> DatedPrice:
    """Give the entry that holds on a day (UTC); days before the history begins pay its first price."""
    current = history.entries[0]
    for entry in history.entries[1:]:
        if entry.effective_from > day:
            break
        current = entry
    return current


def price_at(history: PriceHistory, day: date) -> Price:
    """Give the price that is charged on a day (UTC)."""
    return dated_price_at(history, day).price


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


def charges(usage: Usage, price: Price) -> tuple[Charge, ...]:
    """Split a usage into charges that never overlap, audio apart from text; those of nothing are among them."""
    rates = rates_of(usage, price)
    audio_input, cache_read_audio = usage.audio_input_tokens, usage.cache_read_audio_tokens
    audio_output = usage.audio_output_tokens
    return (
        ("fresh_input", usage.fresh_input_tokens - audio_input, rates.fresh_input),
        ("audio_input", audio_input, rates.audio_input),
        ("cache_read", usage.cache_read_tokens - cache_read_audio, rates.cache_read),
        ("cache_read_audio", cache_read_audio, rates.cache_read_audio),
        ("cache_write_5m", usage.cache_write_5m_tokens, rates.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h_tokens, rates.cache_write_1h),
        ("output", usage.output_tokens - audio_output, rates.output),
        ("audio_output", audio_output, rates.audio_output),
        ("web_search", usage.web_searches, rates.web_search * FEMTO_USD_PER_NANO_USD),
    )


def cost_femto_usd(usage: Usage, price: Price) -> int:
    """Give the exact cost of one attempt in femto-dollars; it cannot be finer. It is the sum of the charges."""
    return sum(map(mul, counters_of(usage), rates_of(usage, price).by_counter))


def cost_nano_usd(usage: Usage, price: Price) -> int:
    """Give the cost of one attempt in nano-dollars: the exact sum, rounded half up once."""
    return nano_usd_of(cost_femto_usd(usage, price))


def nano_usd_of(femto_usd: int) -> int:
    """Round femto-dollars to nano-dollars, half up."""
    return (femto_usd + _HALF) // FEMTO_USD_PER_NANO_USD


_VERSION: Final = re.compile(r"[-@:](?:20\d{6}|20\d\d-\d\d-\d\d|\d{4}|00\d|v\d+(?::\d+)?|latest)")
"""What providers put behind a model's name to say which state of it answered; a size such as `-8b` is none."""


def is_state_of(upstream: str, said: str) -> bool:
    """Say whether an id, lower-case, reads like another one itself, or like that with a date or a version behind it."""
    asked = upstream.lower().removesuffix("-latest")
    return said.startswith(asked) and (len(said) == len(asked) or _VERSION.fullmatch(said, len(asked)) is not None)


def is_priced(model: Model, answered: str, day: date) -> bool:
    """Say whether the id that a provider answered with on a day (UTC) is of the model that the price is of.

    It is for the id that was asked for, for that id with a date or a version behind it, and for another id that the
    catalogue has for the same model. A dated one that the catalogue has as a model of its own must cost the same on
    that day. An answer that names no model is taken for what was asked.
    """
    known = model.known
    if not answered or answered == model.upstream or (known is not None and answered in known.aliases):
        return True
    said = answered.lower()
    if (own := model.states.get(said)) is not None:
        return _costs_the_same(model, own, day)
    return is_state_of(model.upstream, said) or (known is not None and (said == known.id or said in known.aliases))


def _costs_the_same(model: Model, state: PriceHistory | Unpriced, day: date) -> bool:
    """Compare a state of a model with what is charged for the model, and with what the catalogue says of it.

    The second is for a price of one's own: it is that of all states that cost the same without it.
    """
    if isinstance(state, Unpriced):
        return False
    listed = model.known.prices if model.known is not None else Unpriced()
    of_model = [price_at(each, day) for each in (model.price, listed) if not isinstance(each, Unpriced)]
    return price_at(state, day) in of_model
