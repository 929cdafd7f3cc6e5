"""`rulegate prices cost`: what a usage object comes to, or a file of them."""

import json
from datetime import date, datetime
from typing import Any, BinaryIO

import click

from gateway.cli.prices.case import cost_in, usage_in
from gateway.cli.prices.listing import ON_OPTION, Book, Listed, book_of, columns, day_of
from gateway.cli.rules import RULES_OPTION, counted
from gateway.config import catalogue
from gateway.dialects.fields import object_of
from gateway.dialects.reported import Api
from gateway.domain.price import usd_text
from gateway.domain.usage import Usage
from gateway.engine.pricing import FEMTO_USD_PER_NANO_USD, charges, cost_femto_usd, nano_usd_of, price_at

FEMTO_PLACES = 15
OF_ONE = ("model", "usage", "api", "service_tier", "web_searches")
"""What each line of `--jsonl` says for itself."""


@click.command("cost", short_help="Price usage objects.")
@click.argument("model", required=False)
@click.argument("usage", required=False)
@click.option("--jsonl", type=click.File("rb"), help="A file of cases, one a line, instead; - for standard input.")
@click.option("--rates", is_flag=True, help="With --jsonl: price each line by its own rates_usd.")
@click.option(
    "--api", type=click.Choice([each.value for each in Api]), help="Whose words USAGE uses.  [default: its fields tell]"
)
@click.option("--service-tier", help="The tier that the answer names beside its usage.")
@click.option("--web-searches", type=click.IntRange(0), help="Web searches that the usage does not count.")
@ON_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@RULES_OPTION
@click.pass_context
def command(context: click.Context, /, jsonl: BinaryIO | None, day: datetime | None, **_: object) -> None:
    """Say what a USAGE object of MODEL costs: each counter, its rate and its amount, and the sum.

    MODEL is a name of the rules, an id of the catalogue, or SELLER/ID. USAGE is JSON, @FILE, or - for standard input.
    With --jsonl, each line of FILE is a case, and its cost is a line of JSON. What has no price is an error, never 0.
    """
    options = context.params
    if jsonl is not None:
        if any(options[name] is not None for name in OF_ONE):
            raise click.UsageError(f"with --jsonl each line says its own {', '.join(OF_ONE)}: give them there")
        book = book_of(options["rules"], needed=False) if options["rules"] else Book(catalogue.load(), None)
        if not _lines(jsonl, book, day_of(day), own_rates=options["rates"]):
            context.exit(1)
        return
    if options["rates"] or options["model"] is None or options["usage"] is None:
        raise click.UsageError(
            "give MODEL and USAGE, or --jsonl FILE (with it, --rates prices by each line's own rates)"
        )
    book = book_of(options["rules"], needed=False)
    try:
        listed = book.the_one(options["model"])
        case = {name: options[name] for name in OF_ONE} | {"usage": _object(options["usage"])}
        api, counted_usage = usage_in(case, anthropic=listed.anthropic)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    account = _account(listed, api, counted_usage, day)
    click.echo(json.dumps(account, indent=2) if options["as_json"] else _text(account))


def _object(written: str) -> dict[str, Any]:
    """Decode USAGE; raises ValueError for a file that cannot be read and for what is no JSON object."""
    data = written.encode()
    if written == "-" or written.startswith("@"):
        try:
            with click.open_file("-" if written == "-" else written[1:], "rb") as file:
                data = file.read()
        except OSError as error:
            raise ValueError(f"usage: {error.filename} cannot be read: {error.strerror}") from error
    usage = object_of(data)
    if usage is None:
        raise ValueError("usage: it is no JSON object: give the provider's usage as JSON, @FILE, or - for stdin")
    return usage


def _lines(jsonl: BinaryIO, book: Book, today: date, *, own_rates: bool) -> bool:
    """Price each line that can be priced, and say of each other one what is wrong with it; true where none is."""
    bad = 0
    number = 0
    for number, line in enumerate(jsonl, start=1):
        if not line.strip():
            continue
        try:
            click.echo(json.dumps(_priced(object_of(line), book, today, own_rates=own_rates)))
        except ValueError as error:
            bad += 1
            click.echo(f"line {number}: {error}", err=True)
    if bad:
        click.echo(f"{counted(bad, 'line')} of {number} could not be priced", err=True)
    return not bad


def _priced(case: dict[str, Any] | None, book: Book, today: date, *, own_rates: bool) -> dict[str, Any]:
    if case is None:
        raise ValueError('it is no JSON object: write {"id", "provider", "model", "api", "usage"}')
    if case.get("id") is None:
        raise ValueError("id: it is missing: the answer is found by it")
    femto = cost_in(case, book, today, own_rates=own_rates)
    return {"id": case["id"], **_cost(femto)}


def _cost(femto: int) -> dict[str, Any]:
    return {"cost_usd": usd_text(femto, FEMTO_PLACES), "cost_nano_usd": nano_usd_of(femto)}


def _account(listed: Listed, api: Api, usage: Usage, day: datetime | None) -> dict[str, Any]:
    price = price_at(listed.prices, day_of(day))
    return {
        "name": listed.name,
        "provider": listed.provider,
        "model": listed.upstream,
        "price_version": listed.version,
        "api": api.value,
        "service_tier": usage.service_tier,
        "charges": [
            {
                "rate": name,
                "count": count,
                "per": 1 if name == "web_search" else FEMTO_USD_PER_NANO_USD,
                "usd": usd_text(each, FEMTO_PLACES if name == "web_search" else 9),
                "amount_usd": usd_text(count * each, FEMTO_PLACES),
            }
            for name, count, each in charges(usage, price)
            if count
        ],
        **_cost(cost_femto_usd(usage, price)),
    }


def _text(account: dict[str, Any]) -> str:
    sold_as = f"{account['name']} ({account['provider']} {account['model']})"
    rows = (
        (each["rate"], f"{each['count']:,}", "x", each["usd"], "=", each["amount_usd"]) for each in account["charges"]
    )
    return "\n".join(
        [
            f"{sold_as}, {account['api']}, tier {account['service_tier']}, price {account['price_version']}",
            "USD per million tokens; web_search per call",
            *columns((*rows, ("cost", "", "", "", "=", account["cost_usd"])), left=1),
            f"{account['cost_nano_usd']} nano-dollars",
        ]
    )
