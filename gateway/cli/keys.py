"""`rulegate keys`: caller keys. The gateway keeps their hashes, never the keys."""

import hashlib
import secrets

import click

KEY_BYTES = 24
"""192 random bits: nothing that a salt or a slow hash could make safer."""


@click.group("keys", short_help="Make caller keys.")
def command() -> None:
    """Make caller keys."""


@command.command("add")
@click.argument("name")
def add(name: str) -> None:
    """Make a key for the caller NAME: prints the key, once, and its hash."""
    key = f"rg-{secrets.token_urlsafe(KEY_BYTES)}"
    click.echo(f"key for {name}, shown this once: {key}")
    click.echo(f"key_sha256: {hashlib.sha256(key.encode()).hexdigest()}")
