"""Spend of a small firm, made up: two apps and a night job, two rules, three models, days, nights and weekends."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import cos, pi

from gateway.domain.shift import Dimensions, Edit, Notice, SpendEvent
from gateway.engine.shifts.fold import Fold
from gateway.engine.shifts.terms import DAY_S, Terms

DIMENSIONS = Dimensions(who=("team",), also=())
TERMS = Terms(dimensions=DIMENSIONS, warm_up_days=7.0, calibrated_from_days=3.0)
PRICES = {"small": (100, 10, 400), "middle": (1000, 100, 5000), "large": (5000, 500, 25000)}
"""Nano-dollars a token: fresh input, cached input, output."""
TEAMS = {"app": 0.5, "web": 0.35, "ops": 0.15}
CATEGORIES = {"chat": 0.6, "code": 0.4}
MODELS = {"r-chat": ("small", "middle"), "r-code": ("middle", "large")}


@dataclass(frozen=True)
class Call:
    """One request on its way: what a change may change before it is priced."""

    ts: float
    team: str
    rule: str
    category: str
    model: str
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    fallback_from: str = ""
    times_the_price: int = 1
    hedges: int = 0
    retries: int = 0


Change = Callable[[Call, random.Random], Iterable[Call]]


def unchanged(call: Call, _: random.Random) -> Iterable[Call]:
    """Leave a call as it is."""
    return (call,)


def calls(days: float, per_hour: float, seed: int = 7) -> Iterator[Call]:
    """Give the calls of some days: fewer at night and at weekends, other hours and weekends for each team."""
    chance = random.Random(seed)
    for minute in range(int(days * DAY_S / 60)):
        hour = minute / 60
        for at, (team, share) in enumerate(TEAMS.items()):
            rate = per_hour / 60 * share * (1 + 0.7 * cos(2 * pi * (hour - 14 - 3 * at) / 24))
            rate *= (1.0, 0.4, 0.7)[at] if minute // 1440 % 7 >= 5 else 1.0
            while rate > 0:
                if chance.random() < rate:
                    yield call(minute * 60 + chance.random() * 59, team, chance)
                rate -= 1


def call(ts: float, team: str, chance: random.Random) -> Call:
    """Give one usual call of a team."""
    category = "chat" if chance.random() < CATEGORIES["chat"] else "code"
    rule = f"r-{category}"
    usual, dear = MODELS[rule]
    tokens_in = int(chance.lognormvariate(7 if category == "chat" else 8, 0.7)) + 1
    cached = tokens_in // 2 if category == "code" and chance.random() < 0.8 else 0
    tokens_out = int(chance.lognormvariate(5.5, 0.7)) + 1
    model = usual if chance.random() < 0.9 else dear
    return Call(ts, team, rule, category, model, tokens_in, cached, tokens_out)


def priced(call: Call) -> SpendEvent:
    """Give the event of a call."""
    fresh, cached, out = PRICES[call.model]
    nano = (call.tokens_in - call.tokens_cached) * fresh + call.tokens_cached * cached + call.tokens_out * out
    values = (call.team, call.rule, call.category, call.model)
    nano *= call.times_the_price
    wasted = (call.hedges * nano, call.retries * nano)
    size = (call.tokens_in, call.tokens_cached, call.tokens_out)
    return SpendEvent(call.ts, values, *size, nano, call.fallback_from, *wasted)


def events(days: float, per_hour: float, change: Change = unchanged, seed: int = 7) -> list[SpendEvent]:
    """Give the events of some days, in the order of time, with a change in them."""
    chance = random.Random(seed + 1)
    made = [priced(each) for usual in calls(days, per_hour, seed) for each in change(usual, chance)]
    return sorted(made, key=lambda event: event.ts)


def notices_of(stream: Sequence[SpendEvent], edits: Sequence[Edit] = (), terms: Terms = TERMS) -> list[Notice]:
    """Fold a stream and give all that is said."""
    fold = Fold(terms)
    waiting = sorted(edits, key=lambda edit: edit.ts)
    found: list[Notice] = []
    for event in stream:
        while waiting and waiting[0].ts <= event.ts:
            found += fold.edit(waiting.pop(0))
        found += fold.add(event)
    return found + fold.advance(stream[-1].ts + 2 * terms.bucket_s)


def since(day: float, changed: Callable[[Call, random.Random], Call], until: float = 99.0) -> Change:
    """Change each call from a day on."""

    def change(call: Call, chance: random.Random) -> Iterable[Call]:
        return (changed(call, chance) if day * DAY_S <= call.ts < until * DAY_S else call,)

    return change


def with_model(call: Call, model: str) -> Call:
    """Send a call to another model."""
    return replace(call, model=model)
