"""`rulegate prices show`: what models cost."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.prices.listing import ALL_OPTION, ON_OPTION, Listed, book_of, columns, day_of, listed_in
from gateway.cli.rules import RULES_OPTION
from gateway.domain.price import RATE_NAMES, Price, Rates, Tariff, usd_text
from gateway.domain.usage import STANDARD
from gateway.engine.pricing import dated_price_at

HEADS = ("model", "sold as", "input", "cached", "write", "write 1h", "output", "search", "window", "most out", "price")


@click.command("show", short_help="Show what models cost.")
@click.argument("model", nargs=-1)
@ALL_OPTION
@ON_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@RULES_OPTION
def command(
    model: tuple[str, ...], *, everything: bool, day: datetime | None, as_json: bool, rules: Path | None
) -> None:
    """Show what each MODEL costs; without one, those of the rules.

    MODEL is a name of the rules, an id of the catalogue, or SELLER/ID.
    """
    if model and everything:
        raise click.UsageError("give a MODEL or --all, not both")
    book = book_of(rules, needed=not model and not everything)
    on = day_of(day)
    listed = listed_in(book, model, everything=everything)
    if as_json:
        shown = [_shown(each, on) for each in listed]
        dates = {"catalogue": book.catalogue.date.isoformat(), "on": on.isoformat()}
        click.echo(json.dumps({**dates, "models": shown}, indent=2))
        return
    click.echo("USD per million tokens; search per call")
    for line in columns((HEADS, *(row for each in listed for row in _rows(each, on))), left=2):
        click.echo(line)


def _tariffs(price: Price) -> Iterator[tuple[str, int, Rates]]:
    """Give (service tier, above how much input, rates), the standard ones of short inputs first."""
    tariffs: tuple[tuple[str, Tariff], ...] = ((STANDARD, price.standard), *sorted(price.service_tiers.items()))
    for tier, tariff in tariffs:
        yield tier, 0, tariff.rates
        yield from ((tier, band.above_input_tokens, band.rates) for band in tariff.bands)


def _rows(listed: Listed, on: date) -> Iterator[tuple[str, ...]]:
    """Give the cells of a model: a row for its usual rates, then one for each that is named by what it is for."""
    entry = dated_price_at(listed.prices, on)
    since = "" if entry.effective_from == date.min else f" since {entry.effective_from}"
    window, most = (f"{size:,}" if size else "-" for size in (listed.window_tokens, listed.max_output_tokens))
    for tier, above, rates in _tariffs(entry.price):
        named = [*([tier] if tier != STANDARD else []), *([f"above {above:,} in"] if above else [])]
        text = (rates.fresh_input, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.output)
        cells = [usd_text(rate, 9) for rate in text] + [usd_text(rates.web_search, 9) if rates.web_search else "-"]
        if named:
            yield (f"  {' '.join(named)}", "", *cells, "", "", "")
        else:
            sold_as = f"{listed.provider} {listed.upstream}"
            yield (listed.name, sold_as, *cells, window, most, f"{listed.version}{since}")
        audio = (rates.audio_input, rates.cache_read_audio, rates.audio_output)
        if audio != (rates.fresh_input, rates.cache_read, rates.output):
            of_input, cached, output = (usd_text(rate, 9) for rate in audio)
            yield (f"  {' '.join([*named, 'audio'])}", "", of_input, cached, "", "", output, "", "", "", "")


def _shown(listed: Listed, on: date) -> dict[str, Any]:
    entry = dated_price_at(listed.prices, on)
    return {
        "name": listed.name,
        "provider": listed.provider,
        "model": listed.upstream,
        "price_version": listed.version,
        "since": None if entry.effective_from == date.min else entry.effective_from.isoformat(),
        "context_window_tokens": listed.window_tokens,
        "max_output_tokens": listed.max_output_tokens,
        "tariffs": [
            {"service_tier": tier, "above_input_tokens": above, "usd": _usd(rates)}
            for tier, above, rates in _tariffs(entry.price)
        ],
    }


def _usd(rates: Rates) -> dict[str, str]:
    return {name: usd_text(getattr(rates, name), 9) for name in RATE_NAMES}
