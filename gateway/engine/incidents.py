"""Incidents: what a series of readings amounts to, one message for each thing that is news.

An alert instance is an alert and a scope. Its state is a value that is folded over readings, kept as JSON between
them, and knows nothing of how the readings come about: `ok -> firing -> (escalated) -> resolved`, and a new incident
when it happens again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from gateway.domain.alert import Alert, AlertKind, Fact, Json, Link, Phase, Severity


class Level(StrEnum):
    """What a reading says: nothing is wrong, too little is wrong to begin and too much to end, something is wrong."""

    OK = "ok"
    HOLD = "hold"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at what an alert watches, with the words that a message would have now; see `Alert` for these.

    `stage` says how bad it is within the severity: each new highest one is news.
    """

    level: Level
    severity: Severity
    summary: str
    stage: int = 0
    description: str = ""
    facts: tuple[Fact, ...] = ()
    data: Mapping[str, Json] = field(default_factory=dict, hash=False)
    links: tuple[Link, ...] = ()

    @property
    def badness(self) -> tuple[int, int]:
        """How bad it is, to be compared."""
        return self.severity.rank, self.stage


@dataclass(frozen=True, slots=True)
class Watch:
    """One alert instance and its terms.

    The condition must hold for `for_s` before it fires, and be gone for `clear_for_s` before it has cleared. While an
    incident is open it is told again `repeat_s` after the last message; None is never. What began before `not_before`
    is over, whatever the reading says: the reading is of something new.
    """

    alert: str
    kind: AlertKind
    scope: Mapping[str, str] = field(default_factory=dict, hash=False)
    for_s: float = 0.0
    clear_for_s: float = 0.0
    repeat_s: float | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """What somebody does not want to hear of until some time.

    `matcher` maps labels to values, all of which must be the incident's: those of its scope, and `alert`, `kind`,
    `severity` and `incident_id`. Raises ValueError for one without a label, which would silence everything.
    """

    matcher: Mapping[str, str] = field(hash=False)
    until: datetime

    def __post_init__(self) -> None:
        if not self.matcher:
            raise ValueError("a silence names at least one label")


@dataclass(frozen=True, slots=True)
class Said:
    """What people have said about incidents: silences, and ids of incidents of which they take the state for normal."""

    silences: tuple[Silence, ...] = ()
    new_normal: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The condition has held since then, and not long enough."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Open:
    """An incident is going on.

    `severity` and `stage` are the worst it has had. `told` is the severity of the last message that was not silenced,
    with its stage, its phase and its time; None when nobody was told. `raised_from` is the severity before the last
    escalation, None where only the stage grew. `clear_since` is since when the condition has been gone.
    """

    incident_id: str
    started_at: datetime
    severity: Severity
    stage: int = 0
    phase: Phase = Phase.FIRING
    told: Severity | None = None
    told_stage: int = 0
    told_at: datetime | None = None
    raised_from: Severity | None = None
    reminders: int = 0
    clear_since: datetime | None = None

    @property
    def badness(self) -> tuple[int, int]:
        """How bad it has been, to be compared."""
        return self.severity.rank, self.stage


@dataclass(frozen=True, slots=True)
class Accepted:
    """The condition holds and is the new normal: no incident that is not worse until it has cleared once."""

    severity: Severity
    stage: int = 0

    @property
    def badness(self) -> tuple[int, int]:
        """How bad the new normal is, to be compared."""
        return self.severity.rank, self.stage


State = Quiet | Waiting | Open | Accepted


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is to be stored; and to be sent, if not `silenced`."""

    alert: Alert
    silenced: bool


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, and what is to be said."""

    state: State
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """The next state, and all that is to be said, in order."""

    state: State
    events: tuple[Event, ...] = ()


def fold(watch: Watch, state: State, reading: Reading, said: Said, now: datetime, incident_id: str) -> Folded:
    """Fold one reading in, as `step` does, after the end of an incident that is of another window than the reading."""
    events: tuple[Event, ...] = ()
    if isinstance(state, Open) and watch.not_before is not None and state.started_at < watch.not_before:
        calm = replace(reading, level=Level.OK)
        over = step(replace(watch, clear_for_s=0.0), state, calm, Said(said.silences), now, incident_id)
        state, events = over.state, (over.event,) if over.event else ()
    taken = step(watch, state, reading, said, now, incident_id)
    return Folded(taken.state, (*events, taken.event) if taken.event else events)


def step(watch: Watch, state: State, reading: Reading, said: Said, now: datetime, incident_id: str) -> Step:
    """Fold one reading in; a reading that says nothing new is followed by no event.

    `incident_id` is the text of a new UUIDv7, for the incident that may begin now. A clock that was set back makes
    waits begin anew.
    """
    look = _Look(watch, reading, said, now)
    firing = reading.level is Level.FIRING
    match state:
        case Open():
            return _from_open(look, state)
        case Quiet() | Waiting() if not firing:
            return Step(Quiet())
        case Quiet() | Waiting():
            since = min(state.since, now) if isinstance(state, Waiting) else now
            if (now - since).total_seconds() < watch.for_s:
                return Step(Waiting(since))
            return _begin(look, incident_id, since)
        case Accepted() if firing and reading.badness > state.badness:
            return _begin(look, incident_id, now)
        case Accepted():
            return Step(Quiet() if reading.level is Level.OK else state)
        case _:
            assert_never(state)


@dataclass(frozen=True, slots=True)
class _Look:
    watch: Watch
    reading: Reading
    said: Said
    now: datetime


def _begin(look: _Look, incident_id: str, since: datetime) -> Step:
    begun = Open(incident_id, since, look.reading.severity, look.reading.stage)
    return _tell(look, begun, begun)


