"""Incidents of spend: one opens for what is new, takes in its symptoms, and closes when it is over or normal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.alert import Severity
from gateway.domain.shift import Cause, Channel, Direction, Edit, Finding
from gateway.engine.shifts.choose import GROUPS
from gateway.engine.shifts.terms import DAY_S, Terms

CLEARED: Final = 0.3
"""Below this part of the share of spend that an incident had, it is over."""
SYMPTOM_S: Final = 6 * 3600
"""What rises this long after an incident, in another step of the way, is not its symptom."""
SLOW_S: Final = DAY_S


@dataclass(slots=True)
class Incident:
    """An incident that is open. `impact` is what it was when it was told, `last_impact` what it was seen to be last."""

    number: int
    cause: Cause
    since: float
    fired: float
    severity: Severity
    direction: Direction
    impact: float
    window_s: float
    nano_usd: float
    nano_usd_per_day: float
    detail: str = ""
    edit: Edit | None = None
    last_impact: float = 0.0

    def to_plain(self) -> list[Any]:
        """Give this as JSON values."""
        edit = self.edit
        return [
            self.number,
            [self.cause.dimension, self.cause.value, self.cause.channel.value],
            self.since,
            self.fired,
            self.severity.value,
            self.direction.value,
            self.impact,
            self.window_s,
            self.nano_usd,
            self.nano_usd_per_day,
            self.detail,
            [edit.ts, edit.rule, edit.generation, edit.place] if edit else None,
            self.last_impact,
        ]

    @classmethod
    def from_plain(cls, kept: Any) -> "Incident":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        number, (dimension, value, channel), since, fired, severity, direction, *rest, detail, edit, last = kept
        cause = Cause(dimension, value, Channel(channel))
        impact, window_s, nano, per_day = rest
        return cls(
            number,
            cause,
            since,
            fired,
            Severity(severity),
            Direction(direction),
            impact,
            window_s,
            nano,
            per_day,
            detail,
            Edit(*edit) if edit else None,
            last,
        )


def severity_of(finding: Finding, terms: Terms) -> Severity:
    """Give how much of a hurry there is, by the impact; a drop is information."""
    if finding.usd < 0:
        return Severity.INFO
    return Severity.CRITICAL if finding.impact >= terms.critical_impact else Severity.WARNING


def same_group(one: Channel, other: Channel) -> bool:
    """Say whether two channels are judged together."""
    return any(one in group and other in group for group in GROUPS)


def is_symptom(finding: Finding, rising_since: float, incidents: Sequence[Incident]) -> bool:
    """Say whether a finding belongs to an incident that is open: of its kind, or risen with it."""
    return any(
        same_group(finding.cause.channel, each.cause.channel)
        or finding.cause.name == each.cause.name
        or rising_since < each.fired + SYMPTOM_S
        for each in incidents
    )


def normal_after_s(incident: Incident, terms: Terms) -> float:
    """Give how long an incident lasts before it is taken for normal: what creeps up takes longer to show its height."""
    return DAY_S * (terms.new_normal_days_of_creep if incident.window_s >= SLOW_S else terms.new_normal_days)


def share_of(impact: float) -> float:
    """Give which share of all spend an impact is: where it is most of it, the impact says too much."""
    return impact / (1 + impact) if impact > 0 else impact
