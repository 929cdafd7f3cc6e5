"""Changes of prices: what a model cost and what it costs now, or will cost, and what was used of it lately."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.domain.alert import Json
from gateway.domain.ledger import Amounts
from gateway.domain.price import RATE_NAMES, Band, Price, Rates, Tariff

NOT_USED = Amounts(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Known:
    """What a model of the registry is at its provider, and what is charged for it."""

    upstream: str
    price: Price


@dataclass(frozen=True, slots=True)
class Change:
    """Another price of a model of the registry.

    `change` names what brought it: the day (UTC) from which the catalogue has it, or the generation that it came with.
    `at` is when it was noticed or, where it is not `in_force` yet, when it will be. `source` is where the new price
    stands: `rules`, or the date of the catalogue. `usage` is what the model used in the days before it was noticed.
    """

    model: str
    change: str
    at: datetime
    before: Known
    after: Known
    source: str
    in_force: bool = True
    usage: Amounts = NOT_USED


@dataclass(frozen=True, slots=True)
class KeptPrices:
    """What is kept of prices: those in force when somebody looked last, by model, and what has changed lately."""

    known: Mapping[str, Known]
    changes: tuple[Change, ...] = ()


def known_to_json(known: Known) -> dict[str, Json]:
    """Give what is known of a model's price as plain JSON values; `known_from_json` reads them."""
    price = known.price
    return {
        "upstream": known.upstream,
        "standard": _tariff_to_json(price.standard),
        "service_tiers": {tier: _tariff_to_json(tariff) for tier, tariff in price.service_tiers.items()},
    }


def known_from_json(kept: Mapping[str, Any]) -> Known:
    """Read what `known_to_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
    tiers = {tier: _tariff_from_json(tariff) for tier, tariff in kept["service_tiers"].items()}
    return Known(kept["upstream"], Price(_tariff_from_json(kept["standard"]), tiers))


def to_json(change: Change) -> dict[str, Json]:
    """Give a change as plain JSON values; `from_json` reads them."""
    return {
        "model": change.model,
        "change": change.change,
        "at": change.at.isoformat(),
        "before": known_to_json(change.before),
        "after": known_to_json(change.after),
        "source": change.source,
        "in_force": change.in_force,
        "usage": change.usage._asdict(),
    }


def from_json(kept: Mapping[str, Any]) -> Change:
    """Read what `to_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
    return Change(
        model=kept["model"],
        change=kept["change"],
        at=datetime.fromisoformat(kept["at"]),
        before=known_from_json(kept["before"]),
        after=known_from_json(kept["after"]),
        source=kept["source"],
        in_force=kept["in_force"],
        usage=Amounts(**kept["usage"]),
    )


def _tariff_to_json(tariff: Tariff) -> dict[str, Json]:
    bands: list[Json] = [[band.above_input_tokens, _rates(band.rates)] for band in tariff.bands]
    return {"rates": _rates(tariff.rates), "bands": bands}


def _tariff_from_json(kept: Mapping[str, Any]) -> Tariff:
    return Tariff(Rates(**kept["rates"]), tuple(Band(above, Rates(**rates)) for above, rates in kept["bands"]))


def _rates(rates: Rates) -> dict[str, Json]:
    return {name: getattr(rates, name) for name in RATE_NAMES}
