"""What is usual: past days as a few tables, and what they let expect of the next one.

The last days stand aside for a while before they count, so that something that creeps is not taken for usual while it
does. Older days fade. A channel that has a new normal begins anew with the days since.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import exp
from typing import Any, Final

from gateway.domain.shift import Channel
from gateway.engine.shifts.buckets import (
    CACHED_SHARE,
    CALLS,
    HEDGED,
    LOG_IN,
    LOG_OUT,
    NANO_USD,
    RETRIED,
    TOKENS_CACHED,
    TOKENS_IN,
    TOKENS_OUT,
    Cells,
    Key,
)
from gateway.engine.shifts.kept import Table, pairs, table
from gateway.engine.shifts.places import Places
from gateway.engine.shifts.prices import Price
from gateway.engine.shifts.terms import Terms

SIZE: Final = "size"
RULES: Final = "rules"
MODELS: Final = "models"
TOKENS: Final = "tokens"
UNIT: Final = "unit"
WEEKDAY: Final = "weekday"
WHOLE: Final = "whole"
BIAS: Final = "bias"
KINDS: Final = (SIZE, RULES, MODELS, TOKENS, UNIT, WEEKDAY, WHOLE, BIAS)

RESET: Final[dict[Channel, tuple[str, ...]]] = {
    Channel.VOLUME: (WHOLE,),
    Channel.CATEGORY: (SIZE, BIAS, WEEKDAY, WHOLE),
    Channel.RULE: (RULES, WHOLE),
    Channel.CHOICE: (MODELS, UNIT, WHOLE),
    Channel.FALLBACK: (WHOLE,),
    Channel.HEDGES: (WHOLE,),
    Channel.RETRIES: (WHOLE,),
    Channel.PRICE: (UNIT, WHOLE),
    Channel.CACHE: (SIZE, BIAS, TOKENS, UNIT, WHOLE),
    Channel.TOKENS_IN: (SIZE, BIAS, TOKENS, UNIT, WHOLE),
    Channel.TOKENS_OUT: (SIZE, BIAS, TOKENS, UNIT, WHOLE),
    Channel.TOKENS: (SIZE, BIAS, TOKENS, UNIT, WHOLE),
}
"""The tables that begin anew when a channel has a new normal."""

FADE: Final = 0.97
"""What a day's table weighs a day later."""
DAYS_WITHOUT_LAG: Final = 7
PRIOR_CALLS: Final = 10.0
PRIOR_CALLS_OF_WEEKDAY: Final = 60.0
LEAST_SHARE: Final = 1e-4

Day = dict[str, Table]


def day_of(cells: Cells, places: Places, weekday: int) -> Day:
    """Give the tables of a day from all its cells."""
    day: Day = {kind: {} for kind in KINDS}
    whole = 0.0
    for key, cell in cells.items():
        who, rule, category = key[places.finest], key[places.rule], key[places.category]
        model, chosen = key[places.model], key[-1] or key[places.model]
        calls, nano = cell[CALLS], cell[NANO_USD]
        whole += nano + cell[HEDGED] + cell[RETRIED]
        cached = cell[TOKENS_CACHED]
        _add(day[SIZE], (who, category), (calls, cell[LOG_IN], cell[LOG_OUT], cell[CACHED_SHARE]))
        _add(day[RULES], (who, category, rule), (calls,))
        _add(day[MODELS], (rule, chosen), (calls,))
        _add(day[TOKENS], (rule,), (calls, cell[TOKENS_IN] - cached, cached, cell[TOKENS_OUT]))
        _add(day[UNIT], (category, model, rule), (calls, nano))
        _add(day[WEEKDAY], (str(weekday), category), (calls,))
    _add(day[WHOLE], ("",), (1.0, whole))
    return day


def _add(into: Table, key: Key, values: tuple[float, ...] | list[float]) -> None:
    held = into.get(key)
    if held is None:
        into[key] = list(values)
    else:
        for i, value in enumerate(values):
            held[i] += value


