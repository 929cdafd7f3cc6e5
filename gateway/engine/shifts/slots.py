"""A slot of time against what was to be expected: for each value of each dimension, how far it is off, and the money.

A request is followed along its way, each step given the ones before: who asks, for which category, by which rule, at
which model, with how many tokens, at what price. A step is compared with what is usual given the steps before it, so
that what moves in one step does not show in the others, and what all take part in does not show at all.
"""

from dataclasses import dataclass, field
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
from gateway.engine.shifts.kept import Table
from gateway.engine.shifts.places import Places
from gateway.engine.shifts.prices import Price, listed
from gateway.engine.shifts.usual import Expected

CAP_CALLS: Final = 15.0
"""A cell's cost counts up to its usual cost for this many calls more than it has."""
FLOOR: Final = 0.002
"""The share of calls that may always go another way than usual."""

Counts = dict[str, float]


@dataclass(slots=True)
class Slot:
    """What happened in a slot of time, by series; the first number of each is the variance to be expected.

    size: variance, calls, log tokens in, log tokens out, cached share (each beyond the expectation), nano-dollars
    of input, of output, and those lost to the cache. choice: variance, what is scored, nano-dollars, calls, calls
    beyond the expectation (for models, those at dearer ones), and as many as were expected there. volume: variance,
    calls beyond the expectation, calls, expected calls, nano-dollars. models: calls, cost at the known price, cost.
    fallbacks by the model that should have answered: calls that fell back, calls, nano-dollars beyond. wastes by
    rule: calls, nano-dollars of all, of hedges, of failures. `targets` are nano-dollars by where from and where to.
    """

    size: Table = field(default_factory=dict)
    choice: Table = field(default_factory=dict)
    gains: Table = field(default_factory=dict)
    volume: Table = field(default_factory=dict)
    models: Table = field(default_factory=dict)
    fallbacks: Table = field(default_factory=dict)
    targets: Table = field(default_factory=dict)
    wastes: Table = field(default_factory=dict)
    spend: float = 0.0


@dataclass(frozen=True, slots=True)
class Against:
    """What a slot is held against. `apart` are the askers, by dimension and name, whose calls say nothing of others."""

    places: Places
    expected: Expected
    prices: dict[str, Price]
    apart: frozenset[Key]


def slot_of(cells: Cells, against: Against) -> Slot:
    """Score the cells of a slot, but for volume."""
    slot = Slot()
    askers: dict[str, Counts] = {}
    ways: dict[Key, Counts] = {}
    rules: dict[str, Counts] = {}
    places, apart = against.places, against.apart
    for key, cell in cells.items():
        model = key[places.model]
        price = against.prices.get(model)
        capped = _capped(key, cell, against)
        hedged, retried = cell[HEDGED], cell[RETRIED]
        slot.spend += capped + hedged + retried
        add(slot.wastes, (key[places.rule],), (cell[CALLS], cell[NANO_USD] + hedged + retried, hedged, retried))
        if price is not None:
            add(slot.models, (model,), (cell[CALLS], listed(price, cell), cell[NANO_USD]))
        _fallback(slot, key, cell, against)
        if apart and any((places.names[at], key[at]) in apart for at in places.who):
            continue
        who, rule, category = key[places.finest], key[places.rule], key[places.category]
        calls = cell[CALLS]
        _count(askers, who, category, calls)
        _count(ways, (who, category), rule, calls)
        _count(rules, rule, key[-1] or model, calls)
        _size(slot, key, cell, price, against)
    _categories(slot, askers, against)
    _rules(slot, ways, against)
    _models(slot, rules, against)
    return slot


def add(into: Table, key: Key, values: tuple[float, ...] | list[float]) -> None:
    """Add numbers to those of a series."""
    held = into.get(key)
    if held is None:
        into[key] = list(values)
    else:
        for i, value in enumerate(values):
            held[i] += value


def _count(into: dict[Any, Counts], given: Any, name: str, calls: float) -> None:  # noqa: ANN401 - JSON values
    counts = into.get(given)
    if counts is None:
        into[given] = {name: calls}
    else:
        counts[name] = counts.get(name, 0.0) + calls


def _capped(key: Key, cell: list[float], against: Against) -> float:
    places = against.places
    unit = against.expected.unit.get((key[places.category], key[places.model]))
    return cell[NANO_USD] if unit is None else min(cell[NANO_USD], unit * (cell[CALLS] + CAP_CALLS))


def _fallback(slot: Slot, key: Key, cell: list[float], against: Against) -> None:
    fell_from, model = key[-1], key[against.places.model]
    if not fell_from:
        add(slot.fallbacks, (model,), (0.0, cell[CALLS], 0.0))
        return
    price = against.prices.get(fell_from)
    extra = cell[NANO_USD] - listed(price, cell) if price else 0.0
    add(slot.fallbacks, (fell_from,), (cell[CALLS], cell[CALLS], extra))
    add(slot.targets, (fell_from, model), (cell[NANO_USD],))


