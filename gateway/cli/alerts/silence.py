"""`rulegate alerts silence`: silences of a running gateway, made, listed and ended."""

from typing import Any
from urllib.parse import quote

import click

from gateway.cli.alerts.asking import Place, as_json_option, ask, key_option, show, url_option


@click.command("silence", short_help="Make, list and end silences.")
@click.argument("matchers", nargs=-1, metavar="[LABEL=VALUE]...")
@click.option("--for", "for_", help="For how long, such as 2h.")
@click.option("--until", help="Until when, such as 2026-12-01T06:00:00Z.")
@click.option("--comment", default="", help="Why, for whoever reads the list.")
@click.option("--end", metavar="ID", help="End the silence with this id.")
@url_option
@key_option
@as_json_option
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
        show(ask(at, f"/api/silences/{quote(end, safe='')}", "DELETE"), as_json, f"ended {end}")
    elif matchers:
        labels = dict(map(_label, matchers))
        if (for_ is None) is (until is None):
            raise click.UsageError("say how long: --for 2h or --until 2026-12-01T06:00:00Z, one of them")
        time = {"for": for_} if for_ is not None else {"until": until}
        made = ask(at, "/api/silences", "POST", {"matchers": labels, "comment": comment, **time})
        show(made, as_json, f"silenced until {made['until']}: {_words(labels)}\nend it with --end {made['id']}")
    else:
        _refuse((), for_, until)
        silences = ask(at, "/api/alerts", "GET")["silences"]
        lines = [_line(each) for each in silences] or ["nothing is silenced"]
        show(silences, as_json, "\n".join(lines))


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