def _from_open(look: _Look, state: Open) -> Step:
    if state.incident_id in look.said.new_normal:
        return Step(Accepted(state.severity, state.stage), _end(look, state, look.now, accepted=True))
    if look.reading.level is Level.OK:
        since = min(state.clear_since or look.now, look.now)
        if (look.now - since).total_seconds() < look.watch.clear_for_s:
            return Step(replace(state, clear_since=since))
        return Step(Quiet(), _end(look, state, since))
    state = replace(state, clear_since=None)
    if look.reading.level is Level.FIRING and look.reading.badness > state.badness:
        worse = replace(state, severity=look.reading.severity, stage=look.reading.stage)
        return _tell(look, worse, _escalated(worse, state.severity))
    return _tell(look, state)


def _tell(look: _Look, state: Open, happened: Open | None = None) -> Step:
    """Say what people do not know; what happens in a silence is stored when it happens and told when it is over."""
    told_at = min(state.told_at or look.now, look.now)
    if _silenced(look, state):
        event = Event(_alert(look, happened, happened.phase), silenced=True) if happened else None
        return Step(state, event)
    if state.told is None:
        state = replace(state, told=state.severity, told_stage=state.stage)
    elif state.badness > (state.told.rank, state.told_stage):
        state = replace(_escalated(state, state.told), told=state.severity, told_stage=state.stage)
    elif look.watch.repeat_s is not None and (look.now - told_at).total_seconds() >= look.watch.repeat_s:
        state = replace(state, reminders=state.reminders + 1)
    else:
        return Step(replace(state, told_at=told_at))
    return Step(replace(state, told_at=look.now), Event(_alert(look, state, state.phase), silenced=False))


def _escalated(state: Open, before: Severity) -> Open:
    raised_from = before if before is not state.severity else None
    return replace(state, phase=Phase.ESCALATED, raised_from=raised_from, reminders=0)


def _end(look: _Look, state: Open, ended_at: datetime, *, accepted: bool = False) -> Event:
    """End an incident. Whoever was told that it began is told that it ended, in a silence too: nothing stays open."""
    ended = replace(state, reminders=0)
    if state.told is not None:
        ended = replace(ended, severity=state.told, stage=state.told_stage)
    alert = _alert(look, ended, Phase.RESOLVED, max(ended_at, state.started_at))
    if accepted:
        fact = Fact("Accepted", "this is the new normal")
        alert = replace(alert, facts=(*alert.facts, fact), data={**alert.data, "accepted": True})
    return Event(alert, silenced=state.told is None)


def _alert(look: _Look, state: Open, phase: Phase, ended_at: datetime | None = None) -> Alert:
    reading = look.reading
    return Alert(
        incident_id=state.incident_id,
        alert=look.watch.alert,
        kind=look.watch.kind,
        phase=phase,
        severity=state.severity,
        scope=look.watch.scope,
        summary=reading.summary,
        description=reading.description,
        facts=reading.facts,
        data=reading.data,
        links=reading.links,
        started_at=state.started_at,
        at=look.now,
        ended_at=ended_at,
        raised_from=state.raised_from,
        stage=state.stage,
        reminder=state.reminders,
    )


def _silenced(look: _Look, state: Open) -> bool:
    return is_silenced(look.watch, state, look.said.silences, look.now)


def is_silenced(watch: Watch, state: Open, silences: Iterable[Silence], now: datetime) -> bool:
    """Say whether one of the silences is for an incident, and has not ended."""
    labels = {
        **watch.scope,
        "alert": watch.alert,
        "kind": watch.kind.value,
        "severity": state.severity.value,
        "incident_id": state.incident_id,
    }
    return any(
        now < silence.until and all(labels.get(label) == value for label, value in silence.matcher.items())
        for silence in silences
    )


def to_json(state: State) -> dict[str, Json]:
    """Give a state as plain JSON values; `from_json` reads them."""
    match state:
        case Quiet():
            return {"state": "quiet"}
        case Waiting():
            return {"state": "waiting", "since": state.since.isoformat()}
        case Accepted():
            return {"state": "accepted", "severity": state.severity.value, "stage": state.stage}
        case Open():
            return {
                "state": "open",
                "incident_id": state.incident_id,
                "started_at": state.started_at.isoformat(),
                "severity": state.severity.value,
                "stage": state.stage,
                "phase": state.phase.value,
                "told": state.told.value if state.told else None,
                "told_stage": state.told_stage,
                "told_at": state.told_at.isoformat() if state.told_at else None,
                "raised_from": state.raised_from.value if state.raised_from else None,
                "reminders": state.reminders,
                "clear_since": state.clear_since.isoformat() if state.clear_since else None,
            }
        case _:
            assert_never(state)


def from_json(kept: Mapping[str, Any]) -> State:
    """Read what `to_json` gave. Raises ValueError, KeyError or TypeError for anything else."""
    match kept["state"]:
        case "quiet":
            return Quiet()
        case "waiting":
            return Waiting(datetime.fromisoformat(kept["since"]))
        case "accepted":
            return Accepted(Severity(kept["severity"]), kept["stage"])
        case "open":
            return Open(
                incident_id=kept["incident_id"],
                started_at=datetime.fromisoformat(kept["started_at"]),
                severity=Severity(kept["severity"]),
                stage=kept["stage"],
                phase=Phase(kept["phase"]),
                told=Severity(kept["told"]) if kept["told"] else None,
                told_stage=kept["told_stage"],
                told_at=_moment(kept["told_at"]),
                raised_from=Severity(kept["raised_from"]) if kept["raised_from"] else None,
                reminders=kept["reminders"],
                clear_since=_moment(kept["clear_since"]),
            )
        case unknown:
            raise ValueError(f"an incident has no state '{unknown}'")


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
