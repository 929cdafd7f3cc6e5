"""`rulegate alerts`: a test of who is told, and silences."""

import click

from gateway.cli.alerts import silence, test

NOT_BUILT = ("replay",)
"""Commands that the design names and this version does not have."""


class _Alerts(click.Group):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command; one that is not built yet is refused by its name."""
        if cmd_name in NOT_BUILT:
            ctx.fail(f"alerts {cmd_name} is not built yet")
        return super().get_command(ctx, cmd_name)


@click.group("alerts", cls=_Alerts, short_help="Test who is told of alerts, and silence some.")
def command() -> None:
    """Send a sample to receivers, and make, list and end silences."""


command.add_command(test.command)
command.add_command(silence.command)
