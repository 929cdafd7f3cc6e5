"""When an incident is over: its effect is surely less than half of what it was, or an exact channel has no more of it.

An effect is how far a series is off, for what it takes part in, so that it does not depend on how much is asked. At a
short time it is known badly and soon, at a long one well and late: the first time at which it is sure decides.
"""

from collections.abc import Sequence
from math import hypot, inf, isfinite, sqrt
from typing import Final, NamedTuple

from gateway.domain.shift import Cause, Channel, Direction
from gateway.engine.shifts.incidents import Incident
from gateway.engine.shifts.judge import impact_of
from gateway.engine.shifts.slots import Slot
from gateway.engine.shifts.state import State
from gateway.engine.shifts.terms import SCALES_S, Terms
from gateway.engine.shifts.usual import Expected

LEAST_OPEN_S: Final = 2 * 3600
LOOK_BUCKETS: Final = 6
"""An incident is looked at when the second level of scales is brought up to date."""
HEIGHT_SCALE: Final = 2
LEFT: Final = {1: 0.1, 2: 0.25, 3: 0.25}
"""Below which part of its height an effect is over, by scale: over a short time it comes and goes by itself."""
EDITED: Final = 2
"""The scale whose part holds for the time since an edit."""
FILLED: Final = 2
"""How many times as long as a scale an incident must have lasted for that to tell of its end."""
LEAST_MISSED: Final = 12.0
"""How many calls must have gone the usual way that would have gone the other one before the edit."""
SURE: Final = 3.0
"""By how many standard errors it must be below."""
CLEARED: Final = 0.3
"""The same for the share of spend, where the effect cannot be told."""
NO_EDIT: Final[tuple[None, list[float]]] = None, []
FELL_BUCKETS: Final = 12
FELL_SHARE: Final = 0.1


class Effect(NamedTuple):
    """How far a series is off in the direction of an incident, and the standard error of that.

    `of` are the calls that it was seen in, `share` those of them that went another way, 0 where nothing is told by it.
    """

    size: float
    error: float
    of: float
    share: float


class Off(NamedTuple):
    """How far a series is off what was to be expected: by how much, of how much, with which variance.

    `moved` are the calls that went another way, where they are what it is told by.
    """

    of: float
    variance: float
    by: float
    moved: float = inf


def effect_of(state: State, incident: Incident, scale: int, expected: Expected) -> Effect | None:
    """Give the effect of an incident at a scale; None where there is nothing to tell it by."""
    off = _off(state, incident.cause, scale, expected)
    return None if off is None else _effect(state, incident, scale, off)


def _effect(state: State, incident: Incident, scale: int, off: Off) -> Effect | None:
    if off.of <= 0 or off.variance <= 0:
        return None
    root = max(1.0, sqrt(state.wandering.spread_of(incident.cause.channel, scale)))
    size = off.by / off.of
    error = hypot(root * sqrt(off.variance) / off.of, size / sqrt(max(off.moved, 1.0)))
    share = off.moved / off.of if isfinite(off.moved) else 0.0
    return Effect(size if incident.direction is Direction.UP else -size, error, off.of, share)


def _off(state: State, cause: Cause, scale: int, expected: Expected) -> Off | None:
    series = cause.dimension, cause.value
    if cause.channel in (Channel.CATEGORY, Channel.RULE, Channel.CHOICE):
        sums = state.choice.scales[scale].get((cause.channel, *series))
        return None if sums is None else _off_way(cause, sums[1:])
    sums = state.size.scales[scale].get(series)
    if sums is None:
        return None
    _, variance, calls, r_in, r_out, r_cached, *_ = sums
    bias_in, bias_out, bias_cached = expected.bias.get(series, (0.0, 0.0, 0.0))
    match cause.channel:
        case Channel.TOKENS_IN:
            return Off(calls, variance, r_in - calls * bias_in)
        case Channel.TOKENS_OUT:
            return Off(calls, variance, r_out - calls * bias_out)
        case Channel.TOKENS:
            return Off(calls, variance, (r_in + r_out - calls * (bias_in + bias_out)) / sqrt(2))
        case Channel.CACHE:
            return Off(calls, variance, calls * bias_cached - r_cached)
        case _:
            return None


