"""Bringing the time scales up to date with a slot, and judging the series that it touched."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp, sqrt
from typing import Final

from gateway.domain.shift import Cause, Channel, Finding
from gateway.engine.shifts.buckets import Key
from gateway.engine.shifts.kept import Table
from gateway.engine.shifts.places import Places
from gateway.engine.shifts.scores import Measure, of_choices, of_sizes, of_volume
from gateway.engine.shifts.series import scales_of, slots_a_scale
from gateway.engine.shifts.slots import Slot, add
from gateway.engine.shifts.state import Gathered, State
from gateway.engine.shifts.terms import LEVEL_BUCKETS, Terms
from gateway.engine.shifts.usual import Expected

CAP_TIMES: Final = 3.0
"""An asker's calls count with up to this many times their usual cost: one huge call is no loop."""
APART_SCORE: Final = 4.0
APART_RATIO: Final = 2.0
BURST_BUCKETS: Final = 4
LEAST_LATELY: Final = 3.0
STILL: Final = 0.25
"""What goes on is at least this part of the most it was: what is left of a burst in the sums is no news."""
NOTHING: Final[Table] = {}
UNSEEN_CALLS: Final = 0.5
"""What all others might have asked in a bucket as well: few of them, or none, tell little of what is due."""
ALMOST_ALL: Final = 19.0
"""Calls for each of all others from which on one asks for nearly everybody."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a bucket is judged with. `odds` are by dimension and asker, 48 half hours of the day."""

    terms: Terms
    expected: Expected
    odds: Mapping[str, Mapping[str, list[float]]]
    learning: bool
    strict: Mapping[Channel, float]
    going_on: frozenset[Key] = frozenset()


def volume_of(state: State, frame: Frame, places: Places, half_hour: int) -> Table:
    """Give each asker's calls in the open bucket against those of all others."""
    volume: Table = {}
    for at, dimension in enumerate(frame.terms.dimensions.who):
        counts: dict[str, list[float]] = {}
        total = 0.0
        for key, cell in state.cells.items():
            held = counts.setdefault(key[at], [0.0, 0.0])
            held[0] += cell[0]
            unit = frame.expected.unit.get((key[places.category], key[places.model]), cell[7])
            held[1] += min(cell[7], CAP_TIMES * unit * cell[0])
            total += cell[0]
        odds = frame.odds.get(dimension, {})
        for name in {**odds, **counts}:
            calls, nano = counts.get(name, (0.0, 0.0))
            rate = odds[name][half_hour] if name in odds else 0.0
            if rate > ALMOST_ALL:
                continue  # there are no others to be compared with
            due = rate * (total - calls)
            if calls or due > 0:
                volume[dimension, name] = [due * (1 + rate) + UNSEEN_CALLS * rate**2, calls - due, calls, due, nano]
    return volume


def apart_of(state: State, volume: Table, bucket: int) -> tuple[frozenset[Key], frozenset[Key]]:
    """Give the askers who ask so much more than usual that their calls tell nothing of others, and who of them do on.

    A burst is over in a quarter of an hour; who goes on asks more still in the last two buckets, and by no little part
    of what it once was.
    """
    apart: set[Key] = {
        (each.cause.dimension, each.cause.value) for each in state.incidents if each.cause.channel is Channel.VOLUME
    }
    going_on = set()
    for key, (_, _, calls_now, due_now, _) in volume.items():
        _, variance, excess, calls, due, _ = state.volume.scales[0][key]
        if calls < APART_RATIO * due or excess < APART_SCORE * sqrt(variance + 1.0):
            state.runs.pop(key, None)
            continue
        apart.add(key)
        run = state.runs.setdefault(key, [float(bucket), 0.0, 0.0, 0.0])
        lately, due_lately = calls_now + run[1], due_now + run[2]
        run[1:] = calls_now, due_now, max(run[3], lately - due_lately)
        lasts = bucket - run[0] >= BURST_BUCKETS and lately - due_lately >= STILL * run[3]
        if lasts and lately >= max(LEAST_LATELY, APART_RATIO * due_lately):
            going_on.add(key)
    return frozenset(apart), frozenset(going_on)


def gather(state: State, slot: Slot) -> None:
    """Hand a bucket's slot to the next level."""
    _merge(state.gathered[1], Gathered(slot.size, slot.choice, slot.volume, slot.spend))


