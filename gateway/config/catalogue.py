"""The catalogue that ships with the gateway, decoded."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from gateway.config import packaged
from gateway.domain.price import (
    Band,
    Catalogue,
    CatalogueModel,
    DatedPrice,
    Price,
    PriceHistory,
    Tariff,
    rates_from,
)


def load() -> Catalogue:
    """Decode the packaged catalogue; raises what a damaged installation deserves."""
    return decode(packaged.read("config/data/catalogue.json"))


def decode(text: bytes) -> Catalogue:
    """Decode a catalogue as `tools/build_catalogue.py` writes it.

    An object of `date`, `hosts` (host name -> provider) and `models`; a model has the fields of CatalogueModel, and
    `prices` as `[[first day or null, {service tier: [rates, [above_input_tokens, rates], ...]}], ...]`.
    """
    written = json.loads(text)
    models: dict[tuple[str, str], CatalogueModel] = {}
    for model in map(model_of, written["models"]):
        for name in (model.id, *model.aliases):
            other = models.setdefault((model.provider, name), model)
            if other is not model:
                raise ValueError(f"two models of {model.provider} go by {name}: {other.id} and {model.id}")
    return Catalogue(date.fromisoformat(written["date"]), models, written["hosts"])


def model_of(written: Mapping[str, Any]) -> CatalogueModel:
    """Decode one of the `models`."""
    return CatalogueModel(
        provider=written["provider"],
        id=written["id"],
        prices=PriceHistory(tuple(DatedPrice(_day(day), _price(price)) for day, price in written["prices"])),
        aliases=frozenset(written.get("aliases", ())),
        context_window_tokens=written.get("context_window_tokens"),
        max_output_tokens=written.get("max_output_tokens"),
        capabilities=frozenset(written.get("capabilities", ())),
        refused_parameters=frozenset(written.get("refused_parameters", ())),
    )


def _day(written: str | None) -> date:
    return date.min if written is None else date.fromisoformat(written)


def _price(written: Mapping[str, Sequence[Any]]) -> Price:
    tariffs = {tier: _tariff(tariff) for tier, tariff in written.items()}
    return Price(tariffs.pop("standard"), tariffs)


def _tariff(written: Sequence[Any]) -> Tariff:
    rates, *bands = written
    return Tariff(rates_from(rates), tuple(Band(above, rates_from(of_band)) for above, of_band in bands))