@dataclass(slots=True)
class Usual:
    """Past days: those that count, faded, and the last ones, which wait."""

    old: Day = field(default_factory=lambda: {kind: {} for kind in KINDS})
    waiting: list[tuple[int, Day]] = field(default_factory=list)
    days: int = 0

    def close(self, number: int, day: Day, terms: Terms) -> None:
        """Take a day that has ended."""
        self.days += 1
        self.waiting.append((number, day))
        lag = terms.lag_days if self.days > DAYS_WITHOUT_LAG else 0
        while len(self.waiting) > lag:
            _, oldest = self.waiting.pop(0)
            for kind in KINDS:
                self._merge(kind, oldest[kind], FADE if kind != WEEKDAY else 1.0)

    def begin_anew(self, channels: Collection[Channel], since_day: int) -> None:
        """Forget what channels expect from, but for the whole days that wait and are from `since_day` on.

        How far off values were in these is forgotten, too, where other requests are of a category than were before.
        """
        for kind in sorted({kind for channel in channels for kind in RESET[channel]}):
            self.old[kind] = {}
            for number, day in self.waiting:
                if number >= since_day:
                    if kind != BIAS or Channel.CATEGORY not in channels:
                        self._merge(kind, day[kind], 1.0)
                    day[kind] = {}

    def _merge(self, kind: str, newer: Table, fade: float) -> None:
        held = self.old[kind]
        if fade < 1.0:
            for values in held.values():
                for i in range(len(values)):
                    values[i] *= fade
        for key, values in newer.items():
            _add(held, key, values)

    def to_plain(self) -> dict[str, Any]:
        """Give this as JSON values."""
        return {
            "old": {kind: pairs(self.old[kind]) for kind in KINDS},
            "waiting": [[number, {kind: pairs(day[kind]) for kind in KINDS}] for number, day in self.waiting],
            "days": self.days,
        }

    @classmethod
    def from_plain(cls, kept: Any) -> "Usual":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        return cls(
            {kind: table(kept["old"][kind]) for kind in KINDS},
            [(number, {kind: table(day[kind]) for kind in KINDS}) for number, day in kept["waiting"]],
            kept["days"],
        )


@dataclass(slots=True)
class Expected:
    """What a day lets expect. Shares are lists of a value and its share, units are nano-dollars a call."""

    size: dict[Key, tuple[float, float, float]] = field(default_factory=dict)
    size_of_category: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    categories: dict[str, dict[str, float]] = field(default_factory=dict)
    categories_of_all: dict[str, float] = field(default_factory=dict)
    rules: dict[Key, dict[str, float]] = field(default_factory=dict)
    models: dict[str, dict[str, float]] = field(default_factory=dict)
    units_of_models: dict[str, dict[str, float]] = field(default_factory=dict)
    unit: dict[Key, float] = field(default_factory=dict)
    unit_of_category: dict[str, float] = field(default_factory=dict)
    unit_of_rule: dict[str, float] = field(default_factory=dict)
    unit_of_all: float = 0.0
    nano_of_model: dict[str, float] = field(default_factory=dict)
    nano_a_day: float = 0.0
    bias: dict[Key, tuple[float, float, float]] = field(default_factory=dict)


def expected(usual: Usual, prices: dict[str, Price], weekday: int) -> Expected:
    """Give what past days let expect of a day of the week (0 to 6)."""
    old, found = usual.old, Expected()
    _sizes(old, found)
    _categories(old, found, weekday)
    _shares(old, found)
    _units(old, found, prices)
    days, nano = old[WHOLE].get(("",), [0.0, 0.0])
    found.nano_a_day = nano / days if days else 0.0
    found.bias = {
        key: (r_in / (calls + 100.0), r_out / (calls + 100.0), r_cached / (calls + 100.0))
        for key, (calls, r_in, r_out, r_cached) in old[BIAS].items()
    }
    return found


