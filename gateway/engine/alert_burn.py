"""What alerts on burn rates read: whether a budget is spent so fast, now and for a while, that it will not last.

The idea is the multi-window, multi-burn-rate alert of the Site Reliability Workbook (chapter 5), with a budget of money
for the budget of errors: https://sre.google/workbook/alerting-on-slos/. The even rate is the limit spread over the
period; a factor of 14.4 uses up a month in two days.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, assert_never

from gateway.domain.alert import Fact, Json, Severity
from gateway.domain.alerting import AlertRule, OfBurning, Pair
from gateway.domain.budget import Budget
from gateway.domain.window import Calendar, Period, Rolling
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import (
    DAY_S,
    HOUR_S,
    Look,
    Sights,
    Spent,
    Stands,
    Stretch,
    Stretches,
    defined_at,
    dollars,
    number,
    percent,
    roughly,
    span,
    watch_of,
)

MINUTE_S: Final = 60
CLEARS_AT: Final = 0.8
"""The part of its factor below which a pair says that the trouble may be over."""
CLEAR_FOR_S: Final = 900.0
"""How long every pair must say so."""
SPARE: Final = 0.05
"""The share of its period by which a budget must be used up too early."""
FAR_S: Final = 100 * 366 * DAY_S
"""What lies further ahead is never."""

_DAY: Final = (
    Pair(5 * MINUTE_S, 20 * MINUTE_S, 14.4, Severity.CRITICAL),
    Pair(10 * MINUTE_S, HOUR_S, 6.0, Severity.CRITICAL),
)
_WEEK: Final = (
    Pair(5 * MINUTE_S, 30 * MINUTE_S, 14.4, Severity.CRITICAL),
    Pair(15 * MINUTE_S, 3 * HOUR_S, 6.0, Severity.CRITICAL),
)
_MONTH: Final = (
    Pair(5 * MINUTE_S, HOUR_S, 14.4, Severity.CRITICAL),
    Pair(30 * MINUTE_S, 6 * HOUR_S, 6.0, Severity.CRITICAL),
    Pair(6 * HOUR_S, 3 * DAY_S, 1.5, Severity.WARNING),
)


def _times(factor: int) -> tuple[Pair, ...]:
    return tuple(Pair(each.short_s * factor, each.long_s * factor, each.factor, each.severity) for each in _MONTH)


PAIRS: Final[Mapping[Calendar, tuple[Pair, ...]]] = {
    Calendar.MINUTE: (),
    Calendar.HOUR: (),
    Calendar.DAY: _DAY,
    Calendar.WEEK: _WEEK,
    Calendar.MONTH: _MONTH,
    Calendar.QUARTER: _times(3),
    Calendar.YEAR: _times(12),
}
"""The pairs that go with a period; a minute and an hour are over before anybody could do something.

The slow pair is 1.5 and not 1, for the three days in the middle of a working week have 1.4 times their share of it, and
a budget that is used up just in time is no news. Shorter periods have none: a working day spends a day's money.
"""
_LIKE: Final = ((365, Calendar.YEAR), (90, Calendar.QUARTER), (28, Calendar.MONTH), (7, Calendar.WEEK))
"""From how many days on a rolling period is like one of the calendar."""


def pairs_of(terms: OfBurning, budget: Budget) -> tuple[Pair, ...]:
    """Give the pairs that a budget is watched by: those of the alert, else those of its period."""
    return terms.pairs if terms.pairs is not None else default_pairs(budget.period)


def default_pairs(period: Period) -> tuple[Pair, ...]:
    """Give the pairs that go with a period; a rolling one is like the longest of the calendar that is not longer."""
    match period:
        case Calendar():
            return PAIRS[period]
        case Rolling():
            days = period.length_s / DAY_S
            like = Calendar.DAY if days >= 1 else Calendar.HOUR
            return PAIRS[next((each for least, each in _LIKE if days >= least), like)]
        case _:
            assert_never(period)


def lengths(watched: Iterable[tuple[OfBurning, Budget]]) -> dict[str, frozenset[int]]:
    """Give the lengths of time, in seconds, over which it must be known what was spent of each budget."""
    found: dict[str, frozenset[int]] = {}
    for terms, budget in watched:
        of_pairs = {length for pair in pairs_of(terms, budget) for length in (pair.short_s, pair.long_s)}
        if of_pairs:
            found[budget.name] = found.get(budget.name, frozenset()) | of_pairs
    return found


def is_watched(terms: OfBurning, budget: Budget) -> bool:
    """Say whether a budget is one that the alert is about."""
    return terms.names is None or budget.name in terms.names


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair as it stands: at which rate is spent, in nano-dollars a second, and when all is used up, None for never.

    The rate is the lower one of the two stretches: it has been so for the long one, and still is in the short one.
    """

    pair: Pair
    short: Stretch
    long: Stretch
    even: float
    rate: float
    used_up_at: datetime | None

    @property
    def times(self) -> float:
        """How many times the even rate it is."""
        return self.rate / self.even


