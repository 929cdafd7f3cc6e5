"""All that the fold remembers, and the same as plain JSON values with a version."""

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.domain.shift import Dimensions
from gateway.engine.shifts.buckets import Cells, Key
from gateway.engine.shifts.incidents import Incident
from gateway.engine.shifts.kept import Table, pairs, table
from gateway.engine.shifts.prices import Price
from gateway.engine.shifts.seasons import Askers, Seasons
from gateway.engine.shifts.series import Sources, Wandering
from gateway.engine.shifts.terms import LEVEL_BUCKETS, SCALES_S
from gateway.engine.shifts.usual import Usual
from gateway.engine.shifts.wastes import Wastes
from gateway.engine.shifts.watches import Watches

VERSION: Final = 2


@dataclass(slots=True)
class Gathered:
    """Slots gathered for the next level, and the spend in them."""

    size: Table = field(default_factory=dict)
    choice: Table = field(default_factory=dict)
    volume: Table = field(default_factory=dict)
    spend: float = 0.0


@dataclass(slots=True)
class State:
    """The memory of a fold; `bucket` is the number of the open one, None before the first event.

    `today` are the cells of the day so far, `asked` each asker's calls by half hour, by dimension, `bias` how far
    values were off. `spend` are the slot and the fading spend of each scale. `rising` has since when and until when
    a cause was seen. `runs` has since which bucket one asks more, the last calls and those that were due, and the
    most that two buckets had beyond. `doubts` are rows of a step of a request's way, until when it is judged more
    strictly, and by how much. `totals` are rows of bucket, calls, cost at the known price, and cost, by model, for
    two days.
    """

    bucket: int | None = None
    first: int = 0
    cells: Cells = field(default_factory=dict)
    today: Cells = field(default_factory=dict)
    asked: dict[str, Askers] = field(default_factory=dict)
    bias: Table = field(default_factory=dict)
    usual: Usual = field(default_factory=Usual)
    seasons: dict[str, Seasons] = field(default_factory=dict)
    price_sums: dict[str, list[float]] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    size: Sources = field(default_factory=Sources)
    choice: Sources = field(default_factory=Sources)
    volume: Sources = field(default_factory=Sources)
    spend: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0] for _ in SCALES_S])
    wandering: Wandering = field(default_factory=Wandering)
    gathered: list[Gathered] = field(default_factory=lambda: [Gathered() for _ in LEVEL_BUCKETS])
    watches: Watches = field(default_factory=Watches)
    wastes: Wastes = field(default_factory=Wastes)
    incidents: list[Incident] = field(default_factory=list)
    rising: dict[Key, list[float]] = field(default_factory=dict)
    runs: Table = field(default_factory=dict)
    doubts: list[list[float]] = field(default_factory=list)
    gains: Table = field(default_factory=dict)
    totals: dict[str, list[list[float]]] = field(default_factory=dict)
    names: list[dict[str, int]] = field(default_factory=list)
    number: int = 0
    unsettled_until: float = 0.0


def to_plain(state: State, dimensions: Dimensions) -> dict[str, Any]:
    """Give the state as JSON values; it can be read again for the same dimensions alone."""
    return {
        "version": VERSION,
        "dimensions": list(dimensions.names),
        "bucket": state.bucket,
        "first": state.first,
        "cells": pairs(state.cells),
        "today": pairs(state.today),
        "asked": state.asked,
        "bias": pairs(state.bias),
        "usual": state.usual.to_plain(),
        "seasons": {name: each.to_plain() for name, each in state.seasons.items()},
        "price_sums": state.price_sums,
        "prices": {model: list(price) for model, price in state.prices.items()},
        "size": state.size.to_plain(),
        "choice": state.choice.to_plain(),
        "volume": state.volume.to_plain(),
        "spend": state.spend,
        "wandering": state.wandering.to_plain(),
        "gathered": [[pairs(each.size), pairs(each.choice), pairs(each.volume), each.spend] for each in state.gathered],
        "watches": state.watches.to_plain(),
        "wastes": state.wastes.to_plain(),
        "incidents": [each.to_plain() for each in state.incidents],
        "rising": pairs(state.rising),
        "runs": pairs(state.runs),
        "doubts": state.doubts,
        "gains": pairs(state.gains),
        "totals": state.totals,
        "names": state.names,
        "number": state.number,
        "unsettled_until": state.unsettled_until,
    }


def from_plain(kept: Any, dimensions: Dimensions) -> State:  # noqa: ANN401 - JSON values
    """Read what `to_plain` gave. Raises ValueError for another version or other dimensions, KeyError for less."""
    if kept["version"] != VERSION:
        raise ValueError(f"the state of shifts has version {kept['version']}, not {VERSION}")
    if kept["dimensions"] != list(dimensions.names):
        raise ValueError("the state of shifts has other dimensions")
    return State(
        bucket=kept["bucket"],
        first=kept["first"],
        cells=table(kept["cells"]),
        today=table(kept["today"]),
        asked={name: {who: list(calls) for who, calls in askers.items()} for name, askers in kept["asked"].items()},
        bias=table(kept["bias"]),
        usual=Usual.from_plain(kept["usual"]),
        seasons={name: Seasons.from_plain(each) for name, each in kept["seasons"].items()},
        price_sums={model: list(sums) for model, sums in kept["price_sums"].items()},
        prices={model: (fresh, cached, out) for model, (fresh, cached, out) in kept["prices"].items()},
        size=Sources.from_plain(kept["size"]),
        choice=Sources.from_plain(kept["choice"]),
        volume=Sources.from_plain(kept["volume"]),
        spend=[list(each) for each in kept["spend"]],
        wandering=Wandering.from_plain(kept["wandering"]),
        gathered=[
            Gathered(table(size), table(choice), table(volume), spend)
            for size, choice, volume, spend in kept["gathered"]
        ],
        watches=Watches.from_plain(kept["watches"]),
        wastes=Wastes.from_plain(kept["wastes"]),
        incidents=[Incident.from_plain(each) for each in kept["incidents"]],
        rising=table(kept["rising"]),
        runs=table(kept["runs"]),
        doubts=[list(row) for row in kept["doubts"]],
        gains=table(kept["gains"]),
        totals={model: [list(row) for row in rows] for model, rows in kept["totals"].items()},
        names=[dict(each) for each in kept["names"]],
        number=kept["number"],
        unsettled_until=kept["unsettled_until"],
    )