def _merge(into: Gathered, added: Gathered) -> None:
    for held, table in ((into.size, added.size), (into.choice, added.choice), (into.volume, added.volume)):
        for key, values in table.items():
            add(held, key, values)
    into.spend += added.spend


def take_volume(state: State, bucket: int, volume: Table, terms: Terms) -> None:
    """Bring the first level's volume up to date, before the rest is judged."""
    for scale in scales_of(0):
        state.volume.take(scale, bucket, slots_a_scale(scale, terms.bucket_s), volume)


def judged(state: State, frame: Frame, bucket: int, slot: Slot) -> Iterator[Finding]:
    """Bring every level that ends with this bucket up to date, and judge what it touched."""
    for level, length in enumerate(LEVEL_BUCKETS):
        if (bucket + 1) % length:
            return
        number = (bucket + 1) // length - 1
        of_level = Gathered(slot.size, slot.choice, slot.volume, slot.spend) if level == 0 else state.gathered[level]
        for scale in scales_of(level):
            yield from _judge_scale(state, frame, (level, scale, number), of_level)
        if level > 0:
            if level == 1:
                for key, sums in of_level.size.items():
                    add(state.bias, key, sums[1:5])
            if level + 1 < len(LEVEL_BUCKETS):
                _merge(state.gathered[level + 1], of_level)
            state.gathered[level] = Gathered()


def _judge_scale(state: State, frame: Frame, at: tuple[int, int, int], added: Gathered) -> Iterator[Finding]:
    level, scale, number = at
    span = slots_a_scale(scale, frame.terms.bucket_s)
    spend = state.spend[scale]
    spend[1] = spend[1] * exp((spend[0] - number) / span) + added.spend
    spend[0] = float(number)
    state.size.take(scale, number, span, added.size)
    state.choice.take(scale, number, span, added.choice)
    if level > 0:
        state.volume.take(scale, number, span, added.volume)
    measure = Measure(
        frame.terms,
        state.wandering,
        frame.expected,
        scale,
        spend[1],
        frame.learning and (level > 0 or number % 2 == 0),
        frame.strict,
    )
    for key in [key for key in added.volume if key in frame.going_on]:
        yield from of_volume(measure, key, state.volume.scales[scale][key])
    yield from of_choices(measure, added.choice, state.choice.scales[scale])
    yield from of_sizes(measure, added.size, state.size.scales[scale])


def impact_of(state: State, cause: Cause, scale: int, expected: Expected) -> float | None:
    """Give what a cause adds now, as a share of what would be spent, at a scale; None where nothing tells."""
    key = cause.dimension, cause.value
    usd, sums = 0.0, None
    match cause.channel:
        case Channel.VOLUME:
            sums = state.volume.scales[scale].get(key)
            if sums is not None and sums[3] > 0:
                usd = sums[2] * sums[5] / sums[3]
        case Channel.CATEGORY | Channel.RULE | Channel.CHOICE:
            sums = state.choice.scales[scale].get((cause.channel, *key))
            usd = sums[3] if sums is not None else 0.0
        case Channel.PRICE | Channel.FALLBACK | Channel.HEDGES | Channel.RETRIES:
            return None
        case Channel.TOKENS_IN | Channel.TOKENS_OUT | Channel.TOKENS | Channel.CACHE:
            sums = state.size.scales[scale].get(key)
            usd = _usd_of_size(cause, sums, expected) if sums is not None else 0.0
    spend = state.spend[scale][1]
    if sums is None or spend <= 0:
        return None
    return usd / max(spend - usd, 0.05 * spend)


def _usd_of_size(cause: Cause, sums: list[float], expected: Expected) -> float:
    _, _, calls, r_in, r_out, _, in_, out, lost = sums
    if cause.channel is Channel.CACHE or calls <= 0:
        return lost
    bias = expected.bias.get((cause.dimension, cause.value), (0.0, 0.0, 0.0))
    usd_in = in_ * (1 - exp(-max(-3.0, r_in / calls - bias[0])))
    usd_out = out * (1 - exp(-max(-3.0, r_out / calls - bias[1])))
    if cause.channel is Channel.TOKENS_IN:
        return usd_in
    return usd_out if cause.channel is Channel.TOKENS_OUT else usd_in + usd_out
