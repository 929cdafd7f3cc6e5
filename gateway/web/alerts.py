"""Alerts as operators see them: what is open, what was said, who was told; and what they say about it.

Nothing here is changed by a GET: a link in a message may be followed by whoever gets hold of it.
"""

from collections.abc import Mapping
from datetime import datetime

from aiohttp import web

from gateway.domain.alert import Alert
from gateway.domain.outbox import Hush, Mailbox, Said
from gateway.domain.problem import StoreError
from gateway.runtime import silences
from gateway.runtime.alerts import Incident
from gateway.runtime.deliveries import Deliveries
from gateway.web.answers import answer
from gateway.web.keys import PARTS

LARGEST_BODY = 16_384
RECENT = 50


async def alerts(http: web.Request) -> web.Response:
    """Say what is open, what was said lately, what is silenced, and how deliveries to each receiver stand."""
    parts = http.app[PARTS]
    try:
        recent = await parts.alerts.recent(RECENT)
    except StoreError as error:
        return _failed(error)
    snapshot = parts.reloader.active.snapshot
    return answer(
        {
            "open": [_open(incident) for incident in parts.alerts.open()],
            "recent": [_said(said) for said in recent],
            "silences": [_hush(hush) for hush in parts.alerts.hushes()],
            "receivers": [
                _receiver(name, each.receiver.kind.value, parts.deliveries)
                for name, each in sorted(snapshot.receivers.items())
            ],
        }
    )


async def silence(http: web.Request) -> web.Response:
    """Silence one incident for a while."""
    found = _find(http)
    return found if isinstance(found, web.Response) else await _make(http, {"incident_id": found})


async def hush(http: web.Request) -> web.Response:
    """Silence whatever has some labels, for a while."""
    return await _make(http, None)


async def unhush(http: web.Request) -> web.Response:
    """End a silence."""
    id_ = http.match_info["id"]
    try:
        ended = await http.app[PARTS].alerts.unhush(id_)
    except StoreError as error:
        return _failed(error)
    return answer({"id": id_, "ended": True}) if ended else _missing("silence", id_)


async def accept(http: web.Request) -> web.Response:
    """Take the state of an incident for normal: it ends, and begins again only when it gets worse or has cleared."""
    found = _find(http)
    if isinstance(found, web.Response):
        return found
    try:
        await http.app[PARTS].alerts.accept(found)
    except StoreError as error:
        return _failed(error)
    return answer({"id": found, "accepted": True})


def _find(http: web.Request) -> str | web.Response:
    """Give the id of the open incident that the path names, or the answer that there is none."""
    id_ = http.match_info["id"]
    there = (each.state.incident_id for each in http.app[PARTS].alerts.open())
    return id_ if id_ in there else _missing("open incident", id_)


async def _make(http: web.Request, matcher: Mapping[str, str] | None) -> web.Response:
    parts = http.app[PARTS]
    wanted = silences.read(await http.content.read(LARGEST_BODY), parts.clock.now(), matcher)
    if isinstance(wanted, str):
        return answer({"error": {"message": wanted}}, 400)
    try:
        return answer(_hush(await parts.alerts.hush(wanted.matcher, wanted.until, wanted.comment)))
    except StoreError as error:
        return _failed(error)


def _missing(what: str, id_: str) -> web.Response:
    return answer({"error": {"message": f"there is no {what} '{id_[:100]}'; GET /api/alerts lists what there is"}}, 404)


def _failed(error: StoreError) -> web.Response:
    return answer({"error": {"message": str(error)}}, 503)


def _open(incident: Incident) -> dict[str, object]:
    standing, state = incident.standing, incident.state
    return {
        "id": state.incident_id,
        "alert": standing.alert,
        "kind": standing.kind.value,
        "scope": dict(standing.scope),
        "severity": state.severity.value,
        "phase": state.phase.value,
        "summary": standing.summary,
        "started_at": _moment(state.started_at),
        "told_at": _moment(state.told_at),
        "told": list(standing.told),
        "silenced": incident.silenced,
    }


def _said(said: Said) -> dict[str, object]:
    alert: Alert = said.alert
    return {
        "id": alert.incident_id,
        "message": alert.message_id,
        "alert": alert.alert,
        "kind": alert.kind.value,
        "scope": dict(alert.scope),
        "severity": alert.severity.value,
        "phase": alert.phase.value,
        "reminder": alert.reminder,
        "summary": alert.summary,
        "started_at": _moment(alert.started_at),
        "ended_at": _moment(alert.ended_at),
        "at": _moment(alert.at),
        "silenced": said.silenced,
    }


def _hush(of: Hush) -> dict[str, object]:
    return {
        "id": of.id,
        "matchers": dict(of.matcher),
        "until": _moment(of.until),
        "made_at": _moment(of.made_at),
        "comment": of.comment,
    }


def _receiver(name: str, kind: str, deliveries: Deliveries) -> dict[str, object]:
    mailbox, waiting = deliveries.standing(name)
    return {"name": name, "kind": kind, "waiting": waiting, **_mailbox(mailbox)}


def _mailbox(of: Mailbox) -> dict[str, object]:
    last = {
        "at": _moment(of.last_at),
        "message": of.last_message,
        "status": of.last_status,
        "result": of.last_result,
        "words": of.last_words,
    }
    return {
        "disabled": of.disabled or None,
        "not_before": _moment(of.not_before),
        "failed_in_a_row": of.failed,
        "last": last if of.last_at else None,
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None
