"""From sums to findings: which series are off by more than chance and their own past, with money in it.

Every function takes one series at one scale and gives a Finding for it, also for those that are not enough, with what
it takes: the weaker ones tell which cause is the better one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Final

from gateway.domain.shift import Cause, Channel, Finding
from gateway.engine.shifts.buckets import Key
from gateway.engine.shifts.kept import Table
from gateway.engine.shifts.series import WILD, Sums, Wandering
from gateway.engine.shifts.terms import SCALES_S, Terms
from gateway.engine.shifts.usual import Expected

LEAST_SCORE: Final = 3.0
"""Below this a score is not worth looking at."""
LEAST_SEEN: Final = 4.0
FULL_MINUTES: Final = 160.0
"""Over longer times a burst is nothing, and what counts is the ratio."""
LEAST_DUE: Final = 0.05
ROOT_2: Final = sqrt(2)
UNBIASED: Final = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Measure:
    """What scores are measured by, at one scale: `spend` is that of the scale's time, in nano-dollars, as `usd` is."""

    terms: Terms
    wandering: Wandering
    expected: Expected
    scale: int
    spend: float
    learning: bool
    strict: Mapping[Channel, float]

    def impact(self, usd: float) -> float:
        """Give money beyond the expectation as a share of what would have been spent."""
        return usd / max(self.spend - usd, 0.05 * self.spend, 1.0)

    def pays(self, usd: float) -> bool:
        """Say whether it is enough money for a shift."""
        return usd >= self.terms.least_spent * self.expected.nano_a_day and self.impact(usd) >= self.terms.least_impact

    def root(self, channel: Channel) -> float:
        """Give the usual size of a raw score of a channel."""
        return sqrt(self.wandering.spread_of(channel, self.scale))

    def needed(self, channel: Channel, key: Key, score: float, usd: float) -> float:
        """Give the score that a series needs, and learn the one that it has."""
        series = (channel.value, *key, str(self.scale))
        worst, _ = self.wandering.worst_of(series)
        if self.learning:
            self.wandering.learn_worst(series, score, usd)
        return max(self.terms.score, self.terms.past_margin * worst) * self.strict.get(channel, 1.0)


SIZES: Final = (Channel.TOKENS_IN, Channel.TOKENS_OUT, Channel.TOKENS, Channel.CACHE)


def of_sizes(measure: Measure, keys: Iterable[Key], held: Table) -> Iterator[Finding]:
    """Judge tokens in, tokens out, both together, and tokens from caches, of values of dimensions."""
    roots = tuple(measure.root(channel) for channel in SIZES)
    caps = tuple(WILD * root * root for root in roots)
    least_in, least_out, least_both, least_cache = (LEAST_SCORE * root for root in roots)
    squares, number = [0.0, 0.0, 0.0, 0.0], 0
    biases = measure.expected.bias
    for key in keys:
        _, variance, calls, r_in, r_out, r_cached, _, _, _ = held[key]
        bias_in, bias_out, bias_cached = biases.get(key, UNBIASED)
        root = sqrt(variance)
        raw_in, raw_out = (r_in - calls * bias_in) / root, (r_out - calls * bias_out) / root
        raw_both, raw_cache = (raw_in + raw_out) / ROOT_2, (calls * bias_cached - r_cached) / root
        if measure.learning:
            number += 1
            squares[0] += min(raw_in * raw_in, caps[0])
            squares[1] += min(raw_out * raw_out, caps[1])
            squares[2] += min(raw_both * raw_both, caps[2])
            squares[3] += min(raw_cache * raw_cache, caps[3])
        if raw_in > least_in or raw_out > least_out or raw_both > least_both or raw_cache > least_cache:
            raws = (raw_in, raw_out, raw_both, raw_cache)
            yield from _of_size(measure, key, held[key], [raw / root for raw, root in zip(raws, roots, strict=True)])
    if number:
        for channel, square in zip(SIZES, squares, strict=True):
            measure.wandering.learn(channel, measure.scale, square, number)


def _of_size(measure: Measure, key: Key, sums: Sums, scores: list[float]) -> Iterator[Finding]:
    _, _, calls, r_in, r_out, r_cached, in_, out, lost = sums
    bias_in, bias_out, bias_cached = measure.expected.bias.get(key, UNBIASED)
    more_in, more_out, less_cached = r_in / calls - bias_in, r_out / calls - bias_out, bias_cached - r_cached / calls
    usd_in, usd_out = in_ * more_of(more_in), out * more_of(more_out)
    shown = (
        (usd_in, 1.0, exp(more_in)),
        (usd_out, 1.0, exp(more_out)),
        (usd_in + usd_out, 1.0, exp((more_in + more_out) / 2)),
        (lost, less_cached, 0.0),
    )
    for channel, score, (usd, before, after) in zip(SIZES, scores, shown, strict=True):
        if score < LEAST_SCORE:
            continue
        needed = measure.needed(channel, key, score, usd)
        least = measure.terms.least_calls_cached if channel is Channel.CACHE else measure.terms.least_calls
        if calls >= least and usd > 0:
            yield _finding(measure, channel, key, (score, needed, usd, before, after))


