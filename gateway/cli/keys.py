"""`rulegate keys`: caller keys. The gateway keeps their hashes, never the keys."""

import hashlib
import json
import secrets
from collections.abc import Mapping

import click

from gateway.config import schema, yamltree
from gateway.config.quantities import end_of

KEY_BYTES = 24
"""192 random bits: nothing that a salt or a slow hash could make safer."""


@click.group("keys", short_help="Make caller keys.")
def command() -> None:
    """Make caller keys."""


@command.command("add")
@click.argument("name")
@click.option("--team", help="The team that the caller belongs to.")
@click.option("--tag", "tags", multiple=True, help="A tag for its requests; may be repeated.")
@click.option("--models", help="The only models that may answer it, with commas between them.  [default: all]")
@click.option("--expires", help="When the key stops being taken: 2026-12-31, or 2026-12-31T18:00:00Z.")
@click.option("--operator", is_flag=True, help="Let the key open the operations endpoints to other machines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def add(context: click.Context, /, **_: object) -> None:
    """Make a key for the caller NAME.

    The entry for a rule file goes to standard output, so that it can be sent there. The key goes to standard error,
    this once; the entry has its hash alone.
    """
    options = context.params
    key = f"rg-{secrets.token_urlsafe(KEY_BYTES)}"
    models = [each.strip() for each in (options["models"] or "").split(",") if each.strip()]
    fields = {
        "key_sha256": hashlib.sha256(key.encode()).hexdigest(),
        "team": options["team"],
        "tags": list(options["tags"]),
        "models": models,
        "expires": options["expires"],
        "operator": options["operator"],
    }
    entry = {name: value for name, value in fields.items() if value}
    text = entry_of(options["name"], entry)
    if options["as_json"]:
        click.echo(json.dumps({"name": options["name"], "key": key, **entry}, indent=2))
        return
    click.echo(f"key for {options['name']}, shown this once: {key}", err=True)
    click.echo(text, nl=False)


def entry_of(name: str, entry: Mapping[str, object]) -> str:
    """Give the `callers` section of one caller as a file would hold it. Raises UsageError where none would load."""
    listed = ", ".join(f"{field}: {json.dumps(value)}" for field, value in entry.items())
    text = f"callers:\n  {json.dumps(name)}: {{{listed}}}\n"
    document = yamltree.parse(name, text.encode())
    problems = schema.validate(document) if isinstance(document, yamltree.Document) else document
    if problems:
        raise click.UsageError("; ".join(problem.message for problem in problems))
    if isinstance(expires := entry.get("expires"), str):
        try:
            end_of(expires)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return text
