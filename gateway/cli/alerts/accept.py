"""`rulegate alerts accept`: what an incident of a running gateway tells of is normal from now on."""

from typing import Any
from urllib.parse import quote

import click

from gateway.cli.alerts.asking import Place, as_json_option, ask, key_option, show, url_option


@click.command("accept", short_help="Take the state of an incident for normal.")
@click.argument("incident", required=False, metavar="[ID]")
@url_option
@key_option
@as_json_option
def command(incident: str | None, *, url: str, key: str | None, as_json: bool) -> None:
    """Take the state of an incident of a running gateway for normal; without an ID, list the incidents that go on.

    The incident ends in a moment, and the alert begins again only when it gets worse, or after it has cleared once.
    """
    at = Place(url, key)
    if incident is None:
        found = ask(at, "/api/alerts", "GET")["open"]
        show(found, as_json, "\n".join(map(_line, found)) or "no incident goes on")
        return
    answer = ask(at, f"/api/alerts/{quote(incident, safe='')}/accept", "POST")
    show(answer, as_json, f"accepted {incident}: it ends, and begins again when it gets worse or has cleared once")


def _line(incident: dict[str, Any]) -> str:
    return f"{incident['id']}  {incident['severity']}  {incident['alert']}: {incident['summary']}"