def more_of(log_ratio: float) -> float:
    """Give what share of an amount is beyond the expectation, from the logarithm of how many times it is that."""
    return 1 - exp(-max(-LEAST_SCORE, log_ratio))


def of_choices(measure: Measure, keys: Iterable[Key], held: Table) -> Iterator[Finding]:
    """Judge how many calls went to a category, a rule, or dearer models of a rule, given the steps before."""
    roots = {channel.value: measure.root(channel) for channel in (Channel.CATEGORY, Channel.RULE, Channel.CHOICE)}
    learned = {name: [0.0, 0.0] for name in roots}
    for key in keys:
        _, variance, scored, *_ = held[key]
        if variance <= 0:
            continue
        raw, root = scored / sqrt(variance), roots[key[0]]
        if measure.learning:
            sums = learned[key[0]]
            sums[0] += min(raw * raw, WILD * root * root)
            sums[1] += 1
        if abs(raw) > LEAST_SCORE * root:
            yield from _of_choice(measure, key, held[key], raw / root)
    for name, (square, number) in learned.items():
        if number:
            measure.wandering.learn(name, measure.scale, square, number)


def _of_choice(measure: Measure, key: Key, sums: Sums, score: float) -> Iterator[Finding]:
    _, _, _, usd, calls, excess, due = sums
    channel, series = Channel(key[0]), key[1:]
    down = channel is Channel.CHOICE and score < 0
    if score < 0 and not down:
        return
    if not down:
        score = min(score, surprise(due + excess, due))
        if score < LEAST_SCORE:
            return
    signed = -1.0 if down else 1.0
    needed = measure.needed(channel, series if not down else (*series, "down"), signed * score, signed * usd)
    if calls < measure.terms.least_calls or signed * usd <= 0:
        return
    if down:
        needed = max(needed, measure.terms.score_down)
    before, after = (calls - excess, calls) if channel is not Channel.CHOICE else (0.0, excess / calls)
    yield _finding(measure, channel, series, (score, needed, usd, before, after))


def surprise(seen: float, due: float) -> float:
    """Give how many standard deviations a count is above one that was due, also where few were (signed deviance)."""
    if seen <= due or seen < LEAST_SEEN:
        return 0.0
    due = max(due, LEAST_DUE)
    return sqrt(2 * max(0.0, seen * log(seen / due) - seen + due))


def of_volume(measure: Measure, key: Key, sums: Sums) -> Iterator[Finding]:
    """Judge how often one asks, for how often all others do."""
    _, variance, excess, calls, due, nano = sums
    terms = measure.terms
    raw = excess / sqrt(variance + (terms.volume_wander * due) ** 2 + 1.0)
    if raw < LEAST_SCORE:
        return
    usd = excess * nano / calls if calls > 0 else 0.0
    series = (Channel.VOLUME.value, *key, str(measure.scale))
    worst, most = measure.wandering.worst_of(series)
    if measure.learning:
        measure.wandering.learn_worst(series, raw, usd)
    if excess < terms.volume_calls or calls < terms.volume_ratio * due:
        return
    minutes = min(SCALES_S[measure.scale] / 60, FULL_MINUTES)
    if excess < terms.volume_minutes * due / minutes + LEAST_SCORE * sqrt(variance):
        return
    if usd < terms.past_margin * most or usd < terms.volume_spent * measure.expected.nano_a_day:
        return
    if measure.impact(usd) < terms.volume_impact:
        return
    needed = max(terms.score, terms.past_margin * worst) * measure.strict.get(Channel.VOLUME, 1.0)
    yield _finding(measure, Channel.VOLUME, key, (raw, needed, usd, due, calls))


def _finding(
    measure: Measure, channel: Channel, key: Key, figures: tuple[float, float, float, float, float]
) -> Finding:
    score, needed, usd, before, after = figures
    window_s = float(SCALES_S[measure.scale])
    cause = Cause(key[0], key[1], channel)
    pays = measure.pays(abs(usd)) if channel is not Channel.VOLUME else True
    return Finding(cause, score, needed, usd, measure.impact(usd), window_s, before, after, pays=pays)


def age_s(window_s: float, impact: float, impact_now: float) -> float:
    """Give for how long a shift has gone on, from its impact at a scale and at a shorter one."""
    if impact_now <= 0 or impact <= 0:
        return window_s
    return window_s * -log(1 - min(impact / impact_now, 0.95))