def _sizes(old: Day, found: Expected) -> None:
    pooled: Table = {}
    for (_, category), values in old[SIZE].items():
        _add(pooled, (category,), values)
    for (category,), (calls, in_, out, cached) in pooled.items():
        found.size_of_category[category] = (in_ / calls, out / calls, cached / calls)
    for key, (calls, in_, out, cached) in old[SIZE].items():
        means = found.size_of_category[key[1]]
        whole = calls + PRIOR_CALLS
        found.size[key] = (
            (in_ + PRIOR_CALLS * means[0]) / whole,
            (out + PRIOR_CALLS * means[1]) / whole,
            (cached + PRIOR_CALLS * means[2]) / whole,
        )


def _categories(old: Day, found: Expected, weekday: int) -> None:
    """Each asker's own shares, with what this day of the week does to the categories of all."""
    of_all: dict[str, float] = {}
    of_who: dict[str, dict[str, float]] = {}
    for (who, category), values in old[SIZE].items():
        of_all[category] = of_all.get(category, 0.0) + values[0]
        of_who.setdefault(who, {})[category] = values[0]
    whole = sum(of_all.values()) or 1.0
    of_all = {category: calls / whole for category, calls in of_all.items()}
    today = {category: old[WEEKDAY].get((str(weekday), category), [0.0])[0] for category in of_all}
    every: dict[str, float] = {}
    for (_, category), values in old[WEEKDAY].items():
        every[category] = every.get(category, 0.0) + values[0]
    calls_today, calls_every = sum(today.values()), sum(every.values()) or 1.0
    tilt = {}
    for category in of_all:
        usual = max(every.get(category, 0.0) / calls_every, LEAST_SHARE)
        share = (today[category] + PRIOR_CALLS_OF_WEEKDAY * usual) / (calls_today + PRIOR_CALLS_OF_WEEKDAY)
        tilt[category] = share / usual
    for who, calls in of_who.items():
        own = sum(calls.values()) + PRIOR_CALLS
        shares = {each: (calls.get(each, 0.0) + PRIOR_CALLS * of_all[each]) / own * tilt[each] for each in of_all}
        scale = sum(shares.values())
        found.categories[who] = {each: share / scale for each, share in shares.items()}
    found.categories_of_all = of_all


def _shares(old: Day, found: Expected) -> None:
    for (who, category, rule), values in old[RULES].items():
        found.rules.setdefault((who, category), {})[rule] = values[0]
    for (rule, model), values in old[MODELS].items():
        found.models.setdefault(rule, {})[model] = values[0]
    for shares in (*found.rules.values(), *found.models.values()):
        whole = sum(shares.values())
        for name in shares:
            shares[name] /= whole


def _units(old: Day, found: Expected, prices: dict[str, Price]) -> None:
    categories: Table = {}
    rules: Table = {}
    cells: Table = {}
    for (category, model, rule), values in old[UNIT].items():
        _add(categories, (category,), values)
        _add(rules, (rule,), values)
        _add(cells, (category, model), values)
    found.unit = {key: nano / calls for key, (calls, nano) in cells.items() if calls}
    found.unit_of_category = {key[0]: nano / calls for key, (calls, nano) in categories.items() if calls}
    found.unit_of_rule = {key[0]: nano / calls for key, (calls, nano) in rules.items() if calls}
    calls, nano = (sum(values[i] for values in categories.values()) for i in (0, 1))
    found.unit_of_all = nano / calls if calls else 0.0
    whole_days = old[WHOLE].get(("",), [1.0])[0] or 1.0
    for (_, model), (_, nano) in cells.items():
        found.nano_of_model[model] = found.nano_of_model.get(model, 0.0) + nano / whole_days
    for (rule,), (calls, fresh, cached, out) in old[TOKENS].items():
        found.units_of_models[rule] = {
            model: (fresh * price[0] + cached * price[1] + out * price[2]) / calls for model, price in prices.items()
        }


def decayed(elapsed: float, scale: float) -> float:
    """Give what is left of a sum after some time, for the mean age `scale`."""
    return exp(-elapsed / scale)
