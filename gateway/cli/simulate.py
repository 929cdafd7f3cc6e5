"""`rulegate simulate`: the simulated providers alone."""

import asyncio
import signal

import click

from gateway.cli.serve import read_address
from gateway.config.settings import Address
from gateway.simulator.faults import Fault, Faults, Script
from gateway.simulator.server import build_app, start


def _faults(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Script]:
    scripts = {}
    for value in values:
        model, equals, word = value.partition("=")
        if not equals or word not in {fault.value for fault in Fault}:
            raise click.BadParameter(f"'{value}' is not MODEL=FAULT, with a fault of {', '.join(Fault)}")
        scripts[model] = Script(Fault(word))
    return scripts


@click.command("simulate", short_help="Run the simulated providers alone.")
@click.option("--listen", callback=read_address, default="127.0.0.1:9100", show_default=True, help="HOST:PORT.")
@click.option("--speed", type=click.FloatRange(0), default=1.0, show_default=True, help="Factor on delays.")
@click.option("--fault", "faults", multiple=True, callback=_faults, metavar="MODEL=FAULT", help="Make one fail.")
def command(listen: Address, speed: float, faults: dict[str, Script]) -> None:
    """Answer as the providers would, in both dialects, for any model and without a key; a model fails when told to."""
    if not listen.loopback:
        raise click.ClickException(f"{listen.host} can be reached from other machines: listen on 127.0.0.1")
    asyncio.run(_run(listen, speed, faults))


async def _run(listen: Address, speed: float, faults: dict[str, Script]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        runner, port = await start(build_app(Faults(faults), speed=speed), listen.host, listen.port)
    except OSError as error:
        words = (error.strerror or "unknown error").lower()
        raise click.ClickException(f"cannot listen on {listen.host}:{listen.port}: {words}; try --listen :0") from error
    try:
        url = listen.url(port)
        click.echo(
            f"simulated providers listen on {url}: base_url {url}/v1 (Anthropic: {url})\n"
            f'  make a model fail:  curl -s {url}/faults -d \'{{"model": "gpt-5", "fault": "overloaded"}}\'\n'
            f"  faults: {', '.join(Fault)}"
        )
        await stop.wait()
    finally:
        await runner.cleanup()
