"""Writes gateway/config/data/catalogue.json: prices and capabilities of models, from genai-prices and a second table.

    python tools/build_catalogue.py [--second-table model_prices.json] [--date 2026-11-22]

Prices, their history and context windows come from the installed genai-prices. The second table is the JSON object of
models that litellm keeps: it gives what genai-prices does not have (maximum output, capabilities, refused parameters)
and a second opinion on prices; the differences are printed. Without it these fields are carried over from the
catalogue as it stands. Same inputs, same bytes.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from genai_prices import data as source
from genai_prices import types as shapes

from gateway.config.catalogue import model_of
from gateway.config.second_table import PREFIXES, SecondTable, decode
from gateway.domain.price import nano_usd, rates_from
from tools.catalogue_check import complete, disagreements

TARGET = Path(__file__).resolve().parent.parent / "gateway" / "config" / "data" / "catalogue.json"


@dataclass(frozen=True, slots=True)
class Seller:
    """A provider to list.

    `source` is its name in genai-prices, `hosts` are those of its API. `resold` are prefixes that others who sell the
    same models have in the second table: good for facts about a model, not for prices. `only` matches the ids to take.
    """

    name: str
    source: str
    hosts: tuple[str, ...]
    only: str = ""
    resold: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """What the seller's own ids begin with in the second table."""
        return PREFIXES[self.name]


SELLERS = (
    Seller(
        "anthropic",
        "anthropic",
        ("api.anthropic.com",),
        resold=("vertex_ai/", "vercel_ai_gateway/anthropic/", "openrouter/anthropic/"),
    ),
    Seller("cerebras", "cerebras", ("api.cerebras.ai",)),
    Seller("cohere", "cohere", ("api.cohere.ai", "api.cohere.com")),
    Seller("deepseek", "deepseek", ("api.deepseek.com",)),
    Seller("fireworks", "fireworks", ("api.fireworks.ai",)),
    Seller(
        "google",
        "google",
        ("generativelanguage.googleapis.com",),
        only=r"gem(ini|ma)-",
        resold=("vertex_ai/", "", "openrouter/google/"),
    ),
    Seller("groq", "groq", ("api.groq.com",)),
    Seller("mistral", "mistral", ("api.mistral.ai",)),
    Seller("moonshotai", "moonshotai", ("api.moonshot.ai", "api.moonshot.cn")),
    # Open-weight models are not sold at OpenAI's own API.
    Seller("openai", "openai", ("api.openai.com",), only="(?!gpt-oss)", resold=("azure/", "openrouter/openai/")),
    Seller("together", "together", ("api.together.xyz",)),
    Seller("xai", "x-ai", ("api.x.ai",), resold=("openrouter/x-ai/", "vercel_ai_gateway/xai/")),
    Seller("zai", "zai", ("api.z.ai",)),
)
RATES = {
    "input_mtok": "fresh_input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "cache_audio_read_mtok": "cache_read_audio",
    "output_audio_mtok": "audio_output",
    "web_searches_kcount": "web_search",
}
UNCOUNTED = frozenset({"storage_searches_kcount"})
"""Prices of what no usage object counts."""
OTHER_SURFACES = re.compile(r"tts|transcribe|realtime|-image|-live|voice|-ocr|robotics|moderation")
"""Ids of models for speech, pictures and the like, which are not asked through this gateway."""
TIER_KEYS = frozenset({"service_tier", "processing", "speed"})
HALF_HOURS = tuple(time(hour, minute, tzinfo=UTC) for hour in range(24) for minute in (0, 30))
LONG_AGO = date(1970, 1, 1)


