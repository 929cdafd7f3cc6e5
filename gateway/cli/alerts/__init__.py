"""`rulegate alerts`: a test of who is told, silences, what is taken for normal, and a replay."""

import click

from gateway.cli.alerts import accept, replay, silence, test


@click.group("alerts", short_help="Test who is told of alerts, silence and accept some.")
def command() -> None:
    """Send a sample to receivers, make, list and end silences, take incidents for normal, and replay spend."""


command.add_command(test.command)
command.add_command(silence.command)
command.add_command(accept.command)
command.add_command(replay.command)