def burns(terms: OfBurning, stands: Stands, stretches: Stretches, now: datetime) -> list[Burn]:
    """Give each pair of a budget as it stands; none of what nothing is known of yet, and of a limit of nothing."""
    found = []
    name, even = stands.budget.name, stands.limit_nano_usd / _length_s(stands)
    for pair in pairs_of(terms, stands.budget):
        short, long = stretches.get((name, pair.short_s)), stretches.get((name, pair.long_s))
        if short is not None and long is not None and even:
            rate = min(short.nano_usd / short.seconds, long.nano_usd / long.seconds)
            found.append(Burn(pair, short, long, even, rate, _used_up_at(stands, rate, now)))
    return found


def is_hot(terms: OfBurning, stands: Stands, burn: Burn, now: datetime) -> bool:
    """Say whether a pair tells that the budget will be used up well before its time."""
    if burn.rate <= burn.pair.factor * burn.even or burn.long.nano_usd < terms.at_least_nano_usd:
        return False
    return burn.used_up_at is not None and burn.used_up_at < _end(stands, now) - _spare(stands)


def _is_warm(stands: Stands, burn: Burn, now: datetime) -> bool:
    """Say whether a pair is too near to what it tells of for that to be over; what is not known may be so too."""
    if not (burn.short.whole and burn.long.whole):
        return True
    fast = burn.rate > CLEARS_AT * burn.pair.factor * burn.even
    return fast and burn.used_up_at is not None and burn.used_up_at < _end(stands, now)


def looks(rule: AlertRule, terms: OfBurning, sights: Sights) -> Iterator[Look]:
    """Read each budget that is watched: one incident each, as bad as the worst of its pairs."""
    for stands in sights.budgets:
        if not is_watched(terms, stands.budget) or not pairs_of(terms, stands.budget):
            continue
        found = burns(terms, stands, sights.stretches, sights.now)
        hot = [burn for burn in found if is_hot(terms, stands, burn, sights.now)]
        if hot:
            level = Level.FIRING
        elif not found or stands.unread or any(_is_warm(stands, burn, sights.now) for burn in found):
            level = Level.HOLD
        else:
            level = Level.OK
        watch = watch_of(rule, {"budget": stands.budget.name}, CLEAR_FOR_S)
        yield Look(watch, level, partial(_read, rule, stands, _told(hot or found), level, sights))


def _told(found: list[Burn]) -> Burn | None:
    """Choose the pair that a message is about: the worst, and of those the fastest."""
    return max(found, key=lambda burn: (burn.pair.severity.rank, burn.rate), default=None)


def _read(rule: AlertRule, stands: Stands, burn: Burn | None, level: Level, sights: Sights) -> Reading:
    spent = f"{dollars(stands.spent_nano_usd)} of {dollars(stands.limit_nano_usd)} USD are spent"
    if burn is None:
        summary = f"It is not known yet how fast budget {stands.budget.name} is spent; {spent}"
        return Reading(level, rule.severity or Severity.WARNING, summary)
    rate = f"{dollars(_per_hour(burn.rate))} USD an hour"
    ahead = f", {number(_rounded(burn.times))} times its even rate: {_outlook(stands, burn, sights.now)}"
    return Reading(
        level=level,
        severity=rule.severity or burn.pair.severity,
        summary=f"Budget {stands.budget.name} is spent at {rate}{ahead if level is Level.FIRING else ''}; {spent}",
        facts=_facts(rule, stands, burn, sights),
        data=_data(stands, burn, sights.spenders.get(stands.budget.name, ())),
    )


