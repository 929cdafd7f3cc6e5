import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.catalogue import load
from gateway.config.second_table import PREFIXES, Difference, SecondTable, decode, differences
from gateway.domain.price import Band, Price, Tariff, rates_from

USD = 1_000_000_000
SHORT = rates_from({"fresh_input": 3 * USD, "output": 15 * USD, "cache_read": 300_000_000, "web_search": 10_000_000})
LONG = rates_from({"fresh_input": 6 * USD, "output": 30 * USD, "cache_read": 600_000_000})
FLEX = rates_from({"fresh_input": USD, "output": 5 * USD})
PRICE = Price(Tariff(SHORT, (Band(200_000, LONG),)), {"flex": Tariff(FLEX)})
TABLE = SecondTable(
    {
        "gpt-x": {"litellm_provider": "openai", "mode": "chat"},
        "GPT-Y": {"litellm_provider": "openai", "mode": "responses"},
        "sora-x": {"litellm_provider": "openai", "mode": "video_generation"},
        "claude-x": {"litellm_provider": "anthropic", "mode": "chat"},
        "gemini/gemini-x": {"litellm_provider": "gemini", "mode": "chat"},
        "azure/gpt-x": {"litellm_provider": "azure", "mode": "chat"},
        "embed-x": {"litellm_provider": "openai", "mode": "embedding"},
    }
)


def found(**entry: object) -> list[Difference]:
    return list(differences(PRICE, decode(json.dumps({"m": entry}).encode()).models["m"]))


def test_an_entry_that_says_what_we_charge_has_no_difference() -> None:
    """Rounded to a millionth: 1.9999999e-07 is 2e-07 as floats are written."""
    assert (
        found(
            input_cost_per_token=3e-6,
            output_cost_per_token=1.4999999999e-05,
            cache_read_input_token_cost=3e-7,
            cache_creation_input_token_cost=3e-6,
            input_cost_per_token_above_200k_tokens=6e-6,
            cache_read_input_token_cost_above_200k_tokens=6e-7,
            input_cost_per_token_flex=1e-6,
            search_context_cost_per_query={"search_context_size_medium": 0.01},
        )
        == []
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(
            {"input_cost_per_token": 2.5e-6},
            Difference("fresh_input", "standard", 0, 3 * USD, Decimal("2.5E9")),
            id="a rate",
        ),
        pytest.param(
            {"output_cost_per_token_above_200k_tokens": 2e-5},
            Difference("output", "standard", 200_000, 30 * USD, Decimal("2E10")),
            id="of long inputs",
        ),
        pytest.param(
            {"output_cost_per_token_above_128k_tokens": 3e-5},
            Difference("output", "standard", 128_000, 15 * USD, Decimal("3E10")),
            id="above a length where ours is still short",
        ),
        pytest.param(
            {"cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1},
            Difference("cache_write_1h", "standard", 200_000, 6 * USD, Decimal("1E15")),
            id="an hour is no length of input",
        ),
        pytest.param(
            {"input_cost_per_token_priority": 6e-6},
            Difference("fresh_input", "priority", 0, 3 * USD, Decimal("6E9")),
            id="a tier that costs the standard one with us",
        ),
        pytest.param(
            {"input_cost_per_token_above_200k_tokens_flex": 2e-6},
            Difference("fresh_input", "flex", 200_000, USD, Decimal("2E9")),
            id="a tier of long inputs",
        ),
        pytest.param(
            {"search_context_cost_per_query": {"search_context_size_medium": 0.025}},
            Difference("web_search", "standard", 0, 10_000_000, Decimal("25000000.000")),
            id="a web search",
        ),
        pytest.param(
            {"input_cost_per_audio_token": 0},
            Difference("audio_input", "standard", 0, 3 * USD, Decimal(0)),
            id="nothing",
        ),
    ],
)
def test_a_rate_that_differs_is_named_with_its_tier_and_length(entry: dict[str, Any], expected: Difference) -> None:
    assert found(**entry) == [expected]


@pytest.mark.parametrize(
    "entry",
    [
        {
            "input_cost_per_image": 1,
            "input_cost_per_token_ultrafast": 1,
            "cache_creation_input_token_cost_above_12hr": 1,
        },
        {"input_cost_per_token": "1", "output_cost_per_token": None, "cache_read_input_token_cost": True},
        {"search_context_cost_per_query": 4},
        {"search_context_cost_per_query": {"search_context_size_medium": "x"}},
    ],
)
def test_what_is_no_rate_of_ours_is_not_compared(entry: dict[str, Any]) -> None:
    assert found(**entry) == []


def test_the_ratio_is_theirs_by_ours_and_none_for_nothing() -> None:
    assert Difference("output", "standard", 0, 4, Decimal(6)).ratio == Decimal("1.5")
    assert Difference("output", "standard", 0, 0, Decimal(6)).ratio is None


@given(st.integers(1, 10**12), st.integers(-2, 2))
def test_a_difference_of_more_than_a_millionth_is_found(nano: int, step: int) -> None:
    """An exact oracle: the table says our own number, moved by whole steps of two millionths."""
    price = Price(Tariff(rates_from({"fresh_input": nano, "output": 0})))
    theirs = Decimal(nano) * (500_000 + step) / 500_000
    usd = theirs / USD / 1_000_000
    assert bool(list(differences(price, {"input_cost_per_token": usd}))) is (step != 0)


def test_an_entry_is_found_by_the_first_prefix_and_name_that_has_text() -> None:
    assert TABLE.find(("", "azure/"), ("none", "gpt-x")) is TABLE.models["gpt-x"]
    assert TABLE.find(("azure/",), ("gpt-x",)) is TABLE.models["azure/gpt-x"]
    assert TABLE.find(("",), ("gpt-y",)) is TABLE.models["GPT-Y"]
    assert TABLE.find(("",), ("embed-x",)) is TABLE.models["embed-x"]
    assert TABLE.find(("",), ("sora-x",)) == {}


def test_a_seller_has_the_text_models_under_its_own_name() -> None:
    assert list(TABLE.sold_by("openai")) == ["gpt-x", "GPT-Y"]
    assert list(TABLE.sold_by("google")) == ["gemini-x"]
    assert list(TABLE.ids("gemini/")) == ["gemini-x"]
    assert list(TABLE.ids("")) == ["gpt-x", "gpt-y", "sora-x", "claude-x", "embed-x"]


def test_every_seller_of_the_catalogue_has_a_prefix() -> None:
    assert {model.provider for model in load()} == PREFIXES.keys()


@pytest.mark.parametrize("text", [b"", b"nonsense", b"[]", b"3", b'{"m": 3}', b"[" * 10**5, b"\xff"])
def test_what_is_no_table_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is no JSON"):
        decode(text)