def main() -> int:
    """Build the catalogue, write it, and print what is doubtful."""
    arguments = _arguments()
    second = decode(arguments.second_table.read_bytes() if arguments.second_table else b"{}")
    before = _standing() if arguments.second_table is None else {}
    if arguments.second_table is None:
        print("NO SECOND TABLE: prices are not cross-checked, capabilities are carried over", file=sys.stderr)
    models: list[dict[str, Any]] = []
    notes: list[str] = []
    entries: list[Mapping[str, Any]] = []
    dates: set[date] = set()
    for seller in SELLERS:
        provider = next(each for each in source.providers if each.id == seller.source)
        for model in provider.models:
            if re.match(seller.only, model.id) is None or OTHER_SURFACES.search(model.id):
                continue
            dates |= set(_verified(model))
            unknown = sorted(_price_keys(model) - RATES.keys() - UNCOUNTED)
            if unknown or "input_mtok" not in _price_keys(model):
                notes.append(
                    f"left out: {seller.name} {model.id}: priced by {', '.join(unknown) or 'nothing we count'}"
                )
                continue
            record = _record(seller, provider, model, second, before)
            models.append(record)
            if _by_the_hour(model):
                notes.append(f"by the hour: {seller.name} {model.id}: listed at the dearest hour of the day")
            entries.append(second.find((seller.prefix,), _names(record)))
        notes.extend(_unlisted(seller, provider, second))
    as_of = arguments.date or max(dates)
    _write(as_of, models)
    for record, entry in zip(models, entries, strict=True):
        notes.extend(disagreements(model_of(record), entry, as_of))
    print("\n".join(notes))
    print(f"{len(models)} models as of {as_of}, {TARGET.stat().st_size} bytes, {len(notes)} notes")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--second-table", type=Path, help="JSON object of models as litellm keeps it")
    parser.add_argument("--date", type=date.fromisoformat, help="default: the last day the source looked at a price")
    return parser.parse_args()


def _standing() -> dict[tuple[str, str], dict[str, Any]]:
    """Read the catalogue as it stands, by (provider, id)."""
    if not TARGET.is_file():
        return {}
    return {(each["provider"], each["id"]): each for each in json.loads(TARGET.read_bytes())["models"]}


def _record(
    seller: Seller,
    provider: shapes.Provider,
    model: shapes.ModelInfo,
    second: SecondTable,
    before: Mapping[tuple[str, str], dict[str, Any]],
) -> dict[str, Any]:
    """Give what the catalogue writes of a model; `before` is the catalogue as it stands, where that is needed."""
    main_id = model.id.lower().rstrip("-")
    old = before.get((seller.name, main_id), {})
    known = {*_ids(provider), *second.ids(seller.prefix), *old.get("aliases", ())}
    own = {name.lower() for name in known if provider.find_model(name) is model} | set(_stems(model.match))
    record: dict[str, Any] = {
        "provider": seller.name,
        "id": main_id,
        "aliases": sorted(own - {main_id}),
        "context_window_tokens": model.context_window or old.get("context_window_tokens"),
        **{name: old[name] for name in ("max_output_tokens", "capabilities", "refused_parameters") if name in old},
    }
    complete(record, second.find((seller.prefix, *seller.resold), _names(record)))
    record["prices"] = _history(model)
    return {name: value for name, value in record.items() if value}


def _unlisted(seller: Seller, provider: shapes.Provider, second: SecondTable) -> Iterator[str]:
    """Name the chat models that only the second table has, for the two sellers of which we promise all."""
    if seller.name in {"anthropic", "openai"}:
        for name in sorted(second.sold_by(seller.name)):
            if provider.find_model(name) is None:
                yield f"only in the second table: {seller.name} {name}"


def _names(record: Mapping[str, Any]) -> list[str]:
    return [record["id"], *record.get("aliases", ())]


def _ids(provider: shapes.Provider) -> Iterator[str]:
    for model in provider.models:
        yield model.id
        yield from _stems(model.match)


def _stems(match: object) -> Iterator[str]:
    """Give the ids that a match names: those it equals, and those that it wants an id to begin with."""
    match match:
        case shapes.ClauseEquals(equals=name):
            yield name.lower()
        case shapes.ClauseStartsWith(starts_with=name):
            yield name.lower().rstrip("-@")
        case shapes.ClauseOr(or_=clauses):
            for clause in clauses:
                yield from _stems(clause)
        case _:
            return


def _conditional(model: shapes.ModelInfo) -> list[shapes.ConditionalPrice]:
    return model.prices if isinstance(model.prices, list) else []


