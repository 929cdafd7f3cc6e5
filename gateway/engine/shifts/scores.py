"""From sums to findings: which series are off by more than chance and their own past, with money in it.

Every function takes one series at one scale and gives a Finding for it, also for those that are not enough, with what
it takes: the weaker ones tell which cause is the better one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Final

from gateway.domain.shift import Cause, Channel, Finding
from gateway.engine.shifts.buckets import Key
from gateway.engine.shifts.series import Sums, Wandering
from gateway.engine.shifts.terms import SCALES_S, Terms
from gateway.engine.shifts.usual import Expected

LEAST_SCORE: Final = 3.0
"""Below this a score is not worth looking at."""
MOST_ODDS: Final = 20.0


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

    def _needed(self, channel: Channel, key: Key, score: float, usd: float) -> float:
        series = (channel.value, *key, str(self.scale))
        worst, _ = self.wandering.worst_of(series)
        if self.learning:
            self.wandering.learn_worst(series, score, usd)
        return max(self.terms.score, self.terms.past_margin * worst) * self.strict.get(channel, 1.0)


def of_size(measure: Measure, key: Key, sums: Sums) -> Iterator[Finding]:
    """Judge tokens in, tokens out, both together, and tokens from caches, of one value of one dimension."""
    _, variance, calls, r_in, r_out, r_cached, in_, out, lost = sums
    if variance <= 0:
        return
    wandering, scale = measure.wandering, measure.scale
    bias = measure.expected.bias.get(key, (0.0, 0.0, 0.0))
    r_in, r_out, r_cached = r_in - calls * bias[0], r_out - calls * bias[1], r_cached - calls * bias[2]
    root = sqrt(variance)
    more_in, more_out = r_in / calls, r_out / calls
    usd_in = in_ * (1 - exp(-min(more_in, MOST_ODDS))) if more_in > -MOST_ODDS else 0.0
    usd_out = out * (1 - exp(-min(more_out, MOST_ODDS))) if more_out > -MOST_ODDS else 0.0
    shown = (
        (Channel.TOKENS_IN, r_in / root, usd_in, more_in),
        (Channel.TOKENS_OUT, r_out / root, usd_out, more_out),
        (Channel.TOKENS, (r_in + r_out) / root / sqrt(2), usd_in + usd_out, (more_in + more_out) / 2),
        (Channel.CACHE, -r_cached / root, lost, -r_cached / calls),
    )
    for channel, raw, usd, more in shown:
        score = raw / sqrt(wandering.spread_of(channel, scale))
        if measure.learning:
            wandering.learn(channel, scale, raw * raw)
        elif score < LEAST_SCORE:
            continue
        needed = measure._needed(channel, key, score, usd)
        if score < LEAST_SCORE or calls < measure.terms.least_calls or usd <= 0:
            continue
        before, after = (more, 0.0) if channel is Channel.CACHE else (1.0, exp(min(more, MOST_ODDS)))
        yield _finding(measure, channel, key, (score, needed, usd, before, after))


def of_choice(measure: Measure, key: Key, sums: Sums) -> Iterator[Finding]:
    """Judge how many calls went to a category, a rule, or dearer models of a rule, given the steps before."""
    _, variance, scored, usd, calls, excess = sums
    if variance <= 0:
        return
    channel = Channel(key[0])
    series = key[1:]
    raw = scored / sqrt(variance)
    score = raw / sqrt(measure.wandering.spread_of(channel, measure.scale))
    if measure.learning:
        measure.wandering.learn(channel, measure.scale, raw * raw)
    down = channel is Channel.CHOICE and score < 0
    signed = -1.0 if down else 1.0
    needed = measure._needed(channel, series if not down else (*series, "down"), signed * score, signed * usd)
    if signed * score < LEAST_SCORE or calls < measure.terms.least_calls or signed * usd <= 0:
        return
    if down:
        needed = max(needed, measure.terms.score_down)
    share = (calls - excess) / calls
    before, after = (share * calls, calls) if channel is not Channel.CHOICE else (0.0, excess / calls)
    yield _finding(measure, channel, series, (score, needed, usd, before, after))


def of_volume(measure: Measure, key: Key, sums: Sums) -> Iterator[Finding]:
    """Judge how often one asks, for how often all others do."""
    _, variance, excess, calls, due, nano = sums
    terms = measure.terms
    raw = excess / sqrt(variance + (terms.volume_wander * due) ** 2 + 1.0)
    usd = excess * nano / calls if calls > 0 else 0.0
    series = (Channel.VOLUME.value, *key, str(measure.scale))
    worst, most = measure.wandering.worst_of(series)
    if measure.learning:
        measure.wandering.learn_worst(series, raw, usd)
    if raw < LEAST_SCORE or excess < terms.volume_calls or calls < terms.volume_ratio * due:
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
