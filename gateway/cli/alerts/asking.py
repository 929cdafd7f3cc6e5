"""What commands ask of a running gateway, and the options that say where it is."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import click

from gateway.adapters.proxy import is_here

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the gateway is, and an operator's key for it."""

    url: str
    key: str | None = field(repr=False)


url_option = click.option(
    "--url", envvar="RULEGATE_URL", default=DEFAULT_URL, show_default=True, help="The running gateway."
)
key_option = click.option("--key", envvar="RULEGATE_KEY", help="An operator's key, for a gateway on another machine.")
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def show(answer: object, as_json: bool, text: str) -> None:  # noqa: FBT001 - the option's value
    """Print an answer, as JSON or in words."""
    click.echo(json.dumps(answer, indent=2) if as_json else text)


def ask(at: Place, path: str, method: str, body: object = None) -> Any:  # noqa: ANN401 - decoded JSON
    """Ask a running gateway; this machine is asked without a proxy."""
    parts = urlsplit(at.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.UsageError(f"'{at.url}' is no address: write such as {DEFAULT_URL}")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {at.key}"} if at.key else {})
    url = at.url.rstrip("/") + path
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - http or https
    handlers = [urllib.request.ProxyHandler({})] if is_here(parts.hostname) else []
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise click.ClickException(_message(error)) from error
    except (OSError, ValueError) as error:
        hint = "start it, or say where it is with --url"
        raise click.ClickException(f"no gateway answers at {at.url}: {hint}") from error


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway answers with status {error.code}"
