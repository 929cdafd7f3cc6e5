"""`rulegate prices compare`: where another table of prices says something else."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO

import click

from gateway.cli.prices.listing import ALL_OPTION, ON_OPTION, Book, Listed, book_of, columns, day_of, listed_in
from gateway.cli.rules import RULES_OPTION, counted
from gateway.config.second_table import PREFIXES, Difference, SecondTable, decode, differences
from gateway.domain.price import NANO_USD_PER_USD, usd_text
from gateway.engine.pricing import price_at

HEADS = ("model", "sold as", "tier", "above in", "rate", "ours", "theirs", "ratio")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two tables say: models that agree, differences by model, and ids that only one of them has."""

    agree: tuple[Listed, ...]
    differ: tuple[tuple[Listed, tuple[Difference, ...]], ...]
    ours_only: tuple[Listed, ...]
    theirs_only: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether something was compared, and none of it differs."""
        return bool(self.agree) and not self.differ


@click.command("compare", short_help="Compare prices with another table.")
@click.argument("model", nargs=-1)
@click.option(
    "--with",
    "table",
    type=click.File("rb"),
    metavar="FILE",
    help="The other table: JSON in the form of litellm's model_prices_and_context_window.json; - for standard input.",
)
@ALL_OPTION
@ON_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@RULES_OPTION
@click.pass_context
def command(context: click.Context, /, model: tuple[str, ...], table: BinaryIO | None, **_: object) -> None:
    """Say where FILE has another price for each MODEL; without one, for those of the rules.

    MODEL is a name of the rules, an id of the catalogue, or SELLER/ID. What FILE does not say is not compared. Exits
    with 1 when a price differs, or when there was nothing to compare.
    """
    options = context.params
    if table is None:
        raise click.UsageError(
            "give --with FILE: a JSON file in the form of litellm's model_prices_and_context_window.json"
        )
    if model and options["everything"]:
        raise click.UsageError("give a MODEL or --all, not both")
    name = getattr(table, "name", "<stdin>")
    name = "standard input" if name == "<stdin>" else name
    try:
        second = decode(table.read())
    except ValueError as error:
        raise click.ClickException(f"{name} is not a table of prices: {error}") from error
    book = book_of(options["rules"], needed=not model and not options["everything"])
    on = day_of(options["day"])
    listed = listed_in(book, model, everything=options["everything"])
    result = compare(listed, second, on, () if model else _unknown_here(listed, second, book))
    click.echo(json.dumps(_shown(result, on), indent=2) if options["as_json"] else _text(result, name))
    if not result.ok:
        context.exit(1)


def compare(listed: Sequence[Listed], second: SecondTable, on: date, theirs_only: tuple[str, ...] = ()) -> Comparison:
    """Compare each model with its entry in the second table, at the prices of a day."""
    agree: list[Listed] = []
    differ: list[tuple[Listed, tuple[Difference, ...]]] = []
    ours_only: list[Listed] = []
    for each in listed:
        entry = second.find((PREFIXES[each.seller],), each.ids) if each.seller in PREFIXES else {}
        if not entry:
            ours_only.append(each)
        elif found := tuple(differences(price_at(each.prices, on), entry)):
            differ.append((each, found))
        else:
            agree.append(each)
    return Comparison(tuple(agree), tuple(differ), tuple(ours_only), theirs_only)


def _unknown_here(listed: Sequence[Listed], second: SecondTable, book: Book) -> tuple[str, ...]:
    """Name the text models that the sellers of these models have in the second table and not in our catalogue."""
    sellers = sorted({each.seller for each in listed if each.seller in PREFIXES})
    return tuple(
        f"{seller}/{name}"
        for seller in sellers
        for name in sorted(second.sold_by(seller))
        if book.catalogue.lookup(seller, name) is None
    )


def _text(result: Comparison, name: str) -> str:
    rows = [row for each, found in result.differ for row in _rows(each, found)]
    lines = ["USD per million tokens; web_search per call", *columns((HEADS, *rows), left=5)] if rows else []
    every = len(result.agree) + len(result.differ) + len(result.ours_only)
    parts = [f"{len(result.agree)} agree", f"{len(result.differ)} differ", f"{len(result.ours_only)} not in it"]
    if result.theirs_only:
        parts.append(f"{len(result.theirs_only)} of the same sellers in it alone")
    return "\n".join([*lines, f"{counted(every, 'model')} compared with {name}: {', '.join(parts)}"])


def _rows(listed: Listed, found: Sequence[Difference]) -> Iterator[tuple[str, ...]]:
    for each in found:
        above = f"{each.above_input_tokens:,}" if each.above_input_tokens else ""
        ratio = "-" if each.ratio is None else f"{each.ratio:.3g}"
        sold_as = f"{listed.provider} {listed.upstream}"
        ours, theirs = usd_text(each.ours, 9), _usd(each.theirs)
        yield (listed.name, sold_as, each.service_tier, above, each.rate, ours, theirs, ratio)


def _shown(result: Comparison, on: date) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "on": on.isoformat(),
        "agree": [each.name for each in result.agree],
        "differences": [
            {
                "name": listed.name,
                "provider": listed.provider,
                "model": listed.upstream,
                "service_tier": each.service_tier,
                "above_input_tokens": each.above_input_tokens,
                "rate": each.rate,
                "ours_usd": usd_text(each.ours, 9),
                "theirs_usd": _usd(each.theirs),
                "ratio": None if each.ratio is None else round(float(each.ratio), 6),
            }
            for listed, found in result.differ
            for each in found
        ],
        "ours_only": [each.name for each in result.ours_only],
        "theirs_only": list(result.theirs_only),
    }


def _usd(nano: Decimal) -> str:
    return f"{(nano / NANO_USD_PER_USD).normalize():f}"
