"""A usage object with what stands beside it, checked and priced; what cannot be priced is an error with a remedy.

A case is a decoded JSON object, as a line of `--jsonl` holds it. Every ValueError begins with the name of a field.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, Final

from gateway.cli.prices.listing import Book
from gateway.dialects.reported import READERS, Api, api_of, mistakes
from gateway.domain.price import Price, Tariff, nano_usd, rates_from
from gateway.domain.usage import Usage
from gateway.engine.pricing import cost_femto_usd, price_at

RATES: Final[Mapping[str, str]] = {
    "input_per_mtok": "fresh_input",
    "output_per_mtok": "output",
    "cache_read_per_mtok": "cache_read",
    "cache_write_5m_per_mtok": "cache_write_5m",
    "cache_write_1h_per_mtok": "cache_write_1h",
    "audio_input_per_mtok": "audio_input",
    "cache_read_audio_per_mtok": "cache_read_audio",
    "audio_output_per_mtok": "audio_output",
    "web_search_per_call": "web_search",
}
"""The fields of `rates_usd`, as the rates of a price."""


def usage_in(case: Mapping[str, Any], *, anthropic: bool) -> tuple[Api, Usage]:
    """Read the usage of a case, with the tier and the web searches beside it; raises ValueError."""
    written = _object(case, "usage", "give the provider's usage object")
    api = _api(case.get("api"), written, anthropic=anthropic)
    for mistake in mistakes(api, written):
        raise ValueError(f"usage: {mistake}")
    tier, searches = _text(case, "service_tier"), case.get("web_searches")
    if searches is not None and (type(searches) is not int or searches < 0):
        raise ValueError("web_searches: write how many there were, or null")
    return api, READERS[api](written, tier, searches or 0)


def cost_in(case: Mapping[str, Any], book: Book, today: date, *, own_rates: bool) -> int:
    """Give what a case costs, in femto-dollars: at its own rates, or at the price of its day; raises ValueError."""
    seller = (_text(case, "provider") or "").lower()
    _, usage = usage_in(case, anthropic=seller == "anthropic")
    price = _own_price(case) if own_rates else _known_price(case, seller, book, today)
    return cost_femto_usd(usage, price)


def _text(case: Mapping[str, Any], field: str) -> str | None:
    written = case.get(field)
    if isinstance(written, str | None):
        return written
    raise ValueError(f"{field}: '{written}' is no text")


def _object(case: Mapping[str, Any], field: str, remedy: str) -> dict[str, Any]:
    written = case.get(field)
    if isinstance(written, dict):
        return written
    raise ValueError(f"{field}: {'it is missing' if written is None else 'it is no object'}: {remedy}")


def _api(written: object, usage: Mapping[str, Any], *, anthropic: bool) -> Api:
    apis = [each.value for each in Api]
    if written is None:
        if (told := api_of(usage, anthropic=anthropic)) is None:
            raise ValueError(f"usage: it has no counter of any API: give the usage object itself, of {', '.join(apis)}")
        return told
    if written in apis:
        return Api(written)
    near = get_close_matches(str(written), apis, n=1)
    raise ValueError(f"api: there is no '{written}': " + (f"did you mean '{near[0]}'?" if near else ", ".join(apis)))


def _known_price(case: Mapping[str, Any], seller: str, book: Book, today: date) -> Price:
    model = _text(case, "model")
    if not model:
        raise ValueError("model: it is missing: write the provider's id of the model")
    if not seller and book.snapshot is None:
        sellers = ", ".join(book.sellers)
        raise ValueError(f"provider: say who sells the model ({sellers}), or whose name it is with --rules DIR")
    listed = book.sold(seller, model) if seller else book.the_one(model)
    return price_at(listed.prices, _day(case.get("price_date"), today))


def _day(written: object, today: date) -> date:
    if written is None:
        return today
    try:
        return date.fromisoformat(written)  # type: ignore[arg-type]  # anything else is a TypeError
    except (ValueError, TypeError) as error:
        raise ValueError(f"price_date: '{written}' is no day: write it as 2026-11-22") from error


def _own_price(case: Mapping[str, Any]) -> Price:
    written = _object(case, "rates_usd", "--rates needs it: give at least input_per_mtok and output_per_mtok")
    if unknown := sorted(written.keys() - RATES.keys()):
        raise ValueError(f"rates_usd.{unknown[0]}: there is no such rate: write {', '.join(RATES)}")
    if missing := [name for name in ("input_per_mtok", "output_per_mtok") if written.get(name) is None]:
        raise ValueError(f"rates_usd.{missing[0]}: it is missing: write US dollars per million tokens")
    given = {RATES[name]: _nano(name, usd) for name, usd in written.items() if usd is not None}
    return Price(Tariff(rates_from(given)))


def _nano(name: str, written: object) -> int:
    try:
        nano = nano_usd(Decimal(str(written)))
    except (ValueError, InvalidOperation) as error:
        raise ValueError(f"rates_usd.{name}: '{written}' is no amount: write US dollars, as \"0.25\"") from error
    if nano < 0:
        raise ValueError(f"rates_usd.{name}: '{written}' is negative")
    return nano
