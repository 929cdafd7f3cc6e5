"""`rulegate report`: what was spent, by whatever is asked, and what routing saved against one model."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click

from gateway.adapters.clock import SystemClock
from gateway.adapters.ledger_sqlite import Dimension as Booked
from gateway.adapters.ledger_sqlite import LedgerReader
from gateway.adapters.log_sqlite import LogReader
from gateway.cli.prices.listing import Listed, book_of
from gateway.cli.report import asked
from gateway.cli.report.extra import extras
from gateway.cli.report.rows import comparison
from gateway.cli.report.shown import Report, json_of, text_of
from gateway.cli.rules import RULES_OPTION
from gateway.domain.problem import StoreError
from gateway.engine.report import NOTHING, PERIODS, By, Dimension, grouped, labels, ledger_key

_BOOKED: dict[str, Booked] = {**{name: name for name in get_args(Dimension)}, **dict.fromkeys(PERIODS, "quarter")}
"""What of the ledger tells each dimension."""


@click.command("report", short_help="Show what was spent, and what routing saved.")
@click.option(
    "--by",
    callback=asked.read(asked.dimensions),
    default="model",
    show_default=True,
    metavar="NAMES",
    help=f"What to sum by, with commas between them: {', '.join(asked.CHOICES)}.",
)
@click.option(
    "--from",
    "first",
    callback=asked.read(asked.beginning),
    metavar="DATE",
    help="The first day, as 2026-11-01, or the last days, as 30d.  [default: the first of the month]",
)
@click.option(
    "--to", "last", callback=asked.read(asked.day), metavar="DATE", help="The last day, all of it.  [default: today]"
)
@click.option(
    "--timezone",
    "where",
    callback=asked.read(asked.zone),
    default="UTC",
    show_default=True,
    metavar="ZONE",
    help="Whose days these are, such as Europe/Berlin.",
)
@click.option(
    "--baseline",
    metavar="MODEL",
    help="Also say what the same answers would have cost by MODEL: a name of the rules, an id of the catalogue, or "
    "SELLER/ID.",
)
@click.option(
    "--extra", is_flag=True, help="Also say what failures and hedges cost by rule: money, tokens, and time of callers."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="RULEGATE_DATA",
    default=Path("data"),
    show_default=True,
    help="Where the gateway keeps the log and the state.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@RULES_OPTION
@click.pass_context
def command(context: click.Context, /, **_: object) -> None:
    """Say what was spent in some days: attempts, tokens and US dollars, to the nano-dollar.

    The ledger is read, whether the gateway runs or not; nothing is written. With --baseline the rows are read too.
    """
    options = context.params
    data: Path = options["data"]
    reader = LedgerReader(asked.ledger_in(data))
    span = asked.span_of(options["first"], options["last"], options["where"], SystemClock().now())
    baseline = _model(options["baseline"], options["rules"]) if options["baseline"] else None
    try:
        report = _report(reader, data, span, options["by"], baseline)
        if options["extra"]:
            report = replace(report, extra=extras(reader, LogReader(data / "log"), span.quarters))
        if not (report.lines or options["as_json"]):
            click.echo(_nothing(reader, data, span))
            return
    except StoreError as error:
        hint = (
            "read it as the user that the gateway runs as, start this version there once if an older one wrote it, or "
            "give another directory with --data DIR"
        )
        raise click.ClickException(f"{error}\n  {hint}") from error
    click.echo(json.dumps(json_of(report), indent=2) if options["as_json"] else text_of(report))


def _report(reader: LedgerReader, data: Path, span: asked.Span, by: By, baseline: Listed | None) -> Report:
    label = labels(span.zone)
    booked = reader.booked(*span.quarters, [_BOOKED[name] for name in by])
    return Report(
        data=str(data),
        simulated=asked.is_simulated(data),
        span=span,
        by=by,
        lines=grouped((ledger_key(values, by, label), amounts) for values, amounts in booked.spend.items()),
        total=grouped(((), amounts) for amounts in booked.quarters.values()).get((), NOTHING),
        comparison=comparison(baseline, LogReader(data / "log"), booked, span.quarters, by, label)
        if baseline
        else None,
    )


def _model(name: str, rules: Path | None) -> Listed:
    try:
        return book_of(rules, needed=False).the_one(name)
    except ValueError as error:
        raise click.BadParameter(str(error).removeprefix("model: "), param_hint="--baseline") from error


def _nothing(reader: LedgerReader, data: Path, span: asked.Span) -> str:
    said = f"nothing was spent in {span}, {data}"
    ends: Sequence[int] | None = reader.ends()
    if ends is None:
        return f"{said}: no request has used anything yet"
    first, last = (asked.day_in(quarter, span.zone) for quarter in ends)
    return f"{said}; the ledger goes from {first} to {last}: choose with --from and --to"
