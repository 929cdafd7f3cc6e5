import re
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.catalogue import decode, load
from gateway.domain.price import (
    FREE,
    Catalogue,
    DatedPrice,
    PriceHistory,
    Rates,
    Unpriced,
    always,
    nano_usd,
    rates_from,
    usd_text,
)
from gateway.domain.usage import Usage
from gateway.engine.pricing import cost_nano_usd, price_at

USD = 1_000_000_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


@pytest.mark.parametrize(
    ("provider", "asked", "found"),
    [
        ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5"),
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-4-5", "claude-opus-4-5"),
        ("anthropic", "claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("anthropic", "claude-opus-4-20250514", "claude-opus-4-0"),
        ("anthropic", "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
        ("anthropic", "claude-3-5-haiku@20241022", "claude-3-5-haiku-latest"),
        ("openai", "gpt-4o-mini", "gpt-4o-mini"),
        ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-5", "gpt-5"),
        ("openai", "gpt-5-2025-08-07", "gpt-5"),
        ("openai", "gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("openai", "gpt-5-nano", "gpt-5-nano"),
        ("openai", "o1", "o1"),
        ("openai", "o3-2025-04-16", "o3"),
        ("openai", "o3-mini", "o3-mini"),
        ("openai", "o4-mini-2025-04-16", "o4-mini"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:owner::a1b2", "ft:gpt-4o-mini"),
        ("openai", "text-embedding-3-small", "text-embedding-3-small"),
        ("google", "gemini-2.5-flash", "gemini-2.5-flash"),
        ("google", "models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("google", "publishers/google/models/gemini-2.5-pro-001", "gemini-2.5-pro"),
        ("google", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
        ("google", "models/gemini-2.5-pro-exp-03-25", "gemini-2.5-pro"),
        ("google", "gemini-2.5-flash-preview-04-17", "gemini-2.5-flash-preview"),
        ("google", "gemini-3-pro-preview-11-2025", "gemini-3-pro-preview"),
        ("fireworks", "accounts/fireworks/models/deepseek-v3p2", "deepseek-v3p2"),
        ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
    ],
)
def test_a_model_is_found_by_its_id_with_or_without_a_date(
    catalogue: Catalogue, provider: str, asked: str, found: str
) -> None:
    model = catalogue.lookup(provider, asked)
    assert model is not None
    assert model.id == found


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ("openai", "gpt-4o-mini-turbo"),
        ("openai", "gpt-4"[:3]),
        ("openai", "claude-haiku-4-5"),
        ("openai", "gpt-oss-120b"),
        ("anthropic", "claude-haiku-4-5-2025"),
        ("nobody", "gpt-4o"),
        ("openai", ""),
        ("openai", "ft:"),
        ("openai", "ft:gpt-9:owner::id"),
        ("google", "models/"),
        ("google", "gemini-2.5-pro-preview"),
        ("google", "gemini-2.5-pro-05-06"),
    ],
)
def test_a_model_we_do_not_know_is_not_guessed(catalogue: Catalogue, provider: str, asked: str) -> None:
    assert catalogue.lookup(provider, asked) is None


def test_the_host_of_an_api_names_who_sells_there(catalogue: Catalogue) -> None:
    assert catalogue.provider_at("API.Groq.com") == "groq"
    assert catalogue.provider_at("127.0.0.1") is None


def test_the_first_models_of_the_shipped_rules_have_all_their_facts(catalogue: Catalogue) -> None:
    model = catalogue.lookup("anthropic", "claude-haiku-4-5")
    assert model is not None
    assert (model.context_window_tokens, model.max_output_tokens) == (200_000, 64_000)
    assert model.capabilities == {"chat", "documents", "images", "json_schema", "thinking", "tools"}
    assert isinstance(model.prices, PriceHistory)
    assert price_at(model.prices, date(2026, 11, 22)).standard.rates == Rates(
        fresh_input=USD,
        output=5 * USD,
        cache_read=100_000_000,
        cache_write_5m=1_250_000_000,
        cache_write_1h=2 * USD,
        audio_input=USD,
        cache_read_audio=100_000_000,
        audio_output=5 * USD,
        web_search=10_000_000,
    )


def test_a_reasoning_model_refuses_what_it_refuses(catalogue: Catalogue) -> None:
    refused = {
        name: model.refused_parameters for name in ("gpt-5", "gpt-4o") if (model := catalogue.lookup("openai", name))
    }
    assert {"temperature", "max_tokens"} <= refused["gpt-5"]
    assert refused["gpt-4o"] == frozenset()


def test_a_price_cut_is_in_the_history(catalogue: Catalogue) -> None:
    model = catalogue.lookup("openai", "o3")
    assert model is not None
    assert isinstance(model.prices, PriceHistory)
    before, after = (
        price_at(model.prices, day).standard.rates.fresh_input for day in (date(2025, 6, 9), date(2025, 6, 10))
    )
    assert (before, after) == (10 * USD, 2 * USD)


def test_every_model_is_priced_and_every_tariff_makes_sense(catalogue: Catalogue) -> None:
    assert len(catalogue) > 400
    for model in catalogue:
        assert isinstance(model.prices, PriceHistory)
        for entry in model.prices.entries:
            for tariff in (entry.price.standard, *entry.price.service_tiers.values()):
                lengths = [band.above_input_tokens for band in tariff.bands]
                assert lengths == sorted(set(lengths))
                assert tariff.rates.fresh_input > 0
                assert tariff.rates.cache_read <= tariff.rates.fresh_input
        assert {"chat", "responses", "embeddings"} & model.capabilities or not model.capabilities
        assert model.context_window_tokens is None or model.context_window_tokens >= 512
    sold_by_all = [model for model in catalogue if model.provider in {"openai", "anthropic"}]
    assert sum(bool(model.capabilities) for model in sold_by_all) / len(sold_by_all) > 0.8


MODEL = (
    '{"provider":"p","id":"%s","aliases":["b"],"prices":[[null,{"standard":[{"fresh_input":1,"output":2},'
    '[10,{"fresh_input":3,"output":4}]],"flex":[{"fresh_input":0,"output":0}]}],'
    '["2026-02-03",{"standard":[{"fresh_input":5,"output":6}]}]]}'
)


def test_a_written_catalogue_is_decoded_whole() -> None:
    catalogue = decode(f'{{"date":"2026-01-02","hosts":{{"h":"p"}},"models":[{MODEL % "a"}]}}'.encode())
    model = catalogue.lookup("p", "b")
    assert model is catalogue.lookup("p", "a")
    assert catalogue.date == date(2026, 1, 2)
    assert catalogue.provider_at("h") == "p"
    assert model is not None
    assert isinstance(model.prices, PriceHistory)
    first = price_at(model.prices, date(2026, 2, 2))
    assert [band.above_input_tokens for band in first.standard.bands] == [10]
    assert first.standard.bands[0].rates == rates_from({"fresh_input": 3, "output": 4})
    assert first.service_tiers["flex"] == FREE.standard
    assert price_at(model.prices, date(2026, 2, 3)).standard.rates == rates_from({"fresh_input": 5, "output": 6})


def test_two_models_cannot_go_by_one_name() -> None:
    with pytest.raises(ValueError, match="two models of p go by b"):
        decode(f'{{"date":"2026-01-02","hosts":{{}},"models":[{MODEL % "a"},{MODEL % "c"}]}}'.encode())


def test_free_and_unknown_are_different() -> None:
    unknown: object = Unpriced()
    assert unknown != always(FREE)
    assert cost_nano_usd(Usage(10**6, 10**6, 10**6, 10**6, 10**6, web_searches=9), FREE) == 0


@pytest.mark.parametrize("days", [(), (date(2026, 1, 2), date(2026, 1, 1)), (date(2026, 1, 1), date(2026, 1, 1))])
def test_a_history_is_in_order_and_not_empty(days: tuple[date, ...]) -> None:
    with pytest.raises(ValueError, match="at least one price"):
        PriceHistory(tuple(DatedPrice(day, FREE) for day in days))


def test_rates_that_are_left_out_follow_those_that_are_given() -> None:
    assert rates_from({"fresh_input": 4, "output": 9}) == Rates(4, 9, 4, 4, 4, 4, 4, 9, 0)
    given_some = {"fresh_input": 4, "output": 9, "cache_read": 1, "cache_write_5m": 5, "web_search": 7}
    assert rates_from(given_some) == Rates(4, 9, 1, 5, 5, 4, 1, 9, 7)


@pytest.mark.parametrize(
    ("given_rates", "message"),
    [
        ({"fresh_input": 1}, "needs these rates: output"),
        ({"fresh_input": 1, "output": 1, "input": 1}, "no such rate: input"),
        ({"fresh_input": 1, "output": -1}, "not negative"),
    ],
)
def test_a_price_list_with_a_mistake_is_refused(given_rates: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rates_from(given_rates)


@given(st.integers(0, 10**15))
def test_dollars_become_nano_dollars_exactly(nano: int) -> None:
    assert nano_usd(Decimal(nano) / USD) == nano


@pytest.mark.parametrize("amount", ["0.0000000001", "NaN", "Infinity", "1E+999999999", "1E-999999999"])
def test_an_amount_that_is_no_whole_number_of_nano_dollars_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"not an amount of money|finer than a nano-dollar"):
        nano_usd(Decimal(amount))


@given(st.integers(0, 10**40), st.sampled_from([9, 15]))
def test_dollars_are_written_with_every_digit_and_no_exponent(amount: int, places: int) -> None:
    text = usd_text(amount, places)
    assert Fraction(text) == Fraction(amount, 10**places)
    assert re.fullmatch(r"(0|[1-9]\d*)(\.\d*[1-9])?", text)
