"""`rulegate init`: rule files to begin with."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from shlex import quote

import click

from gateway.cli.rules import DEFAULT_RULES
from gateway.cli.starter import ANTHROPIC, LOCAL, OPENAI, SCHEMA, SCHEMA_LINE, Account, accounts_for, starter
from gateway.config import packaged, sources
from gateway.wiring.rules import shipped_rules

_SHIPPED_SCHEMA_LINE = f"# yaml-language-server: $schema=../schemas/{SCHEMA}\n"
"""How the shipped files name the schema where they stand."""


@click.command("init", short_help="Write rule files to begin with.")
@click.argument("directory", type=click.Path(path_type=Path), default=DEFAULT_RULES)
@click.option("--shipped", is_flag=True, help="Write the rules that come with the gateway, for both providers.")
@click.option("--schema", "schema_alone", is_flag=True, help="Write the schema alone, in place of an older one.")
def command(directory: Path, *, shipped: bool, schema_alone: bool) -> None:
    """Write commented rule files into DIRECTORY (./rules.d) for the keys in the environment, and a schema for editors.

    OPENAI_API_KEY and ANTHROPIC_API_KEY are looked for; without one, the models are those of a server on this machine.
    A directory that has rule files is left as it is.
    """
    if schema_alone:
        _write(directory, {SCHEMA: _schema()}, over=True)
        return
    keys = [name for name, value in os.environ.items() if value]
    accounts = (OPENAI, ANTHROPIC) if shipped else accounts_for(keys)
    files = shipped_files() if shipped else {name: text.encode() for name, text in starter(accounts).items()}
    _refuse_rules_in(directory)
    _write(directory, {**files, SCHEMA: _schema()}, over=False)
    lines = [summary(accounts, keys), "", "Next:", *next_commands(directory, accounts, keys)]
    click.echo("\n".join(lines))


def summary(accounts: Sequence[Account], keys: Collection[str]) -> str:
    """Say whose models there are, and why."""
    titles = f"The models are those of {' and '.join(account.title for account in accounts)}"
    if LOCAL in accounts:
        return f"{titles}: neither {OPENAI.variable} nor {ANTHROPIC.variable} is set."
    if lacking := missing(accounts, keys):
        return f"{titles}; not set yet: {', '.join(lacking)}."
    found = " and ".join(account.variable for account in accounts)
    return f"{titles}: {found} {'is' if len(accounts) == 1 else 'are'} set."


def missing(accounts: Sequence[Account], keys: Collection[str]) -> list[str]:
    """Name the variables that these accounts need and that have nothing in them."""
    return [account.variable for account in accounts if account.variable and account.variable not in keys]


def shipped_files() -> dict[str, bytes]:
    """Give the rules that come with the gateway, as they stand where the schema is beside them."""
    old, new = _SHIPPED_SCHEMA_LINE.encode(), SCHEMA_LINE.encode()
    return {file.name: file.data.replace(old, new, 1) for file in shipped_rules()}


def next_commands(directory: Path, accounts: Sequence[Account], keys: Collection[str]) -> list[str]:
    """Give the two commands that come next; what cannot work for real yet is simulated."""
    where = "" if directory == DEFAULT_RULES else f" --rules {_quoted(directory)}"
    if missing(accounts, keys) or LOCAL in accounts:
        serve, why = " --simulate", "simulated providers; without --simulate, the real ones"
    else:
        serve, why = "", "the real providers; with --simulate, simulated ones"
    return [f"  rulegate check{where}", f"  rulegate serve{where}{serve}    # {why}"]


def _quoted(directory: Path) -> str:
    return quote(str(directory))


def _schema() -> bytes:
    return packaged.read(f"schemas/{SCHEMA}")


def _refuse_rules_in(directory: Path) -> None:
    try:
        names = sorted(path.name for path in directory.iterdir() if sources.counts(path.name))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed(directory, error) from error
    if names:
        raise click.ClickException(
            f"{directory} has rule files already: {', '.join(names)}; nothing was written\n"
            f"  check them with rulegate check --rules {_quoted(directory)}, or name another: rulegate init DIRECTORY"
        )


def _write(directory: Path, files: Mapping[str, bytes], *, over: bool) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            path = directory / name
            try:
                with path.open("wb" if over else "xb") as file:
                    file.write(data)
                click.echo(f"wrote {path}")
            except FileExistsError:
                click.echo(f"kept  {path} as it is")
    except OSError as error:
        raise _failed(directory, error) from error


def _failed(directory: Path, error: OSError) -> click.ClickException:
    words = (error.strerror or "unknown error").lower()
    return click.ClickException(
        f"cannot write to {directory}: {words}; name another directory: rulegate init DIRECTORY"
    )
