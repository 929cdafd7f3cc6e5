"""What is said of an incident: its figures, its parts, what did not change, and the sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain.shift import Cause, Channel, Finding, Notice, Parts, Status
from gateway.engine.shifts.choose import GROUPS
from gateway.engine.shifts.decompose import Share, decompose
from gateway.engine.shifts.incidents import Incident
from gateway.engine.shifts.terms import DAY_S, Terms
from gateway.engine.shifts.wording import sentence_of


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to tell; without a finding it is of an incident that was told before."""

    incident: Incident
    status: Status
    now: float
    finding: Finding | None
    reason: str


def told(what: Told, suspects: Sequence[Finding], totals: Mapping[str, list[list[float]]], terms: Terms) -> Notice:
    """Make the notice."""
    incident = what.incident
    finding = what.finding
    if finding is None:
        usd = incident.nano_usd
        finding = Finding(incident.cause, 0.0, 0.0, usd, incident.last_impact, incident.window_s, 0.0, 0.0)
    finding = replace(finding, detail=incident.detail)
    suspected = {each.cause.channel for each in suspects} | {incident.cause.channel}
    notice = Notice(
        number=incident.number,
        ts=what.now,
        status=what.status,
        severity=incident.severity,
        direction=incident.direction,
        cause=incident.cause,
        since=incident.since,
        finding=finding,
        nano_usd=round(incident.nano_usd),
        nano_usd_per_day=round(incident.nano_usd_per_day),
        sentence="",
        parts=_parts(incident, what.now, totals, terms),
        edit=incident.edit,
        unchanged=tuple(group[0] for group in GROUPS if not suspected & set(group) and group[0] is not Channel.RULE),
        suspects=_different(suspects),
        reason=what.reason,
    )
    return replace(notice, sentence=sentence_of(notice))


def _different(suspects: Sequence[Finding]) -> tuple[Cause, ...]:
    return tuple(dict.fromkeys(each.cause for each in suspects))


def _parts(incident: Incident, now: float, totals: Mapping[str, list[list[float]]], terms: Terms) -> Parts | None:
    """Compare the spend since the incident began, at most a day of it, with the same minutes a day before."""
    day = DAY_S // terms.bucket_s
    end = int(now // terms.bucket_s)
    first = max(int(incident.since // terms.bucket_s), end - day)
    before, after = (_shares(totals, first - back, end - back) for back in (day, 0))
    return decompose(before, after) if before and after else None


def _shares(totals: Mapping[str, list[list[float]]], first: int, end: int) -> dict[str, Share]:
    found = {}
    for model, rows in totals.items():
        inside = [row for row in rows if first <= row[0] < end]
        if inside:
            calls, listed, nano = (round(sum(row[i] for row in inside)) for i in (1, 2, 3))
            found[model] = Share(calls, listed, nano)
    return found
