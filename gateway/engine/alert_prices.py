"""What alerts on prices read: which models of the registry cost something else than before, and what that comes to.

A change is exact: it is the difference between two prices, told at once. What it comes to in a month is an estimate,
by what the last days used, at the rates of the standard tier and of short inputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Final

from gateway.domain.alert import Fact, Json, Severity
from gateway.domain.alerting import AlertRule, OfPrices
from gateway.domain.ledger import Amounts
from gateway.domain.price import TOKENS_PER_RATE, Price, PriceHistory, Rates, usd_text
from gateway.domain.price_change import Change, Known
from gateway.domain.registry import Model
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import DAY_S, Look, Sights, defined_at, dollars, percent, watch_of
from gateway.engine.pricing import dated_price_at, price_at

USED_DAYS: Final = 7
"""The days before a change that say what it comes to, and whether a model is in use at all."""
MONTH_DAYS: Final = 30
TOLD_FOR_S: Final = float(DAY_S)
"""How long a change is news: its incident ends by itself after that."""
RATES_SHOWN: Final = 6

_WORDS: Final = {
    "fresh_input": "input",
    "output": "output",
    "cache_read": "cached input",
    "cache_write_5m": "cache write",
    "cache_write_1h": "cache write 1h",
    "audio_input": "audio input",
    "cache_read_audio": "cached audio input",
    "audio_output": "audio output",
    "web_search": "web search",
}
_SAME_AS: Final = {
    "cache_read": "fresh_input",
    "cache_write_5m": "fresh_input",
    "cache_write_1h": "cache_write_5m",
    "audio_input": "fresh_input",
    "cache_read_audio": "cache_read",
    "audio_output": "output",
}
"""The rate that another one is where nobody has said what it is: it need not be told twice."""


# -- what has changed


def prices_of(models: Mapping[str, Model], day: date) -> dict[str, Known]:
    """Give what each model costs on a day (UTC)."""
    return {name: Known(model.upstream, price_at(model.price, day)) for name, model in models.items()}


def changed(models: Mapping[str, Model], known: Mapping[str, Known], now: datetime, label: str) -> list[Change]:
    """Give the models that cost something else than is known, by the generation `label` or by a day of their history.

    A model of which nothing is known has no change.
    """
    today = now.astimezone(UTC).date()
    found = []
    for name, after in prices_of(models, today).items():
        before = known.get(name)
        if before is not None and before.price != after.price:
            model = models[name]
            since = _since(model.price, before, after, today)
            found.append(Change(name, since or label, now, before, after, model.price_version))
    return found


def _since(history: PriceHistory, before: Known, after: Known, today: date) -> str:
    """Give the day from which the history of a model has its present price after the one before; empty for another."""
    entry = dated_price_at(history, today)
    place = history.entries.index(entry)
    follows = place > 0 and history.entries[place - 1].price == before.price and before.upstream == after.upstream
    return entry.effective_from.isoformat() if follows else ""


def upcoming(models: Mapping[str, Model], now: datetime) -> list[Change]:
    """Give the next change of each model that its history has for a day to come."""
    today = now.astimezone(UTC).date()
    found = []
    for name, model in models.items():
        present = price_at(model.price, today)
        coming = next(
            (each for each in model.price.entries if each.effective_from > today and each.price != present), None
        )
        if coming is not None:
            at = datetime.combine(coming.effective_from, time(), UTC)
            before, after = Known(model.upstream, present), Known(model.upstream, coming.price)
            found.append(Change(name, coming.effective_from.isoformat(), at, before, after, model.price_version, False))
    return found


def in_use(changes: Sequence[Change], used: Mapping[str, Amounts]) -> list[Change]:
    """Give the changes of models that are in use, with what they used."""
    return [replace(each, usage=used[each.model]) for each in changes if each.model in used]


# -- what it comes to


@dataclass(frozen=True, slots=True)
class RateChange:
    """One rate that is another: nano-dollars per million tokens, or of `web_search` per call.

    `tier` is empty for the standard one; `above` is the input from which on it holds.
    """

    rate: str
    before: int
    after: int
    tier: str = ""
    above: int = 0

    @property
    def label(self) -> str:
        """What it is the rate of, for people."""
        tier = f"{self.tier} " if self.tier else ""
        above = f" above {self.above:,} tokens" if self.above else ""
        return f"{tier}{_WORDS[self.rate]}{above}"

    def __str__(self) -> str:
        share = f" ({_signed(self.after - self.before, self.before)})" if self.before else ""
        return f"{self.label} {usd_text(self.before, 9)} -> {usd_text(self.after, 9)}{share}"


def rate_changes(before: Price, after: Price) -> tuple[RateChange, ...]:
    """Give every rate that differs, the standard ones first; a rate that follows another one is left out."""
    tiers = ("", *sorted({*before.service_tiers, *after.service_tiers}))
    found = []
    for tier in tiers:
        aboves = sorted({0, *_bands(before, tier), *_bands(after, tier)})
        for above in aboves:
            old, new = _rates_at(before, tier, above), _rates_at(after, tier, above)
            found += [
                RateChange(rate, getattr(old, rate), getattr(new, rate), tier, above)
                for rate in _WORDS
                if getattr(old, rate) != getattr(new, rate) and not _follows(rate, old, new)
            ]
    return tuple(found)


def _follows(rate: str, old: Rates, new: Rates) -> bool:
    other = _SAME_AS.get(rate)
    return other is not None and all(getattr(each, rate) == getattr(each, other) for each in (old, new))


def _bands(price: Price, tier: str) -> list[int]:
    return [band.above_input_tokens for band in price.service_tiers.get(tier, price.standard).bands]


def _rates_at(price: Price, tier: str, above: int) -> Rates:
    tariff = price.service_tiers.get(tier, price.standard)
    return next((band.rates for band in reversed(tariff.bands) if band.above_input_tokens <= above), tariff.rates)


def cost_nano_usd(usage: Amounts, price: Price) -> int:
    """Give what sums of the ledger cost at the standard rates of short inputs, rounded half up: an estimate."""
    rates = price.standard.rates
    femto = (
        usage.fresh_input_tokens * rates.fresh_input
        + usage.cache_read_tokens * rates.cache_read
        + usage.cache_write_tokens * rates.cache_write_5m
        + usage.output_tokens * rates.output
    )
    return (2 * femto + TOKENS_PER_RATE) // (2 * TOKENS_PER_RATE)


def effect_nano_usd(change: Change) -> int:
    """Give by how much a month costs more, below zero for less, if it uses what the last days used."""
    difference = cost_nano_usd(change.usage, change.after.price) - cost_nano_usd(change.usage, change.before.price)
    return (2 * difference * MONTH_DAYS + USED_DAYS) // (2 * USED_DAYS)


def rises(change: Change) -> bool:
    """Say whether a change is for the worse: by what it comes to, or, where that is nothing, by any rate."""
    effect = effect_nano_usd(change)
    if effect:
        return effect > 0
    return any(each.after > each.before for each in rate_changes(change.before.price, change.after.price))


# -- what is said


def looks(rule: AlertRule, terms: OfPrices, sights: Sights) -> Iterator[Look]:
    """Read each change: an incident each, from when it is known, at most so many days ahead, to a day after it came."""
    for change in sights.changes or ():
        if change.in_force:
            over = (sights.now - change.at).total_seconds() >= TOLD_FOR_S
            level = Level.OK if over else Level.FIRING
        elif sights.now >= change.at - timedelta(days=terms.ahead_days):
            level = Level.FIRING
        else:
            continue
        watch = watch_of(rule, {"model": change.model, "change": change.change})
        yield Look(watch, level, partial(_read, rule, change, level))


def _read(rule: AlertRule, change: Change, level: Level) -> Reading:
    before, after = change.before, change.after
    rates = rate_changes(before.price, after.price)
    effect = effect_nano_usd(change)
    facts = [
        Fact(each.label.capitalize(), f"{str(each).removeprefix(each.label).strip()} USD")
        for each in rates[:RATES_SHOWN]
    ]
    if len(rates) > RATES_SHOWN:
        facts.append(Fact("More rates", str(len(rates) - RATES_SHOWN)))
    if before.upstream != after.upstream:
        facts.append(Fact("Model at the provider", f"{before.upstream} -> {after.upstream}"))
    facts += [
        Fact("A month", f"about {_more(effect)}" if effect else "about the same"),
        Fact("By the use of", f"the last {USED_DAYS} days: {change.usage.attempts:,} attempts"),
        Fact("Price from", "the rule files" if change.source == "rules" else f"the catalogue of {change.source}"),
    ]
    return Reading(
        level=level,
        severity=rule.severity or (Severity.WARNING if rises(change) else Severity.INFO),
        summary=_summary(change, rates, effect),
        stage=int(change.in_force),
        facts=(*facts, defined_at(rule)),
        data=_data(change, rates, effect),
    )


def _summary(change: Change, rates: tuple[RateChange, ...], effect: int) -> str:
    when = "" if change.in_force else f" from {change.change} on"
    verb = "costs" if change.in_force else "will cost"
    shown = ", ".join(str(each) for each in rates[:RATES_SHOWN])
    month = f"; about {_more(effect)} a month" if effect else ""
    return f"Model {change.model} {verb} {_by_how_much(change)}{when}: {shown} USD per million tokens{month}"


def _by_how_much(change: Change) -> str:
    before = cost_nano_usd(change.usage, change.before.price)
    difference = cost_nano_usd(change.usage, change.after.price) - before
    if not difference:
        return "something else"
    if not before:
        return "something, and cost nothing before"
    return f"{percent(abs(difference) / before)} {'more' if difference > 0 else 'less'}"


def _data(change: Change, rates: tuple[RateChange, ...], effect: int) -> dict[str, Json]:
    return {
        "model": change.model,
        "change": change.change,
        "in_force": change.in_force,
        "at": change.at.isoformat(timespec="seconds"),
        "upstream": [change.before.upstream, change.after.upstream],
        "rates": [
            {
                "rate": each.rate,
                "service_tier": each.tier or None,
                "above_input_tokens": each.above,
                "before_nano_usd": each.before,
                "after_nano_usd": each.after,
            }
            for each in rates
        ],
        "month_nano_usd": effect,
        "used_days": USED_DAYS,
        "attempts": change.usage.attempts,
        "source": change.source,
    }


def _more(nano_usd: int) -> str:
    return f"{dollars(abs(nano_usd))} USD {'more' if nano_usd > 0 else 'less'}"


def _signed(difference: int, before: int) -> str:
    return f"{'+' if difference > 0 else '-'}{percent(abs(difference) / before)}"
