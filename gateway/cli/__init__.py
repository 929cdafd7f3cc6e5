"""The commands, one file each, brought in when they are called."""

from importlib import import_module
from importlib.metadata import version

import click

COMMANDS = ("serve", "check", "test", "explain", "simulate", "keys")


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


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("rulegate"), prog_name="rulegate")
def main() -> None:
    """Route LLM requests by rules in small YAML files."""
