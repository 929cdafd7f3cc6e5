"""`rulegate serve`: the daemon."""

import asyncio
import logging
import signal
from pathlib import Path

import click

from gateway.adapters.state_sqlite import DataDirectoryError
from gateway.app import VERSION, Running, loop_factory, running
from gateway.cli.logs import configure_logging, take_over
from gateway.cli.rules import DEFAULT_RULES, counted, rules_or_shipped
from gateway.config.settings import Address, Settings, address_of
from gateway.runtime.drain import Drain
from gateway.wiring.stores import StartError

logger = logging.getLogger("gateway")

NOT_BUILT = ("workers", "state", "log-store")
"""Options that the design names and this version does not have."""


def read_address(_: click.Context, __: click.Parameter, value: str | None) -> Address | None:
    """Read an address option, which may be left out."""
    try:
        return None if value is None else address_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _refuse(_: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.BadParameter(f"{option.opts[0]} is not built yet")


def _option(name: str, **attributes: object) -> click.Option:
    """Make an option that is also RULEGATE_NAME in the environment."""
    variable = f"RULEGATE_{name.upper().replace('-', '_')}"
    return click.Option([f"--{name}"], envvar=variable, show_envvar=True, **attributes)  # type: ignore[arg-type] # click's own names


PATH = click.Path(path_type=Path)
OPTIONS = [
    _option("rules", type=PATH, help="Directory of rule files.  [default: ./rules.d]"),
    _option("data", type=PATH, default=Path("data"), show_default=True, help="Where the log and the state are kept."),
    _option("listen", callback=read_address, default="127.0.0.1:8080", show_default=True, help="HOST:PORT."),
    _option("ops", callback=read_address, help="HOST:PORT for metrics, probes and /api alone.  [default: --listen's]"),
    _option("simulate", is_flag=True, help="Answer with simulated providers: no key, no network, no cost."),
    _option("use-last-good", is_flag=True, help="If the rules on disk do not run, start with those that ran last."),
    _option("allow-anonymous", is_flag=True, help="Let other machines connect although no callers are configured."),
    _option("log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True),
    _option("log-format", type=click.Choice(["text", "json"]), default="text", show_default=True),
    *(_option(name, hidden=True, expose_value=False, callback=_refuse) for name in NOT_BUILT),
]


def _serve(**_: object) -> None:
    """Run the gateway: check the rules, answer requests, follow the rules directory.

    The rules directory is followed while the gateway runs: an edit is live when it is saved, and an edit with a
    mistake changes nothing. Everything here takes a restart.
    """
    values = click.get_current_context().params
    configure_logging(values["log_level"], values["log_format"])
    rules = rules_or_shipped(values["rules"], shipped=values["simulate"])
    settings = Settings(
        rules=rules,
        data=values["data"],
        listen=values["listen"],
        simulate=values["simulate"],
        use_last_good=values["use_last_good"],
        ops=values["ops"],
        allow_anonymous=values["allow_anonymous"],
    )
    if settings.ops == settings.listen and settings.listen.port:
        raise click.BadParameter(
            "it is the address of --listen, which has all of it when --ops is left out", param_hint="--ops"
        )
    take_over()
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_until_stopped(settings, values["log_format"]))
    except (StartError, DataDirectoryError) as error:
        if values["log_format"] == "json":
            logger.critical("%s", error)
            raise click.exceptions.Exit(1) from error
        raise click.ClickException(str(error)) from error


command = click.Command(
    "serve", params=list(OPTIONS), callback=_serve, help=_serve.__doc__, short_help="Run the gateway."
)


async def _until_stopped(settings: Settings, form: str) -> None:
    drain = Drain()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, drain.stop)
    async with running(settings, drain) as daemon:
        say_hello(daemon, settings, form)
        await drain.stopping.wait()
    logger.info("stopped")


def say_hello(daemon: Running, settings: Settings, form: str) -> None:
    """Say what runs and where, and what to try with simulated providers: to people, or as lines of the log."""
    active = daemon.reloader.active
    warnings = active.warnings(active.loaded_at)
    if form == "json":
        for fact in facts(daemon, settings):
            logger.info(" ".join(fact.split()))
        for warning in warnings:
            logger.warning("rules: %s", warning)
        return
    lines = [*facts(daemon, settings), *(f"  warning {warning}" for warning in warnings)]
    if settings.simulate:
        lines += suggestions(daemon, settings)
    click.echo("\n".join(lines), err=not settings.simulate)


def facts(daemon: Running, settings: Settings) -> list[str]:
    """Say what runs, and where."""
    snapshot = daemon.reloader.active.snapshot
    simulates = ", and simulates the providers: no key, no network, no cost" if settings.simulate else ""
    where = settings.rules or f"the shipped rules (there is no ./{DEFAULT_RULES} here)"
    counts = f"{counted(len(snapshot.files), 'file')}, {counted(len(snapshot.rules), 'rule')}"
    lines = [
        f"rulegate {VERSION} listens on {daemon.address}{simulates}",
        f"  rules   {where}: {counts}, generation {snapshot.label}",
    ]
    if settings.ops is not None:
        lines.append(f"  ops     {daemon.ops} has metrics, probes and /api")
    if settings.simulate:
        lines.append(f"  faults  {daemon.simulator}/faults makes a simulated model fail")
    return lines


def suggestions(daemon: Running, settings: Settings) -> list[str]:
    """Say what to try next with simulated providers."""
    needed = daemon.reloader.active.snapshot.callers.needed
    who, key = ("the key of a caller", " -H 'x-api-key: KEY'") if needed else ("any key", "")
    execute, route = f"{daemon.address}/v1/execute{key}", f"{daemon.address}/v1/route{key}"
    translate = f'{execute} -d \'{{"prompt": "Translate into French: good morning"}}\''
    lines = [
        "",
        "Try, in another terminal:",
        f'  curl -s {execute} -d \'{{"prompt": "Write a Python function that parses a CSV file"}}\'',
        f"  curl -s {translate}",
        f'  curl -s {route} -d \'{{"prompt": "Prove that the square root of 2 is irrational"}}\'',
        f'  curl -s {daemon.simulator}/faults -d \'{{"model": "*", "fault": "overloaded", "count": 1}}\'',
        f"  curl -si {translate} | grep x-rulegate   # the next model answers",
        f"  curl -s '{daemon.ops}/api/log?limit=1'",
        f"  curl -s {daemon.ops}/metrics | grep rulegate_cost",
        "",
        f"OpenAI's and Anthropic's clients: model auto, {who}, base_url {daemon.address}/v1 and {daemon.address}.",
    ]
    if settings.rules:
        lines.append(f"Edit a file in {settings.rules} and ask again: the change is live when you save it.")
    return lines