def _off_way(cause: Cause, sums: Sequence[float]) -> Off:
    """Read the sums of a choice: a share of the rule's calls, else of all calls that might have gone that way."""
    variance, scored, _, calls, excess, *_ = sums
    if cause.channel is Channel.CHOICE:
        return Off(calls, variance, scored, abs(excess))
    return Off(variance, variance, scored)


def is_over(incident: Incident, state: State, expected: Expected, terms: Terms, slot: Slot, bucket: int) -> bool:
    """Say whether an incident is over, by the slot of its last bucket; its height and impact are brought up to date."""
    cause = incident.cause
    match cause.channel:
        case Channel.PRICE:
            return (cause.value,) in slot.models and cause.value not in state.watches.prices
        case Channel.FALLBACK:
            rows = [row for row in state.watches.fallbacks.get(incident.detail, []) if row[0] > bucket - FELL_BUCKETS]
            calls, fell = sum(row[2] for row in rows), sum(row[1] for row in rows)
            return calls >= terms.fallback_calls and fell < FELL_SHARE * calls
        case Channel.HEDGES | Channel.RETRIES:
            return not state.wastes.is_high(cause, bucket, terms)
        case _:
            if _is_edited_away(incident, state):
                return True
            now = float((bucket + 1) * terms.bucket_s)
            young = now - incident.fired < LEAST_OPEN_S
            return not (bucket + 1) % LOOK_BUCKETS and not young and _has_fallen(incident, state, expected, now)


def _is_edited_away(incident: Incident, state: State) -> bool:
    """Say whether one more edit of its rule has ended an incident: no time before an edit blurs the time since it."""
    edit, sums = state.watches.edits.get(incident.cause.value, NO_EDIT)
    if edit is None or incident.cause.channel is not Channel.CHOICE:
        return False
    calls = sums[3]
    effect = _effect(state, incident, EDITED, _off_way(incident.cause, sums))
    if edit.ts > incident.fired:  # without a variance all of them went the usual way
        return calls * incident.share >= LEAST_MISSED and (effect is None or _is_gone(incident, effect, EDITED))
    _grow(incident, effect)
    return False


def _has_fallen(incident: Incident, state: State, expected: Expected, now: float) -> bool:
    scale = _scale_of(incident)
    impact = impact_of(state, incident.cause, scale, expected)
    if impact is None:
        return False
    incident.last_impact = impact
    incident.nano_usd_per_day = impact * expected.nano_a_day
    effects = {each: effect_of(state, incident, each, expected) for each in {*LEFT, max(scale, HEIGHT_SCALE)}}
    _grow(incident, effects[max(scale, HEIGHT_SCALE)])
    if incident.height <= 0:
        then = incident.impact if incident.direction is Direction.UP else -incident.impact
        return share_of(impact) / share_of(then) < CLEARED
    filled = [at for at in LEFT if now - incident.since >= FILLED * SCALES_S[at]]
    return any(_is_gone(incident, effects[at], at) for at in filled)


def _grow(incident: Incident, effect: Effect | None) -> None:
    """Take an effect for the height of an incident where it is surely higher."""
    if effect is not None and effect.size - 2 * effect.error > incident.height:
        incident.height, incident.share = effect.size - 2 * effect.error, effect.share


def _is_gone(incident: Incident, effect: Effect | None, scale: int) -> bool:
    """Say whether an effect is surely below what must be left of the incident's at a scale.

    Few calls say little, also where none of them went the other way: as many might not if it were as it was.
    """
    if effect is None:
        return False
    missed = incident.share * effect.of
    chance = incident.height / sqrt(max(missed, 1.0)) if incident.share else 0.0
    return effect.size + SURE * hypot(effect.error, chance) < LEFT[scale] * incident.height


def _scale_of(incident: Incident) -> int:
    """Give the scale by which the impact of an incident is told: that of its finding, or a longer one."""
    scale = HEIGHT_SCALE
    if incident.window_s in SCALES_S:
        scale = max(scale, SCALES_S.index(int(incident.window_s)))
    return min(scale, 3) if incident.cause.channel is Channel.VOLUME else scale


def share_of(impact: float) -> float:
    """Give which share of all spend an impact is: where it is most of it, the impact says too much."""
    return impact / (1 + impact) if impact > 0 else impact
