"""What budgets decide: bounds that hold whatever a provider counts, ladders that do not flap, words that say enough."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import edit
from gateway.domain.budget import Block, Budget, Cap, Dimension, Downgrade, Overspent, Rung, Scope, Spender, Warn
from gateway.domain.price import Band, Price, Tariff, rates_from
from gateway.domain.problem import Mark
from gateway.domain.rule import OUTPUT_LIMITS, Params
from gateway.domain.usage import Usage
from gateway.domain.window import Calendar
from gateway.domain.words import Prefer
from gateway.engine.budgets import (
    FEWEST_COSTS,
    HYSTERESIS,
    UNKNOWN_MAX_OUTPUT_TOKENS,
    Bound,
    bound_nano_usd,
    caps_of,
    ceiling_nano_usd,
    holding,
    input_bound,
    output_bound,
    output_limit,
    usd,
    usual_nano_usd,
    words_of,
)
from gateway.engine.pricing import cost_nano_usd

_rate = st.integers(0, 50_000_000_000)
rates = st.fixed_dictionaries(
    {"fresh_input": _rate, "output": _rate},
    optional=dict.fromkeys(
        ("cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "audio_output", "web_search"), _rate
    ),
).map(rates_from)
tariffs = st.builds(
    lambda first, bands: Tariff(
        first, tuple(Band(above, each) for above, each in sorted(bands.items(), key=lambda band: band[0]))
    ),
    rates,
    st.dictionaries(st.integers(1, 3000), rates, max_size=2),
)
prices = st.builds(Price, tariffs, st.fixed_dictionaries({}, optional={"priority": tariffs, "flex": tariffs}))


@st.composite
def within(draw: st.DrawFn) -> tuple[Bound, Usage]:
    """Give a bound and a usage that keeps to it, split over all counters in any way."""
    bound = Bound(draw(st.integers(0, 4000)), draw(st.integers(0, 4000)), draw(st.integers(0, 5)))
    cuts = sorted(draw(st.lists(st.integers(0, bound.input_tokens), min_size=4, max_size=4)))
    fresh, read, write, long = cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1], cuts[3] - cuts[2]
    output = draw(st.integers(0, bound.output_tokens))
    return bound, Usage(
        fresh_input_tokens=fresh,
        cache_read_tokens=read,
        cache_write_5m_tokens=write,
        cache_write_1h_tokens=long,
        output_tokens=output,
        audio_input_tokens=draw(st.integers(0, fresh)),
        cache_read_audio_tokens=draw(st.integers(0, read)),
        audio_output_tokens=draw(st.integers(0, output)),
        web_searches=draw(st.integers(0, bound.web_searches)),
        service_tier=draw(st.sampled_from(["standard", "priority"])),
    )


@given(within(), prices)
def test_no_usage_within_a_bound_costs_more(pair: tuple[Bound, Usage], price: Price) -> None:
    """U-69 U-70: whatever band, tier, cache or modality the tokens turn out to be of."""
    bound, usage = pair
    assert cost_nano_usd(usage, price) <= bound_nano_usd(bound, price, "priority")


@given(st.text(max_size=300), st.integers(0, 3))
def test_no_text_has_more_tokens_than_bytes(text: str, attachments: int) -> None:
    most = input_bound(len(text.encode("utf-8", "surrogatepass")), attachments, None)
    assert most >= len(text) + attachments
    assert input_bound(10**9, attachments, 8000) == 8000


_values = st.integers(1, 500)
_edits = st.dictionaries(st.sampled_from([*OUTPUT_LIMITS, "temperature"]), _values, max_size=2)
params = st.builds(
    Params, set=_edits, default=_edits, cap=_edits, drop=st.lists(st.sampled_from(OUTPUT_LIMITS), max_size=1).map(tuple)
)


@given(st.none() | _values, st.sampled_from(["max_tokens", "max_completion_tokens"]), params)
def test_the_limit_that_is_sent_is_never_above_the_one_that_is_reckoned_with(
    asked: int | None, name: str, edits: Params
) -> None:
    """U-69: the bound stands on what the provider is really sent; the edits themselves are the oracle."""
    fields = {} if asked is None else {name: asked}
    edit.apply(fields, edits, ("max_completion_tokens", "max_tokens"))
    sent = min((fields[each] for each in OUTPUT_LIMITS if each in fields), default=None)
    reckoned = output_limit(asked, edits)
    assert reckoned is None or (sent is not None and sent <= reckoned)


@pytest.mark.parametrize(
    ("limit", "model_max", "assumed", "bound"),
    [
        (100, 500, 50, (100, None)),
        (None, 500, 50, (50, 50)),
        (None, 40, 50, (40, 50)),
        (None, 500, None, (500, None)),
        (None, None, None, (UNKNOWN_MAX_OUTPUT_TOKENS, UNKNOWN_MAX_OUTPUT_TOKENS)),
    ],
)
def test_an_output_without_a_limit_gets_one(
    limit: int | None, model_max: int | None, assumed: int | None, bound: tuple[int, int | None]
) -> None:
    assert output_bound(limit, model_max, assumed) == bound


def budget(*rungs: Rung, hard: bool = False) -> Budget:
    scope, zone = Scope(), ZoneInfo("UTC")
    return Budget("b", scope, 1000, Calendar.DAY, zone, hard, rungs, None, None, "b.yaml", Mark(1, 1))


def test_a_budget_refuses_at_its_limit_or_where_its_ladder_says() -> None:
    assert ceiling_nano_usd(budget(Rung(1.0, Block())), 1000) == 1000
    assert ceiling_nano_usd(budget(Rung(0.9, Block())), 1000) == 900
    assert ceiling_nano_usd(budget(Rung(1.2, Block()), hard=True), 1000) == 1000
    assert ceiling_nano_usd(budget(Rung(1.0, Warn())), 1000) is None


@given(st.lists(st.floats(0, 1.5), min_size=1, max_size=40))
def test_a_rung_holds_from_its_share_and_lets_go_well_below_it(shares: list[float]) -> None:
    """With hysteresis: no rung changes twice without use having moved by its width."""
    rungs = (Rung(0.8, Downgrade(Prefer.COST)), Rung(1.0, Block()))
    held: frozenset[int] = frozenset()
    for share in shares:
        after = holding(rungs, share, held)
        for place, rung in enumerate(rungs):
            if share >= rung.share:
                assert place in after
            elif share <= rung.share - HYSTERESIS:
                assert place not in after
            else:
                assert (place in after) == (place in held)
        held = after


def test_the_lowest_cap_of_each_name_holds() -> None:
    rungs = [Rung(0.5, Cap({"max_tokens": 900, "n": 2})), Rung(0.9, Cap({"max_tokens": 500})), Rung(0.9, Warn())]
    assert caps_of(rungs) == {"max_tokens": 500, "n": 2}


@given(st.lists(st.integers(0, 10**9), max_size=200))
def test_what_is_usual_is_passed_by_few(costs: list[int]) -> None:
    usual = usual_nano_usd(costs)
    assert (usual is None) == (len(costs) < FEWEST_COSTS)
    if usual is not None:
        assert sum(cost > usual for cost in costs) <= len(costs) * 0.01


SPENDER = Spender("growth", "bot", frozenset({"beta", "eu"}), "code", "code_generation", "mini", "openai")


@pytest.mark.parametrize("dimension", Dimension)
def test_a_scope_covers_who_fits_all_of_it(dimension: Dimension) -> None:
    name = "eu" if dimension is Dimension.TAG else str(getattr(SPENDER, dimension.value))
    assert Scope(((dimension, name),)).covers(SPENDER)
    assert not Scope(((dimension, "another"),)).covers(SPENDER)
    assert Scope().covers(SPENDER)
    assert not Scope(((dimension, name), (Dimension.TEAM, "another"))).covers(SPENDER)


def test_a_refusal_says_what_is_spent_of_what_and_until_when() -> None:
    """U-74: name, spend, limit and reset."""
    told = words_of(Overspent("growth", "month", 49_990_000_000, 50 * 10**9, datetime(2026, 12, 1, tzinfo=UTC)))
    assert all(part in told for part in ("'growth'", "49.99 of 50.00 USD", "month", "2026-12-01T00:00:00+00:00"))
    assert "whole budget" in words_of(Overspent("growth", "month", 0, 1, None))


@pytest.mark.parametrize(
    ("nano_usd", "text"), [(0, "0.00"), (1, "0.000000001"), (1_500_000_000, "1.50"), (10**10, "10.00")]
)
def test_dollars_are_written_exactly(nano_usd: int, text: str) -> None:
    assert usd(nano_usd) == text
