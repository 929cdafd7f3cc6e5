from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.config import catalogue
from gateway.domain.price import (
    FREE,
    RATE_NAMES,
    Band,
    CatalogueModel,
    DatedPrice,
    Price,
    PriceHistory,
    Rates,
    Tariff,
    Unpriced,
    always,
    rates_from,
)
from gateway.domain.registry import Model
from gateway.domain.usage import Usage
from gateway.domain.words import Prefer
from gateway.engine.pricing import (
    charges,
    cost_femto_usd,
    cost_nano_usd,
    dated_price_at,
    is_priced,
    price_at,
    rates_of,
)

USD = 1_000_000_000
SONNET = rates_from(
    {
        "fresh_input": 3 * USD,
        "output": 15 * USD,
        "cache_read": 300_000_000,
        "cache_write_5m": 3_750_000_000,
        "cache_write_1h": 6 * USD,
        "web_search": 10_000_000,
    }
)
DAY = date(2026, 11, 23)
SONNET_LONG = replace(SONNET, fresh_input=6 * USD, output=22_500_000_000, cache_read=600_000_000)
MINI = rates_from({"fresh_input": 150_000_000, "output": 600_000_000, "cache_read": 75_000_000})
TIERED = Price(
    Tariff(SONNET, (Band(200_000, SONNET_LONG), Band(500_000, replace(SONNET_LONG, fresh_input=9 * USD)))),
    {"flex": Tariff(MINI), "priority": Tariff(SONNET, (Band(100, SONNET_LONG),))},
)


@pytest.mark.parametrize(
    ("usage", "price", "expected"),
    [
        pytest.param(Usage(), SONNET, 0, id="nothing"),
        pytest.param(Usage(fresh_input_tokens=1), MINI, 150, id="one token"),
        pytest.param(Usage(fresh_input_tokens=391, output_tokens=18), MINI, 69_450, id="plain"),
        pytest.param(
            Usage(fresh_input_tokens=21_557, cache_read_tokens=12_416, output_tokens=1324, reasoning_tokens=704),
            MINI,
            4_959_150,
            id="cached, and reasoning is output already",
        ),
        pytest.param(
            Usage(
                fresh_input_tokens=2775,
                cache_read_tokens=2209,
                cache_write_5m_tokens=3956,
                cache_write_1h_tokens=1140,
                output_tokens=184,
            ),
            SONNET,
            33_422_700,
            id="all kinds of cache",
        ),
        pytest.param(
            Usage(fresh_input_tokens=1470, output_tokens=886, web_searches=6), SONNET, 77_700_000, id="web searches"
        ),
        pytest.param(
            Usage(fresh_input_tokens=100, audio_input_tokens=40, output_tokens=50, audio_output_tokens=20),
            replace(MINI, audio_input=10 * USD, audio_output=20 * USD),
            60 * 150 + 40 * 10_000 + 30 * 600 + 20 * 20_000,
            id="audio is part of the whole",
        ),
        pytest.param(
            Usage(cache_read_tokens=10, cache_read_audio_tokens=4),
            replace(MINI, cache_read_audio=2 * USD),
            6 * 75 + 4 * 2000,
            id="cached audio",
        ),
        pytest.param(Usage(fresh_input_tokens=5_000_000, web_searches=3), FREE.standard.rates, 0, id="free"),
    ],
)
def test_a_usage_costs_what_was_computed_by_hand(usage: Usage, price: Rates, expected: int) -> None:
    assert cost_nano_usd(usage, Price(Tariff(price))) == expected


@pytest.mark.parametrize(
    ("rate", "tokens", "expected"),
    [
        (12_500_000, 1, 13),
        (12_499_999, 1, 12),
        (62_500_000, 1, 63),
        (1, 499_999, 0),
        (1, 500_000, 1),
        (1, 1_500_000, 2),
    ],
)
def test_half_a_nano_dollar_is_rounded_up(rate: int, tokens: int, expected: int) -> None:
    price = Price(Tariff(rates_from({"fresh_input": rate, "output": 0})))
    assert cost_nano_usd(Usage(fresh_input_tokens=tokens), price) == expected


