"""Doubts: steps of a request's way that are judged more strictly for a while, because what is usual there is new."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.shift import Channel
from gateway.engine.shifts.choose import GROUPS
from gateway.engine.shifts.incidents import Incident, step_of
from gateway.engine.shifts.state import State
from gateway.engine.shifts.terms import DAY_S

ANEW: Final = 6 * DAY_S, 1.5
"""How long and how much of a step that has begun anew: it goes by few days."""
LATER: Final = 4 * DAY_S, 8.0
"""Of the steps after it, which were learned for other requests than those that take them now."""
ENDED: Final = DAY_S, 1.5
"""Of the step of an incident that is over: what flickers is told once."""


def doubt_normal(state: State, incident: Incident, now: float) -> None:
    """Doubt what an incident is of, and what it showed in, once it is the new normal."""
    steps = {step_of(incident.cause.channel), *map(step_of, incident.symptoms)}
    for step in range(min(steps), len(GROUPS)):
        lasts_s, times = ANEW if step in steps else LATER
        state.doubts.append([step, now + lasts_s, times])


def doubt_ended(state: State, incident: Incident, now: float) -> None:
    """Doubt what an incident is of, once it is over."""
    lasts_s, times = ENDED
    state.doubts.append([step_of(incident.cause.channel), now + lasts_s, times])


def strictness(state: State, now: float) -> Mapping[Channel, float]:
    """Give by how much more than usual the channels need now, and forget what is no doubt any more."""
    state.doubts = [row for row in state.doubts if now < row[1]]
    most: dict[Channel, float] = {}
    for step, _, times in state.doubts:
        for channel in GROUPS[int(step)]:
            most[channel] = max(most.get(channel, 1.0), times)
    return most
