"""What alerts on spend shifts read: the incidents that the fold over spend has found, an alert instance each."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from gateway.domain.alert import Fact, Json, Severity
from gateway.domain.alerting import AlertRule, OfShifts
from gateway.domain.shift import Channel, Direction, Notice, Parts, Status
from gateway.engine.alert_budgets import share_of, when
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import (
    CENT_NANO_USD,
    DAY_S,
    HOUR_S,
    Look,
    Sights,
    Stands,
    defined_at,
    dollars,
    percent,
    roughly,
    watch_of,
)

MONTH_DAYS: Final = 30
NONE: Final = "none"
_UNCHANGED: Final[Mapping[Channel, str]] = {
    Channel.VOLUME: "how much is asked",
    Channel.CATEGORY: "the mix of categories",
    Channel.CHOICE: "which models are chosen",
    Channel.FALLBACK: "fallbacks",
    Channel.HEDGES: "hedges and retries",
    Channel.RETRIES: "hedges and retries",
    Channel.PRICE: "prices",
    Channel.CACHE: "cached tokens",
    Channel.TOKENS_IN: "tokens per request",
    Channel.TOKENS_OUT: "tokens per answer",
    Channel.TOKENS: "tokens per request",
}
_UNITS: Final[Mapping[Channel, str]] = {
    Channel.VOLUME: "calls_an_hour",
    Channel.CHOICE: "share_of_calls",
    Channel.FALLBACK: "share_of_calls",
    Channel.HEDGES: "share_of_spend",
    Channel.RETRIES: "share_of_spend",
    Channel.PRICE: "times_the_price",
    Channel.CACHE: "share_of_prompt_tokens_beyond_usual",
}
USUAL: Final = "times_the_usual"
"""The unit of all other channels."""


def looks(rule: AlertRule, terms: OfShifts, sights: Sights) -> Iterator[Look]:
    """Read each shift that is large enough for this alert; a saving is information."""
    for notice in sights.shifts or ():
        if abs(notice.nano_usd_per_day) < terms.at_least_nano_usd and notice.status is not Status.RESOLVED:
            continue
        level = Level.OK if notice.status is Status.RESOLVED else Level.FIRING
        watch = watch_of(rule, {notice.cause.dimension: notice.cause.value, "shift": str(notice.number)})
        yield Look(watch, level, partial(_read, rule, notice, level, sights))


def _read(rule: AlertRule, notice: Notice, level: Level, sights: Sights) -> Reading:
    budget = _budget_of(notice, sights)
    down = notice.direction is Direction.DOWN
    return Reading(
        level=level,
        severity=Severity.INFO if down else rule.severity or notice.severity,
        summary=notice.sentence,
        stage=int(notice.severity is Severity.CRITICAL),
        facts=(*_facts(notice, budget), defined_at(rule)),
        data=_data(notice, budget),
    )


def _facts(notice: Notice, budget: Stands | None) -> Iterator[Fact]:
    """Say what there is to know; of what has ended, how long and how much it was, in place of what it will come to."""
    ended = notice.status is Status.RESOLVED
    yield Fact("Began about", _moment(notice.since))
    if ended:
        yield Fact("Lasted", roughly(notice.ts - notice.since))
        yield Fact("In all", _more(notice.nano_usd))
    else:
        yield Fact("So far", _more(notice.nano_usd))
        yield Fact("A day", _more(notice.nano_usd_per_day))
        yield Fact("A month", _more(_month(notice)))
        if budget is not None:
            yield Fact("Budget", _against(budget, notice))
    if notice.edit is not None:
        yield Fact("Edited", f"{notice.edit.place}, generation {notice.edit.generation}")
    if notice.parts is not None:
        yield Fact("Against the day before", _apart(notice.parts))
    if words := tuple(dict.fromkeys(_UNCHANGED[each] for each in notice.unchanged if each in _UNCHANGED)):
        yield Fact("Unchanged", ", ".join(words))
    if notice.status is Status.FIRING:
        yield Fact("Next suspects", ", ".join(each.name for each in notice.suspects) or NONE)


def _apart(parts: Parts) -> str:
    """Take the change apart, each part to the cent where there are cents."""
    amounts = {"volume": parts.volume, "mix": parts.mix, "price": parts.price, "tokens": parts.tokens}
    cents = any(abs(each) >= CENT_NANO_USD for each in (parts.whole, *amounts.values()))
    told = ", ".join(f"{name} {_signed(nano_usd, cents=cents)}" for name, nano_usd in amounts.items())
    return f"{_signed(parts.whole, cents=cents)} USD: {told}"


def _budget_of(notice: Notice, sights: Sights) -> Stands | None:
    """Give the tightest budget that counts what the cause spends: that which lets least be spent in a day."""
    cause = notice.cause.dimension, notice.cause.value
    covering = [each for each in sights.budgets if all(part == cause for part in each.budget.scope.parts)]
    return min(covering, key=_a_day, default=None)


def _a_day(budget: Stands) -> float:
    """Give what a budget lets be spent in a day of its window, in nano-dollars."""
    return budget.limit_nano_usd / (budget.window.end - budget.window.start).total_seconds() * DAY_S


def _against(budget: Stands, notice: Notice) -> str:
    spent = f"{dollars(budget.spent_nano_usd)} of {dollars(budget.limit_nano_usd)} USD"
    share = percent(abs(_share_a_day(budget, notice)))
    more = "more" if notice.nano_usd_per_day >= 0 else "less"
    named, now = budget.budget.name, when(budget.budget.period)
    return f"'{named}' has spent {spent} {now} ({percent(share_of(budget))}); a day of this is {share} of it {more}"


def _share_a_day(budget: Stands, notice: Notice) -> float:
    return notice.nano_usd_per_day / max(budget.limit_nano_usd, 1)


def _data(notice: Notice, budget: Stands | None) -> dict[str, Json]:
    edit, parts = notice.edit, notice.parts
    before, after = _figures(notice)
    return {
        "shift": notice.number,
        "cause": notice.cause.name,
        "dimension": notice.cause.dimension,
        "value": notice.cause.value,
        "channel": notice.cause.channel.value,
        "direction": notice.direction.value,
        "since": datetime.fromtimestamp(notice.since, UTC).isoformat(timespec="seconds"),
        "before": before,
        "after": after,
        "unit": _UNITS.get(notice.cause.channel, USUAL),
        "detail": notice.finding.detail,
        "nano_usd": notice.nano_usd,
        "day_nano_usd": notice.nano_usd_per_day,
        "month_nano_usd": _month(notice),
        "rule": edit.rule if edit else None,
        "place": edit.place if edit else None,
        "generation": edit.generation if edit else None,
        "parts_nano_usd": None
        if parts is None
        else {name: getattr(parts, name) for name in ("whole", "volume", "mix", "price", "tokens")},
        "budget": None
        if budget is None
        else {
            "name": budget.budget.name,
            "period": str(budget.budget.period),
            "limit_nano_usd": budget.limit_nano_usd,
            "spent_nano_usd": budget.spent_nano_usd,
            "share_a_day": round(_share_a_day(budget, notice), 6),
        },
        "unchanged": [each.value for each in notice.unchanged],
        "suspects": [each.name for each in notice.suspects],
    }


def _figures(notice: Notice) -> tuple[float | None, float | None]:
    """Give from what to what it moved, in the unit of the channel; of what goes on or is over no more is known."""
    if notice.status is not Status.FIRING:
        return None, None
    before, after = notice.finding.before, notice.finding.after
    match notice.cause.channel:
        case Channel.VOLUME:
            hours = 2 * notice.finding.window_s / HOUR_S  # as the sentence has it
            return before / hours, after / hours
        case Channel.CATEGORY | Channel.RULE:
            return 1.0, after / before if before > 0 else None
        case _:
            return before, after


def _month(notice: Notice) -> int:
    return notice.nano_usd_per_day * MONTH_DAYS


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _more(nano_usd: int) -> str:
    return f"{dollars(abs(nano_usd))} USD {'more' if nano_usd >= 0 else 'less'}"


def _signed(nano_usd: int, *, cents: bool) -> str:
    amount = abs(nano_usd)
    if cents and amount < CENT_NANO_USD:
        amount = round(amount / CENT_NANO_USD) * CENT_NANO_USD
    return f"{'-' if nano_usd < 0 and amount else '+'}{dollars(amount)}"