def test_the_sum_is_rounded_and_not_its_parts() -> None:
    price = Price(Tariff(rates_from({"fresh_input": 400_000, "output": 400_000})))
    assert cost_nano_usd(Usage(fresh_input_tokens=1, output_tokens=1), price) == 1


@pytest.mark.parametrize(
    ("tokens", "fresh_input_rate"),
    [
        (199_999, 3 * USD),
        (200_000, 3 * USD),
        (200_001, 6 * USD),
        (499_999, 6 * USD),
        (500_000, 6 * USD),
        (500_001, 9 * USD),
    ],
)
def test_a_band_begins_above_its_length_and_prices_all_tokens(tokens: int, fresh_input_rate: int) -> None:
    usage = Usage(fresh_input_tokens=tokens)
    assert cost_nano_usd(usage, TIERED) == tokens * fresh_input_rate // 1_000_000


def test_cached_input_counts_towards_the_length() -> None:
    below = Usage(
        fresh_input_tokens=50_000, cache_read_tokens=50_000, cache_write_5m_tokens=50_000, cache_write_1h_tokens=50_000
    )
    assert rates_of(below, TIERED) == SONNET
    for counter in ("fresh_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"):
        longer: dict[str, Any] = {counter: 50_001}
        assert rates_of(structs.replace(below, **longer), TIERED) == SONNET_LONG


def test_output_does_not_count_towards_the_length() -> None:
    assert rates_of(Usage(fresh_input_tokens=200_000, output_tokens=900_000), TIERED) == SONNET


@pytest.mark.parametrize(
    ("tier", "tokens", "expected"),
    [
        ("flex", 300_000, MINI),
        ("priority", 100, SONNET),
        ("priority", 101, SONNET_LONG),
        ("standard", 101, SONNET),
        ("never heard of", 101, SONNET),
    ],
)
def test_the_service_tier_of_the_answer_chooses_the_tariff(tier: str, tokens: int, expected: Rates) -> None:
    assert rates_of(Usage(fresh_input_tokens=tokens, service_tier=tier), TIERED) == expected


def test_a_price_holds_from_its_first_day_until_the_day_before_the_next() -> None:
    old, new = Price(Tariff(SONNET)), Price(Tariff(MINI))
    history = PriceHistory((DatedPrice(date(2026, 1, 1), old), DatedPrice(date(2026, 7, 30), new)))
    days = (date(2020, 1, 1), date(2026, 7, 29), date(2026, 7, 30), date(2030, 1, 1))
    assert [price_at(history, day) for day in days] == [old, old, new, new]
    assert [dated_price_at(history, day) for day in days] == [history.entries[each] for each in (0, 0, 1, 1)]
    assert price_at(always(new), date.min) == new


