"""`rulegate alerts silence`: silences of a running gateway, made, listed and ended."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import click

from gateway.adapters.proxy import is_here

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the gateway is, and an operator's key for it."""

    url: str
    key: str | None = field(repr=False)


@click.command("silence", short_help="Make, list and end silences.")
@click.argument("matchers", nargs=-1, metavar="[LABEL=VALUE]...")
@click.option("--for", "for_", help="For how long, such as 2h.")
@click.option("--until", help="Until when, such as 2026-12-01T06:00:00Z.")
@click.option("--comment", default="", help="Why, for whoever reads the list.")
@click.option("--end", metavar="ID", help="End the silence with this id.")
@click.option("--url", envvar="RULEGATE_URL", default=DEFAULT_URL, show_default=True, help="The running gateway.")
@click.option("--key", envvar="RULEGATE_KEY", help="An operator's key, for a gateway on another machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(  # noqa: PLR0913 - the options of the command
    matchers: tuple[str, ...],
    *,
    for_: str | None,
    until: str | None,
    comment: str,
    end: str | None,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Silence alerts of a running gateway that have all these labels; without labels, list the silences there are.

    Labels are `alert`, `kind`, `severity`, `incident_id`, and what the incident is about: `budget`, `rule`, `model`.
    What is silenced is kept and not sent; what lasts longer than the silence is sent when it is over.
    """
    at = Place(url, key)
    if end is not None:
        _refuse(matchers, for_, until)
        _show(_ask(at, f"/api/silences/{quote(end, safe='')}", "DELETE"), as_json, f"ended {end}")
    elif matchers:
        labels = dict(map(_label, matchers))
        if (for_ is None) is (until is None):
            raise click.UsageError("say how long: --for 2h or --until 2026-12-01T06:00:00Z, one of them")
        time = {"for": for_} if for_ is not None else {"until": until}
        made = _ask(at, "/api/silences", "POST", {"matchers": labels, "comment": comment, **time})
        _show(made, as_json, f"silenced until {made['until']}: {_words(labels)}\nend it with --end {made['id']}")
    else:
        _refuse((), for_, until)
        silences = _ask(at, "/api/alerts", "GET")["silences"]
        lines = [_line(each) for each in silences] or ["nothing is silenced"]
        _show(silences, as_json, "\n".join(lines))


def _refuse(matchers: tuple[str, ...], for_: str | None, until: str | None) -> None:
    if matchers or for_ or until:
        raise click.UsageError("--for and --until are for labels: alert=budget budget=growth --for 2h")


def _label(written: str) -> tuple[str, str]:
    label, equals, value = written.partition("=")
    if not label or not equals or not value:
        raise click.UsageError(f"'{written}' is no label: write LABEL=VALUE, such as alert=budget")
    return label, value.strip('"')


def _words(labels: dict[str, str]) -> str:
    return " ".join(f"{label}={value}" for label, value in labels.items())


def _line(silence: dict[str, Any]) -> str:
    comment = f"  # {silence['comment']}" if silence["comment"] else ""
    return f"{silence['id']}  until {silence['until']}  {_words(silence['matchers'])}{comment}"


def _show(answer: object, as_json: bool, text: str) -> None:  # noqa: FBT001 - the option's value
    click.echo(json.dumps(answer, indent=2) if as_json else text)


def _ask(at: Place, path: str, method: str, body: object = None) -> Any:  # noqa: ANN401 - decoded JSON
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
