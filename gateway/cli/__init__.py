"""The commands, one file each, brought in when they are called."""

import os
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

import click

COMMANDS = ("init", "serve", "check", "test", "explain", "prices", "report", "alerts", "simulate", "keys")

_CALLED_ELSEWHERE = {"validate": "check", "lint": "check", "run": "serve", "start": "serve", "replay": "alerts replay"}
"""What commands are called in other programs, or one level up."""


class Lazy(click.Group):
    """A group that brings in a command by its name, so that one command does not load what another needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Bring a command in."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; for a misspelt one, name the nearest."""
        near = (_CALLED_ELSEWHERE.get(args[0]), *get_close_matches(args[0], COMMANDS, n=1))
        if args[0] not in COMMANDS and (meant := next(filter(None, near), None)):
            ctx.fail(f"there is no command '{args[0]}': did you mean '{meant}'?")
        return super().resolve_command(ctx, args)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("rulegate"), prog_name="rulegate")
@click.pass_context
def main(context: click.Context) -> None:
    """Route LLM requests by rules in small YAML files."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org; pipes have no colours anyway
        context.color = False