def _size(slot: Slot, key: Key, cell: list[float], price: Price | None, against: Against) -> None:
    expected, places = against.expected, against.places
    category = key[places.category]
    means = expected.size.get((key[places.finest], category)) or expected.size_of_category.get(category)
    if means is None:
        return
    calls = cell[CALLS]
    in_, out, lost = 0.0, 0.0, 0.0
    if price is not None:
        cached = cell[TOKENS_CACHED]
        in_ = (cell[TOKENS_IN] - cached) * price[0] + cached * price[1]
        out = cell[TOKENS_OUT] * price[2]
        lost = (cell[TOKENS_IN] * means[2] - cached) * (price[0] - price[1])
        unit = expected.unit.get((category, key[places.model]))
        if unit is not None and in_ + out > unit * (calls + CAP_CALLS):
            scale = unit * (calls + CAP_CALLS) / (in_ + out)
            in_, out, lost = in_ * scale, out * scale, lost * scale
    r_in, r_out = cell[LOG_IN] - calls * means[0], cell[LOG_OUT] - calls * means[1]
    r_cached = cell[CACHED_SHARE] - calls * means[2]
    size = slot.size
    for series in zip(places.names, key, strict=False):
        held = size.get(series)
        if held is None:
            size[series] = [calls, calls, r_in, r_out, r_cached, in_, out, lost]
        else:
            held[0] += calls
            held[1] += calls
            held[2] += r_in
            held[3] += r_out
            held[4] += r_cached
            held[5] += in_
            held[6] += out
            held[7] += lost


def _categories(slot: Slot, askers: dict[str, Counts], against: Against) -> None:
    expected = against.expected
    name = against.places.names[against.places.category]
    sums: dict[str, list[float]] = {}
    for who, counts in askers.items():
        shares = expected.categories.get(who)
        if shares is None:
            continue
        calls = sum(counts.values())
        for category, share in shares.items():
            held = sums.setdefault(category, [0.0, 0.0, 0.0])
            seen = counts.get(category, 0.0)
            held[0] += calls * (share * (1 - share) + FLOOR)
            held[1] += seen - calls * share
            held[2] += seen
        for category, seen in counts.items():
            if category not in shares:
                add_to = sums.setdefault(category, [0.0, 0.0, 0.0])
                add_to[0] += calls * FLOOR
                add_to[1] += seen
                add_to[2] += seen
    for category, (variance, excess, seen) in sums.items():
        unit = expected.unit_of_category.get(category, expected.unit_of_all)
        share = expected.categories_of_all.get(category, 0.0)
        others = (expected.unit_of_all - share * unit) / (1 - share) if share < 1 else unit
        usd = excess * (unit - others)
        slot.choice[Channel.CATEGORY, name, category] = [variance, excess, usd, seen, excess, seen - excess]


def _rules(slot: Slot, ways: dict[Key, Counts], against: Against) -> None:
    expected = against.expected
    name = against.places.names[against.places.rule]
    for way, counts in ways.items():
        shares = expected.rules.get(way)
        if shares is None or (len(shares) == 1 and counts.keys() == shares.keys()):
            continue
        calls = sum(counts.values())
        usual = sum(share * expected.unit_of_rule.get(rule, 0.0) for rule, share in shares.items())
        for rule in {**shares, **counts}:
            share, seen = shares.get(rule, 0.0), counts.get(rule, 0.0)
            excess = seen - calls * share
            usd = excess * (expected.unit_of_rule.get(rule, usual) - usual)
            variance = calls * (share * (1 - share) + FLOOR)
            add(slot.choice, (Channel.RULE, name, rule), (variance, excess, usd, seen, excess, calls * share))


def _models(slot: Slot, rules: dict[str, Counts], against: Against) -> None:
    expected = against.expected
    name = against.places.names[against.places.rule]
    for rule, counts in rules.items():
        shares, units = expected.models.get(rule), expected.units_of_models.get(rule)
        if shares is None or units is None:
            continue
        known = {model: share for model, share in shares.items() if model in units}
        whole = sum(known.values()) or 1.0
        usual = sum(share * units[model] for model, share in known.items()) / whole
        square = sum(share * units[model] ** 2 for model, share in known.items()) / whole
        calls, score, dearer, widest = 0.0, 0.0, 0.0, 0.0
        due = sum(share for model, share in known.items() if units[model] > usual) / whole
        for model, seen in counts.items():
            if model not in units:
                continue
            calls += seen
            score += seen * (units[model] - usual)
            widest = max(widest, abs(units[model] - usual))
            share = shares.get(model, 0.0)
            dearer += seen if units[model] > usual else 0.0
            slot.gains[rule, model] = [0.0, (seen - share * sum(counts.values())), seen]
        variance = calls * (max(0.0, square - usual**2) + FLOOR * widest**2)
        slot.choice[Channel.CHOICE, name, rule] = [variance, score, score, calls, dearer - calls * due, calls * due]
