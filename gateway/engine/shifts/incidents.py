"""Incidents of spend: one opens for what is new, takes in its symptoms, and closes when it is over or normal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.domain.alert import Severity
from gateway.domain.shift import Cause, Channel, Direction, Edit, Finding
from gateway.engine.shifts.choose import GROUPS
from gateway.engine.shifts.terms import DAY_S, Terms

SYMPTOM_S: Final = 6 * 3600
"""What rises this long after an incident, in another step of the way, is not its symptom."""
SLOW_S: Final = DAY_S


@dataclass(slots=True)
class Incident:
    """An incident that is open. `impact` is what it was when it was told, `last_impact` what it was seen to be last.

    `height` is how large its effect was at least, and `share` that of the calls it was in, see `ends`; `symptoms`
    are the channels in which it showed as well.
    """

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
    height: float = 0.0
    share: float = 0.0
    symptoms: list[Channel] = field(default_factory=list)

    @property
    def most(self) -> float:
        """The most that its impact was, when it was told or now."""
        return max(abs(self.impact), abs(self.last_impact))

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
            self.height,
            self.share,
            [channel.value for channel in self.symptoms],
        ]

    @classmethod
    def from_plain(cls, kept: Any) -> "Incident":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        number, (dimension, value, channel), since, fired, severity, direction, *rest = kept
        cause = Cause(dimension, value, Channel(channel))
        impact, window_s, nano, per_day, detail, edit, last, height, share, symptoms = rest
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
            height,
            share,
            [Channel(each) for each in symptoms],
        )


def severity_of(finding: Finding, terms: Terms) -> Severity:
    """Give how much of a hurry there is, by the impact; a drop is information."""
    if finding.usd < 0:
        return Severity.INFO
    return Severity.CRITICAL if finding.impact >= terms.critical_impact else Severity.WARNING


def step_of(channel: Channel) -> int:
    """Give the place of a channel among the steps of a request's way."""
    return next(step for step, group in enumerate(GROUPS) if channel in group)


def same_group(one: Channel, other: Channel) -> bool:
    """Say whether two channels are judged together."""
    return step_of(one) == step_of(other)


def absorbed(finding: Finding, rising_since: float, incidents: Sequence[Incident]) -> bool:
    """Say whether a finding belongs to an incident that is open, which then has it for a symptom."""
    for each in incidents:
        if is_symptom(finding, rising_since, each):
            if finding.is_enough and finding.cause.channel not in each.symptoms:
                each.symptoms.append(finding.cause.channel)
            return True
    return False


def is_symptom(finding: Finding, rising_since: float, incident: Incident) -> bool:
    """Say whether a finding is of an incident's kind, has risen with it, or is what comes after it and less money."""
    channel, of_incident = finding.cause.channel, incident.cause.channel
    return (
        same_group(channel, of_incident)
        or finding.cause.name == incident.cause.name
        or rising_since < incident.fired + SYMPTOM_S
        or (step_of(channel) > step_of(of_incident) and abs(finding.impact) < incident.most)
    )


def normal_after_s(incident: Incident, terms: Terms) -> float:
    """Give how long an incident lasts before it is taken for normal: what creeps up takes longer to show its height."""
    return DAY_S * (terms.new_normal_days_of_creep if incident.window_s >= SLOW_S else terms.new_normal_days)
