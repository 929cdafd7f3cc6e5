"""`rulegate alerts`: a test of who is told, silences, and what is taken for normal."""

import click

from gateway.cli.alerts import accept, silence, test

NOT_BUILT = ("replay",)
"""Commands that the design names and this version does not have."""


class _Alerts(click.Group):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command; one that is not built yet is refused by its name."""
        if cmd_name in NOT_BUILT:
            ctx.fail(f"alerts {cmd_name} is not built yet")
        return super().get_command(ctx, cmd_name)


@click.group("alerts", cls=_Alerts, short_help="Test who is told of alerts, silence and accept some.")
def command() -> None:
    """Send a sample to receivers, make, list and end silences, and take incidents for normal."""


command.add_command(test.command)
command.add_command(silence.command)
command.add_command(accept.command)