def _outlook(stands: Stands, burn: Burn, now: datetime) -> str:
    if burn.used_up_at is None or burn.used_up_at <= now:
        return "all of it is used up"
    used_up = f"all of it is used up by {_moment(stands, burn.used_up_at)}"
    if not isinstance(stands.budget.period, Calendar):
        return used_up
    return f"{used_up}, {roughly((stands.window.end - burn.used_up_at).total_seconds())} too early"


def _facts(rule: AlertRule, stands: Stands, burn: Burn, sights: Sights) -> tuple[Fact, ...]:
    budget, pair = stands.budget, burn.pair
    facts = [
        Fact("Spent", f"{dollars(stands.spent_nano_usd)} of {dollars(stands.limit_nano_usd)} USD per {budget.period}"),
        *(
            Fact(
                f"Last {span(length)}",
                f"{dollars(stretch.nano_usd)} USD, {dollars(stretch.nano_usd_per_hour)} USD an hour",
            )
            for length, stretch in ((pair.short_s, burn.short), (pair.long_s, burn.long))
        ),
        Fact(
            "Even rate", f"{dollars(_per_hour(burn.even))} USD an hour; alerts above {number(pair.factor)} times that"
        ),
    ]
    if burn.used_up_at is not None:
        facts.append(Fact("Used up", _moment(stands, burn.used_up_at)))
    for each in sights.spenders.get(budget.name, ()):
        share = percent(each.nano_usd / max(each.of_nano_usd, 1))
        facts.append(
            Fact(f"Most by {each.dimension}", f"{each.name or '(none)'}: {dollars(each.nano_usd)} USD ({share})")
        )
    return (
        *facts,
        Fact("Counts", str(budget.scope)),
        Fact("Budget at", f"{budget.file}:{budget.mark.line}"),
        defined_at(rule),
    )


def _data(stands: Stands, burn: Burn, spenders: Iterable[Spent]) -> dict[str, Json]:
    return {
        "budget": stands.budget.name,
        "period": str(stands.budget.period),
        "spent_nano_usd": stands.spent_nano_usd,
        "limit_nano_usd": stands.limit_nano_usd,
        "nano_usd_per_hour": _per_hour(burn.rate),
        "even_nano_usd_per_hour": _per_hour(burn.even),
        "times": round(burn.times, 3),
        "above": burn.pair.factor,
        "short_s": burn.pair.short_s,
        "short_nano_usd": burn.short.nano_usd,
        "long_s": burn.pair.long_s,
        "long_nano_usd": burn.long.nano_usd,
        "used_up_at": burn.used_up_at.isoformat(timespec="seconds") if burn.used_up_at else None,
        "window_end": stands.window.end.isoformat(),
        "most": [{"dimension": each.dimension, "name": each.name, "nano_usd": each.nano_usd} for each in spenders],
    }


def _length_s(stands: Stands) -> float:
    period = stands.budget.period
    return period.length_s if isinstance(period, Rolling) else (stands.window.end - stands.window.start).total_seconds()


def _end(stands: Stands, now: datetime) -> datetime:
    """Give until when a budget must last: to the end of its window, or, rolling, for its length from now on."""
    return (
        stands.window.end if isinstance(stands.budget.period, Calendar) else now + timedelta(seconds=_length_s(stands))
    )


def _spare(stands: Stands) -> timedelta:
    return timedelta(seconds=SPARE * _length_s(stands))


def _used_up_at(stands: Stands, rate: float, now: datetime) -> datetime | None:
    """Say when nothing is left at a rate in nano-dollars a second; of a rolling window as much falls out as came in."""
    left = stands.limit_nano_usd - stands.spent_nano_usd
    if left <= 0:
        return now
    if isinstance(stands.budget.period, Rolling):
        rate -= stands.spent_nano_usd / _length_s(stands)
    if rate <= 0 or left / rate > FAR_S:
        return None
    return now + timedelta(seconds=left / rate)


def _per_hour(nano_usd_per_s: float) -> int:
    return int(nano_usd_per_s * HOUR_S)


def _rounded(times: float) -> float:
    """Give three digits at the most."""
    return float(f"{times:.2g}") if times < 10 else round(times)


def _moment(stands: Stands, at: datetime) -> str:
    return f"{at.astimezone(stands.budget.zone):%Y-%m-%d %H:%M %Z}"
