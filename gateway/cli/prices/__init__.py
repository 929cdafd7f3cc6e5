"""`rulegate prices`: what models cost, where another table differs, and what a usage object comes to."""

import click

from gateway.cli.prices import compare, cost, show


@click.group("prices", short_help="Show prices, compare them, and price usage objects.")
def command() -> None:
    """Show what models cost, compare it with another source, and price usage objects."""


command.add_command(show.command)
command.add_command(compare.command)
command.add_command(cost.command)
