"""What alerts on spend shifts read: the incidents that the fold over spend has found, an alert instance each."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from gateway.domain.alert import Fact, Json, Severity
from gateway.domain.alerting import AlertRule, OfShifts
from gateway.domain.shift import Channel, Direction, Notice, Status
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import Look, Sights, Stands, defined_at, dollars, watch_of

MONTH_DAYS: Final = 30
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


def looks(rule: AlertRule, terms: OfShifts, sights: Sights) -> Iterator[Look]:
    """Read each shift that is large enough for this alert; a saving is information."""
    for notice in sights.shifts or ():
        if abs(notice.nano_usd_per_day) < terms.at_least_nano_usd and notice.status is not Status.RESOLVED:
            continue
        level = Level.OK if notice.status is Status.RESOLVED else Level.FIRING
        watch = watch_of(rule, {notice.cause.dimension: notice.cause.value, "shift": str(notice.number)})
        yield Look(watch, level, partial(_read, rule, notice, level, sights))


def _read(rule: AlertRule, notice: Notice, level: Level, sights: Sights) -> Reading:
    facts = [Fact("Since", _moment(notice.since)), Fact("So far", _more(notice.nano_usd))]
    facts += [Fact("A day", _more(notice.nano_usd_per_day)), Fact("A month", _more(_month(notice)))]
    if notice.edit is not None:
        facts.append(Fact("Edited", f"{notice.edit.place}, generation {notice.edit.generation}"))
    if notice.parts is not None:
        shares = {"volume": notice.parts.volume, "mix": notice.parts.mix}
        shares |= {"price": notice.parts.price, "tokens": notice.parts.tokens}
        told = ", ".join(f"{name} {_signed(nano_usd)}" for name, nano_usd in shares.items())
        facts.append(Fact("Against the day before", f"{_signed(notice.parts.whole)} USD: {told}"))
    if budget := _budget_of(notice, sights):
        share = notice.nano_usd_per_day / budget.limit_nano_usd if budget.limit_nano_usd else 0.0
        facts.append(Fact("Budget", f"{share:+.1%} of '{budget.budget.name}' a day"))
    if words := tuple(dict.fromkeys(_UNCHANGED[each] for each in notice.unchanged if each in _UNCHANGED)):
        facts.append(Fact("Unchanged", ", ".join(words)))
    if notice.suspects:
        facts.append(Fact("Next suspects", ", ".join(each.name for each in notice.suspects)))
    down = notice.direction is Direction.DOWN
    return Reading(
        level=level,
        severity=Severity.INFO if down else rule.severity or notice.severity,
        summary=notice.sentence,
        stage=int(notice.severity is Severity.CRITICAL),
        facts=(*facts, defined_at(rule)),
        data=_data(notice),
    )


def _budget_of(notice: Notice, sights: Sights) -> Stands | None:
    """Give the smallest budget that counts what the cause spends."""
    cause = notice.cause.dimension, notice.cause.value
    covering = [each for each in sights.budgets if all(part == cause for part in each.budget.scope.parts)]
    return min(covering, key=lambda each: each.limit_nano_usd, default=None)


def _data(notice: Notice) -> dict[str, Json]:
    edit, parts = notice.edit, notice.parts
    return {
        "shift": notice.number,
        "cause": notice.cause.name,
        "dimension": notice.cause.dimension,
        "value": notice.cause.value,
        "channel": notice.cause.channel.value,
        "direction": notice.direction.value,
        "since": datetime.fromtimestamp(notice.since, UTC).isoformat(timespec="seconds"),
        "before": notice.finding.before,
        "after": notice.finding.after,
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
        "unchanged": [each.value for each in notice.unchanged],
        "suspects": [each.name for each in notice.suspects],
    }


def _month(notice: Notice) -> int:
    return notice.nano_usd_per_day * MONTH_DAYS


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _more(nano_usd: int) -> str:
    return f"{dollars(abs(nano_usd))} USD {'more' if nano_usd >= 0 else 'less'}"


def _signed(nano_usd: int) -> str:
    return f"{'-' if nano_usd < 0 else '+'}{dollars(abs(nano_usd))}"