def _by_the_hour(model: shapes.ModelInfo) -> bool:
    return any(isinstance(each.constraint, shapes.TimeOfDateConstraint) for each in _conditional(model))


def _price_keys(model: shapes.ModelInfo) -> set[str]:
    prices = [model.prices] if isinstance(model.prices, shapes.ModelPrice) else [each.prices for each in model.prices]
    return {name for price in prices for name, value in vars(price).items() if value is not None}


def _verified(model: shapes.ModelInfo) -> Iterator[date]:
    """Give the days on which the source says that it looked at the prices of a model."""
    for text in re.findall(r"(?:verified on|checked on|as of) (20\d\d-\d\d-\d\d)", model.price_comments or ""):
        yield date.fromisoformat(text)


def _history(model: shapes.ModelInfo) -> list[list[Any]]:
    """Give `[first day or null, price]` for each day on which a price changes."""
    changes = [*_conditional(model), *(model.price_variants or ())]
    days = {each.constraint.start_date for each in changes if isinstance(each.constraint, shapes.StartDateConstraint)}
    history: list[list[Any]] = []
    for day in [LONG_AGO, *sorted(days)]:
        price = _price(model, day)
        if not history or history[-1][1] != price:
            history.append([None if day == LONG_AGO else day.isoformat(), price])
    return history


def _price(model: shapes.ModelInfo, day: date) -> dict[str, Any]:
    """Give the tariffs of a day by service tier; those that cost what the standard one costs are left out."""
    contexts = {
        name: {key: name}
        for variant in model.price_variants or ()
        for key, name in variant.when.items()
        if len(variant.when) == 1 and key in TIER_KEYS and name != "default"
    }
    moments = [datetime.combine(day, moment) for moment in (HALF_HOURS if _by_the_hour(model) else HALF_HOURS[24:25])]
    price = {"standard": _tariff(model, moments, None)}
    for name, context in sorted(contexts.items()):
        tariff = _tariff(model, moments, context)
        if tariff != price["standard"]:
            price[name] = tariff
    return price


def _tariff(model: shapes.ModelInfo, moments: list[datetime], context: dict[str, str] | None) -> list[Any]:
    """Give `[rates, [above_input_tokens, rates], ...]`, of the dearest of the moments."""
    prices = vars(
        max((model.get_prices(moment, context) for moment in moments), key=lambda price: _at(price.input_mtok, 0))
    )
    listed = {RATES[name]: (name, price) for name, price in prices.items() if price is not None and name in RATES}
    starts = {
        tier.start for _, price in listed.values() if isinstance(price, shapes.TieredPrices) for tier in price.tiers
    }
    bands = [[start, _rates(listed, start + 1)] for start in sorted(starts)]
    return [_rates(listed, 0), *bands]


def _rates(listed: Mapping[str, tuple[str, Any]], input_tokens: int) -> dict[str, int]:
    """Give the rates at a length of input, less those that `rates_from` fills in by itself."""
    given = {"output": 0} | {
        rate: nano_usd(_at(price, input_tokens) / (1000 if name.endswith("_kcount") else 1))
        for rate, (name, price) in listed.items()
    }
    whole = rates_from(given)
    return {
        rate: given[rate]
        for rate in sorted(given)
        if rate in {"fresh_input", "output"} or rates_from({k: v for k, v in given.items() if k != rate}) != whole
    }


def _at(price: Decimal | shapes.TieredPrices | None, input_tokens: int) -> Decimal:
    if not isinstance(price, shapes.TieredPrices):
        return Decimal(price or 0)
    return Decimal(next((tier.price for tier in reversed(price.tiers) if input_tokens > tier.start), price.base))


def _write(as_of: date, models: list[dict[str, Any]]) -> None:
    hosts = {host: seller.name for seller in SELLERS for host in seller.hosts}
    lines = [_compact(model) for model in sorted(models, key=lambda model: (model["provider"], model["id"]))]
    head = f'{{"date":"{as_of}",\n"hosts":{_compact(dict(sorted(hosts.items())))},\n"models":[\n'
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(head + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
