"""`rulegate keys`: caller keys. The gateway keeps their hashes, never the keys."""

import hashlib
import json
import secrets

import click

KEY_BYTES = 24
"""192 random bits: nothing that a salt or a slow hash could make safer."""


@click.group("keys", short_help="Make caller keys.")
def command() -> None:
    """Make caller keys."""


@command.command("add")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(name: str, *, as_json: bool) -> None:
    """Make a key for the caller NAME: prints the key, once, and its hash."""
    key = f"rg-{secrets.token_urlsafe(KEY_BYTES)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    if as_json:
        click.echo(json.dumps({"name": name, "key": key, "key_sha256": digest}, indent=2))
        return
    click.echo(f"key for {name}, shown this once: {key}")
    click.echo(f"key_sha256: {digest}")
