"""`rulegate serve`: the daemon."""

import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.adapters.state_sqlite import DataDirectoryError
from gateway.app import VERSION, Running, StartError, loop_factory, running
from gateway.cli.rules import DEFAULT_RULES, rules_or_shipped
from gateway.config.settings import Address, Settings, address_of

NOT_BUILT = ("ops", "workers", "state", "log-store")
"""Options that the design names and this version does not have."""


def read_address(_: click.Context, __: click.Parameter, value: str) -> Address:
    """Read an address option."""
    try:
        return address_of(value)
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
        allow_anonymous=values["allow_anonymous"],
    )
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_until_stopped(settings))
    except (StartError, DataDirectoryError) as error:
        raise click.ClickException(str(error)) from error


command = click.Command(
    "serve", params=list(OPTIONS), callback=_serve, help=_serve.__doc__, short_help="Run the gateway."
)


async def _until_stopped(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as daemon:
        click.echo(welcome(daemon, settings), err=not settings.simulate)
        await stop.wait()
        click.echo("stopping", err=True)


def welcome(daemon: Running, settings: Settings) -> str:
    """Say what runs, where, and what to try next."""
    active = daemon.reloader.active
    snapshot = active.snapshot
    where = settings.rules or f"the shipped rules (there is no ./{DEFAULT_RULES} here)"
    lines = [
        f"rulegate {VERSION} listens on {daemon.address}",
        f"  rules   {where}: {len(snapshot.files)} files, {len(snapshot.rules)} rules, generation {snapshot.label}",
    ]
    lines += [f"  warning {warning}" for warning in active.warnings(active.loaded_at)]
    if not settings.simulate:
        return "\n".join(lines)
    lines[0] += ", and simulates the providers: no key, no network, no cost"
    lines.append(f"  faults  {daemon.simulator}/faults makes a simulated model fail")
    who, key = ("the key of a caller", " -H 'x-api-key: KEY'") if snapshot.callers.needed else ("any key", "")
    execute, route = f"{daemon.address}/v1/execute{key}", f"{daemon.address}/v1/route{key}"
    translate = f'{execute} -d \'{{"prompt": "Translate into French: good morning"}}\''
    lines += [
        "",
        "Try, in another terminal:",
        f'  curl -s {execute} -d \'{{"prompt": "Write a Python function that parses a CSV file"}}\'',
        f"  curl -s {translate}",
        f'  curl -s {route} -d \'{{"prompt": "Prove that the square root of 2 is irrational"}}\'',
        f'  curl -s {daemon.simulator}/faults -d \'{{"model": "*", "fault": "overloaded", "count": 1}}\'',
        f"  curl -si {translate} | grep x-rulegate   # the next model answers",
        f"  curl -s '{daemon.address}/api/log?limit=1'",
        f"  curl -s {daemon.address}/metrics | grep rulegate_cost",
        "",
        f"OpenAI's and Anthropic's clients: model auto, {who}, base_url {daemon.address}/v1 and {daemon.address}.",
        f"Edit a file in {where} and ask again: the change is live when you save it." if settings.rules else "",
    ]
    return "\n".join(lines).rstrip()


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Give time, level, logger and message."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def configure_logging(level: str, form: str) -> None:
    """Send what the gateway says to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.WARNING)
