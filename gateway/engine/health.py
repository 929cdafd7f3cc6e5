"""How a model is doing, as a fold over the ends of its own attempts; nothing here asks the time.

A provider that names when to come again, or turns our account away, is left alone at once. Other failures must be
several: half of the recent ones, or some in a row. After its rest one request finds out whether it answers again.
A model that answers, but far slower than it used to, or that fails far more often, is left alone as well, mildly:
only by requests that have a better one left.
"""

from datetime import datetime
from typing import Final

from gateway.domain.health import Ailment, Cooling, Health, HealthState, Reason, Rest
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
PAST_HALF_LIFE_S: Final = 3600.0
"""What is usual for a model is remembered for longer."""
PAST_ENOUGH: Final = 200
"""Attempts that are enough to know what is usual."""
ENOUGH: Final = 20
"""Recent attempts that are enough to call a share of failures unusual."""
OUTLIER: Final = 5.0
"""A model that usually answers rests from this many times its usual share of failures on, if that is a fifth."""
MOST_SPELLS_SLOW: Final = 30
"""Trials in a row that were slow, half an hour of them, after which a model is taken to be no faster any more."""
TRIAL_S: Final = 10.0
"""How long a trial keeps others away while it has not ended."""
_ACCOUNT = frozenset({Failure.AUTH, Failure.QUOTA})


def state_of(health: Health, now_s: float) -> HealthState:
    """Give the word for how a model is doing."""
    if health.reason is not None:
        return HealthState.COOLING if now_s < health.until_s else HealthState.HALF_OPEN
    many = health.seen * _fade(_age_s(health, now_s)) > FEW
    ailing = max(health.failed, health.slow) >= DEGRADED_SHARE * health.seen
    return HealthState.DEGRADED if many and ailing else HealthState.OK


def rest_of(health: Health, now_s: float) -> Rest | None:
    """Say that requests should stay away, None where the model may be asked.

    While it cools, a request that has nothing else left may try: one at a time, and only one where the provider asked
    to be left alone; any number of them, where it is only worse than it was. After that one request may, and the
    others wait for what it finds out, but not for ever.
    """
    if health.reason is None:
        return None
    if now_s < health.until_s:
        last_resort = health.mild or health.trial_s is None
        return Rest(health.reason, health.until_s - now_s, last_resort, health.mild)
    if health.trial_s is None or health.trial_s < health.until_s or now_s >= health.trial_s + TRIAL_S:
        return None
    return Rest(health.reason, health.trial_s + TRIAL_S - now_s, last_resort=health.mild, mild=health.mild)


def tried(health: Health, now_s: float) -> Health:
    """Note that a request goes to a model although, or because, it was resting."""
    return health.on_trial(now_s)


def answered(health: Health, now_s: float, *, trial: bool, slow: bool = False) -> Health:
    """Take in an answer; it ends a rest only if it is that of a trial: one that was on its way before may come later.

    A slow one ends no rest of a model for being slow. A model that is as slow trial after trial is well: so it is now.
    """
    still = slow and health.reason is Ailment.SLOW
    if health.reason is not None and not still and (trial or now_s >= health.until_s):
        return _healed(health, now_s, slow=slow)
    counted = _counted(health, now_s, failed=False, slow=slow)
    if not slow:
        return counted
    if still:
        if not trial or now_s < health.until_s:
            return counted
        if health.spells >= MOST_SPELLS_SLOW:
            return _healed(health, now_s, slow=False)
        return _at_rest(counted, Ailment.SLOW, None, now_s, mild=True)
    many = counted.slow_in_a_row > FEW or (counted.seen > FEW and counted.slow >= COOLING_SHARE * counted.seen)
    return _at_rest(counted, Ailment.SLOW, None, now_s, mild=True) if many and health.reason is None else counted