counts = st.integers(min_value=0, max_value=10**9)
rate_values = st.integers(min_value=0, max_value=10**15)  # beyond what a float holds
COUNTERS = ("fresh_input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    fresh, read, output = draw(counts), draw(counts), draw(counts)
    return Usage(
        fresh_input_tokens=fresh,
        cache_read_tokens=read,
        cache_write_5m_tokens=draw(counts),
        cache_write_1h_tokens=draw(counts),
        output_tokens=output,
        reasoning_tokens=draw(st.integers(0, output)),
        audio_input_tokens=draw(st.integers(0, fresh)),
        cache_read_audio_tokens=draw(st.integers(0, read)),
        audio_output_tokens=draw(st.integers(0, output)),
        web_searches=draw(st.integers(0, 50)),
    )


rates = st.builds(Rates, *([rate_values] * 9))


def exact(usage: Usage, rates: Rates) -> Fraction:
    """The cost in nano-dollars, by another road: fractions of text and audio tokens, term by term."""
    terms = [
        (usage.fresh_input_tokens - usage.audio_input_tokens, rates.fresh_input),
        (usage.audio_input_tokens, rates.audio_input),
        (usage.cache_read_tokens - usage.cache_read_audio_tokens, rates.cache_read),
        (usage.cache_read_audio_tokens, rates.cache_read_audio),
        (usage.cache_write_5m_tokens, rates.cache_write_5m),
        (usage.cache_write_1h_tokens, rates.cache_write_1h),
        (usage.output_tokens - usage.audio_output_tokens, rates.output),
        (usage.audio_output_tokens, rates.audio_output),
    ]
    return sum(
        (count * Fraction(rate, 1_000_000) for count, rate in terms), Fraction(usage.web_searches * rates.web_search)
    )


@given(usages(), rates)
def test_the_cost_is_the_exact_sum_rounded_half_up(usage: Usage, rates: Rates) -> None:
    cost = cost_nano_usd(usage, Price(Tariff(rates)))
    assert type(cost) is int
    assert -Fraction(1, 2) < cost - exact(usage, rates) <= Fraction(1, 2)


@given(usages(), rates)
def test_the_charges_are_the_whole_usage_and_the_exact_cost(usage: Usage, rates: Rates) -> None:
    """A femto-dollar is a millionth of a nano-dollar: what is shown of each counter adds up without rounding."""
    parts = charges(usage, Price(Tariff(rates)))
    assert sum(count for name, count, _ in parts if name != "web_search") == usage.input_tokens + usage.output_tokens
    assert sorted(name for name, _, _ in parts) == sorted(RATE_NAMES)
    assert sum(count * each for _, count, each in parts) == exact(usage, rates) * 1_000_000
    assert cost_femto_usd(usage, Price(Tariff(rates))) == exact(usage, rates) * 1_000_000


@given(st.lists(usages(), min_size=2, max_size=5), rates)
def test_costs_add_up_but_for_the_rounding_of_each(parts: list[Usage], rates: Rates) -> None:
    price = Price(Tariff(rates))
    names = [name for name in Usage.__struct_fields__ if name not in {"service_tier", "estimated"}]
    whole = Usage(**{name: sum(getattr(part, name) for part in parts) for name in names})
    difference = cost_nano_usd(whole, price) - sum(cost_nano_usd(part, price) for part in parts)
    assert 2 * abs(difference) <= len(parts) + 1


@given(usages(), rates, st.sampled_from([*(f"{name}_tokens" for name in COUNTERS), "web_searches"]), counts)
def test_more_of_anything_never_costs_less(usage: Usage, rates: Rates, counter: str, more: int) -> None:
    price = Price(Tariff(rates))
    changed: dict[str, Any] = {counter: getattr(usage, counter) + more}
    assert cost_nano_usd(structs.replace(usage, **changed), price) >= cost_nano_usd(usage, price)


@given(usages(), rates, st.integers(0, 10**7))
def test_reasoning_is_counted_once(usage: Usage, rates: Rates, reasoning: int) -> None:
    price = Price(Tariff(rates))
    assert cost_nano_usd(structs.replace(usage, reasoning_tokens=reasoning), price) == cost_nano_usd(usage, price)


def test_a_hundred_thousand_rows_sum_without_drift() -> None:
    price = Price(Tariff(MINI))
    rows = [Usage(fresh_input_tokens=n % 977, cache_read_tokens=n % 31, output_tokens=n % 613) for n in range(100_000)]
    by_hand = sum(150 * (n % 977) + 75 * (n % 31) + 600 * (n % 613) for n in range(100_000))
    assert sum(cost_nano_usd(row, price) for row in rows) == by_hand


PRICED = {
    "the id that was asked for": ("gpt-4o", "gpt-4o"),
    "nothing said": ("gpt-4o", ""),
    "a date": ("gpt-4o", "gpt-4o-2024-08-06"),
    "a date without dashes": ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    "a date behind an at sign": ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929"),
    "a month and a day": ("gpt-4", "gpt-4-0613"),
    "a number": ("gemini-2.0-flash", "gemini-2.0-flash-001"),
    "a version": ("anthropic.claude", "anthropic.claude-v1:0"),
    "the latest": ("mistral-large", "mistral-large-latest"),
    "what the latest is": ("mistral-large-latest", "mistral-large-2411"),
    "what the latest is, undated": ("mistral-large-latest", "mistral-large"),
    "other letters": ("Llama-3", "llama-3"),
    "another id in the catalogue": ("listed", "known-as"),
    "another id, in other letters": ("listed", "Known-As"),
    "the main id in the catalogue": ("known-as", "listed"),
}
UNPRICED = {
    "another model": ("gpt-4o", "gpt-5"),
    "a smaller one": ("gpt-4o", "gpt-4o-mini"),
    "a smaller one with a date": ("gpt-4o", "gpt-4o-mini-2024-07-18"),
    "a later one": ("claude-sonnet-4", "claude-sonnet-4-5"),
    "a minor version": ("gpt-5", "gpt-5.1"),
    "another size": ("llama-3", "llama-3-70b"),
    "another state": ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
    "a date that goes on": ("gpt-4", "gpt-4-1106-preview"),
    "a prefix": ("gpt-4o", "gpt-4"),
}


def named(upstream: str) -> Model:
    known = CatalogueModel("acme", "listed", Unpriced(), frozenset({"known-as"}))
    price = always(Price(Tariff(SONNET)))
    model = Model("m", "acme", upstream, Prefer.SPEED, price, "rules")
    return replace(model, known=known) if upstream in {"listed", "known-as"} else model


@pytest.mark.parametrize(("asked", "said"), PRICED.values(), ids=PRICED.keys())
def test_an_answer_by_the_model_that_was_asked_for_is_priced(asked: str, said: str) -> None:
    """U-67: providers put a date or a version behind the name, or have several names for one model."""
    assert is_priced(named(asked), said, DAY)


@pytest.mark.parametrize(("asked", "said"), UNPRICED.values(), ids=UNPRICED.keys())
def test_an_answer_by_another_model_is_not_priced(asked: str, said: str) -> None:
    """U-67: what it costs is not known here."""
    assert not is_priced(named(asked), said, DAY)


def test_every_name_of_a_model_in_the_catalogue_is_priced_by_every_other() -> None:
    """U-67: no seller's own names raise an alarm."""
    for model in catalogue.load():
        for asked in (model.id, *model.aliases):
            one = replace(named(asked), known=model)
            assert all(is_priced(one, said, DAY) for said in (model.id, *model.aliases, model.id.upper())), model


OTHER = always(Price(Tariff(replace(SONNET, output=SONNET.output + 1))))
DEARER_ONCE = PriceHistory((DatedPrice(date.min, OTHER.entries[0].price), DatedPrice(DAY, Price(Tariff(SONNET)))))


@pytest.mark.parametrize(
    ("state", "priced"),
    [
        (always(Price(Tariff(SONNET))), True),
        (DEARER_ONCE, True),
        (OTHER, False),
        (Unpriced(), False),
    ],
    ids=["the same", "the same by now", "another", "not known"],
)
def test_a_dated_state_with_a_price_of_its_own_must_cost_the_same(
    state: PriceHistory | Unpriced, *, priced: bool
) -> None:
    """U-67: `gpt-4o` that is answered by `gpt-4o-2024-05-13`, which was twice as dear."""
    model = replace(named("sized"), states={"sized-2024-05-13": state})
    assert is_priced(model, "Sized-2024-05-13", DAY) is priced
    assert is_priced(model, "sized-2024-08-06", DAY), "of others nothing else is known"
    before = DAY - timedelta(days=1)
    assert is_priced(model, "sized-2024-05-13", before) is (priced and state is not DEARER_ONCE)


def test_a_price_of_ones_own_is_that_of_the_states_that_cost_the_same_without_it() -> None:
    """U-67: a discount for `gpt-4o` is one for the state that costs what `gpt-4o` does, and not for a dearer one."""
    known = CatalogueModel("acme", "sized", always(Price(Tariff(SONNET))))
    states = {"sized-2024-08-06": known.prices, "sized-2024-05-13": OTHER}
    model = replace(named("sized"), price=always(FREE), known=known, states=states)
    assert [is_priced(model, said, DAY) for said in states] == [True, False]


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_two_names_are_judged(asked: str, said: str) -> None:
    assert isinstance(is_priced(named(asked), said, DAY), bool)
    assert is_priced(named(asked), asked, DAY)
