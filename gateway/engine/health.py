"""How a model is doing, as a fold over the ends of its own attempts; nothing here asks the time.

A provider that names when to come again, or turns our account away, is left alone at once. Other failures must be
several: half of the recent ones, or some in a row. After its rest one request finds out whether it answers again.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.domain.health import Cooling, Health, HealthState, Rest
from gateway.domain.words import Failure
from gateway.engine.effects import EFFECTS, Cools

HALF_LIFE_S: Final = 60.0
"""An attempt counts half after this long."""
FEW: Final = 4
"""Attempts that are too few to judge a model by."""
COOLING_SHARE: Final = 0.5
DEGRADED_SHARE: Final = 0.2
"""Shares of failed attempts from which a model cools, and from which it is called degraded."""
REST_S: Final = 10.0
ACCOUNT_REST_S: Final = 60.0
LONGEST_REST_S: Final = 60.0
"""A rest that no provider asked for, at first; for a refused account; and at most, after doubling each time."""
LONGEST_ASKED_S: Final = 3600.0
"""The longest rest that a provider may ask for."""
TRIAL_S: Final = 10.0
"""How long a trial keeps others away while it has not ended."""
_ACCOUNT = frozenset({Failure.AUTH, Failure.QUOTA})


def state_of(health: Health, now_s: float) -> HealthState:
    """Give the word for how a model is doing."""
    if health.reason is not None:
        return HealthState.COOLING if now_s < health.until_s else HealthState.HALF_OPEN
    fades = _fade(health, now_s)
    many = health.seen * fades > FEW
    return HealthState.DEGRADED if many and health.failed >= DEGRADED_SHARE * health.seen else HealthState.OK


def rest_of(health: Health, now_s: float) -> Rest | None:
    """Say that requests should stay away, None where the model may be asked.

    While it cools, a request that has nothing else left may try: one at a time, and only one where the provider asked
    to be left alone. After that one request may, and the others wait for what it finds out, but not for ever.
    """
    if health.reason is None:
        return None
    if now_s < health.until_s:
        return Rest(health.reason, health.until_s - now_s, last_resort=health.trial_s is None)
    if health.trial_s is None or health.trial_s < health.until_s or now_s - health.trial_s >= TRIAL_S:
        return None
    return Rest(health.reason, health.trial_s + TRIAL_S - now_s, last_resort=False)


def tried(health: Health, now_s: float) -> Health:
    """Note that a request goes to a model although, or because, it was resting."""
    return replace(health, trial_s=now_s)


def noted(health: Health, failure: Failure | None, wait_s: float | None, now_s: float, *, trial: bool) -> Health:
    """Take in how an attempt ended; `wait_s` is how long the provider asked to be left alone.

    What a request brought upon itself, or its caller ended, says nothing of the model. An answer ends a rest only if
    it is that of a trial: one that was on its way before may come later.
    """
    if failure is not None and EFFECTS[failure].cools is Cools.NEVER:
        return replace(health, trial_s=None) if trial else health
    if failure is None and health.reason is not None and (trial or now_s >= health.until_s):
        return Health(seen=1.0, at_s=now_s)
    fades = _fade(health, now_s)
    counted = Health(
        health.seen * fades + 1.0,
        health.failed * fades + (failure is not None),
        now_s,
        0 if failure is None else health.in_a_row + 1,
        health.reason,
        health.until_s,
        health.spells,
        health.trial_s,
    )
    return counted if failure is None else _judged(counted, failure, wait_s, now_s, trial=trial)


def resumed(cooling: Cooling, now: datetime, now_s: float) -> Health | None:
    """Go on with a rest that was kept, None where it has passed; `now` and `now_s` are the same moment.

    A rest does not grow longer than any can be, however the clock of the machine was set meanwhile.
    """
    left_s = min((cooling.until - now).total_seconds(), LONGEST_ASKED_S)
    if left_s <= 0:
        return None
    return Health(at_s=now_s, reason=cooling.reason, until_s=now_s + left_s, spells=cooling.spells)


def _judged(health: Health, failure: Failure, wait_s: float | None, now_s: float, *, trial: bool) -> Health:
    many = health.in_a_row > FEW or (health.seen > FEW and health.failed >= COOLING_SHARE * health.seen)
    asked = failure is Failure.OVERLOADED and wait_s is not None
    at_once = EFFECTS[failure].cools is Cools.AT_ONCE or asked or trial
    if not at_once and (health.reason is not None or not many):
        return health
    fresh = health.reason is None
    spells = health.spells + (fresh or trial)
    usual_s = min((ACCOUNT_REST_S if failure in _ACCOUNT else REST_S) * 2 ** min(spells - 1, 10), LONGEST_REST_S)
    rest_s = usual_s if wait_s is None else min(wait_s, LONGEST_ASKED_S)
    in_vain = now_s if trial and wait_s is not None else None  # who asks to be left alone is tried once and no more
    return replace(
        health,
        reason=failure,
        until_s=max(health.until_s, now_s + rest_s),
        spells=max(spells, 1),
        trial_s=in_vain if fresh or trial else health.trial_s,
    )


def _fade(health: Health, now_s: float) -> float:
    return float(0.5 ** (max(now_s - health.at_s, 0.0) / HALF_LIFE_S))