def failed(health: Health, failure: Failure, wait_s: float | None, now_s: float, *, trial: bool) -> Health:
    """Take in a failure; `wait_s` is how long the provider asked to be left alone.

    What a request brought upon itself, or its caller ended, says nothing of the model.
    """
    if EFFECTS[failure].cools is Cools.NEVER:
        return health.on_trial(None) if trial else health
    counted = _counted(health, now_s, failed=True, slow=False)
    many = counted.in_a_row > FEW or (counted.seen > FEW and counted.failed >= COOLING_SHARE * counted.seen)
    asked = failure is Failure.OVERLOADED and wait_s is not None
    at_once = EFFECTS[failure].cools is Cools.AT_ONCE or asked or (trial and not health.mild)
    if at_once or (many and (health.reason is None or health.mild)):
        resting = _at_rest(counted, failure, wait_s, now_s, mild=False, again=trial)
        vain = trial and wait_s is not None  # who asks to be left alone is tried once and no more
        fresh = health.reason is None or trial or health.mild
        return resting.on_trial((now_s if vain else None) if fresh else health.trial_s)
    ends_trial = health.mild and trial and now_s >= health.until_s
    if ends_trial or (health.reason is None and _is_unusual(counted)):
        return _at_rest(counted, health.reason or failure, wait_s, now_s, mild=True)
    return counted


def resumed(cooling: Cooling, now: datetime, now_s: float) -> Health | None:
    """Go on with a rest that was kept, None where it has passed; `now` and `now_s` are the same moment.

    A rest does not grow longer than any can be, however the clock of the machine was set meanwhile.
    """
    left_s = min((cooling.until - now).total_seconds(), LONGEST_ASKED_S)
    if left_s <= 0:
        return None
    return Health(at_s=now_s, reason=cooling.reason, until_s=now_s + left_s, spells=cooling.spells)


def _at_rest(
    health: Health, reason: Reason, wait_s: float | None, now_s: float, *, mild: bool, again: bool = True
) -> Health:
    """Begin a rest, or another one: for as long as was asked, else twice as long as the last one that did not help."""
    fresh = health.reason is None or (health.mild and not mild)
    spells = 1 if fresh else health.spells + again
    usual_s = min((ACCOUNT_REST_S if reason in _ACCOUNT else REST_S) * 2 ** min(spells - 1, 10), LONGEST_REST_S)
    rest_s = usual_s if wait_s is None else min(wait_s, LONGEST_ASKED_S)
    until_s = now_s + rest_s if fresh else max(health.until_s, now_s + rest_s)
    return health.at_rest(reason, until_s, max(spells, 1), mild=mild)


def _is_unusual(health: Health) -> bool:
    """Say whether a model that is known to answer fails far more often than it did before what is recent."""
    seen, failed = health.past_seen - health.seen, health.past_failed - health.failed
    if health.seen < ENOUGH or seen < PAST_ENOUGH or health.failed < DEGRADED_SHARE * health.seen:
        return False
    return health.failed / health.seen >= OUTLIER * failed / seen


def _counted(health: Health, now_s: float, *, failed: bool, slow: bool) -> Health:
    age_s = _age_s(health, now_s)
    fades, past_fades = _fade(age_s), _fade(age_s, PAST_HALF_LIFE_S)
    return Health(
        health.seen * fades + 1.0,
        health.failed * fades + failed,
        now_s,
        health.in_a_row + 1 if failed else 0,
        health.reason,
        health.until_s,
        health.spells,
        health.trial_s,
        health.mild,
        health.slow * fades + slow,
        health.slow_in_a_row + 1 if slow else health.slow_in_a_row if failed else 0,
        health.past_seen * past_fades + 1.0,
        health.past_failed * past_fades + failed,
    )


def _healed(health: Health, now_s: float, *, slow: bool) -> Health:
    """Forget all but what is usual, and the answer that healed it."""
    past = _counted(health, now_s, failed=False, slow=slow)
    return Health(
        seen=1.0,
        at_s=now_s,
        slow=float(slow),
        slow_in_a_row=int(slow),
        past_seen=past.past_seen,
        past_failed=past.past_failed,
    )


def _age_s(health: Health, now_s: float) -> float:
    return max(now_s - health.at_s, 0.0)


def _fade(age_s: float, half_life_s: float = HALF_LIFE_S) -> float:
    return float(0.5 ** (age_s / half_life_s))
