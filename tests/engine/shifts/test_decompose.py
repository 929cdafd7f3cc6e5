"""A change of spend is taken apart exactly."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.shifts.decompose import Share, decompose

SHARES = st.builds(Share, st.integers(0, 10**6), st.integers(0, 10**15), st.integers(0, 10**15))
SPENDS = st.dictionaries(st.sampled_from("abcd"), SHARES)


@given(SPENDS, SPENDS)
def test_the_parts_add_up_to_the_whole_change_to_the_nano_dollar(
    before: dict[str, Share], after: dict[str, Share]
) -> None:
    parts = decompose(before, after)
    spent = [sum(each.nano_usd for each in spend.values()) for spend in (before, after)]
    assert parts.whole == spent[1] - spent[0]
    assert parts.volume + parts.mix + parts.price + parts.tokens == parts.whole


@given(SHARES.filter(lambda share: share.calls > 0), st.integers(1, 50))
def test_more_of_the_same_calls_is_volume_alone(share: Share, times: int) -> None:
    after = Share(share.calls * times, share.listed * times, share.nano_usd * times)
    parts = decompose({"a": share}, {"a": after})
    assert parts.volume == parts.whole == share.nano_usd * (times - 1)
    assert parts.mix == parts.price == parts.tokens == 0


@given(st.integers(1, 10**6), st.integers(1, 10**12), st.integers(2, 9))
def test_dearer_tokens_are_price_alone(calls: int, listed: int, times: int) -> None:
    parts = decompose({"a": Share(calls, listed, listed)}, {"a": Share(calls, listed, listed * times)})
    assert (parts.price, parts.volume, parts.mix, parts.tokens) == (listed * (times - 1), 0, 0, 0)


@given(st.integers(1, 10**6), st.integers(1, 10**12), st.integers(2, 9))
def test_longer_calls_are_tokens_alone(calls: int, listed: int, times: int) -> None:
    parts = decompose({"a": Share(calls, listed, listed)}, {"a": Share(calls, listed * times, listed * times)})
    assert (parts.tokens, parts.volume, parts.mix, parts.price) == (listed * (times - 1), 0, 0, 0)


def test_calls_that_go_to_a_dearer_model_are_mix() -> None:
    before = {"mini": Share(90, 90, 90), "opus": Share(10, 1000, 1000)}
    after = {"mini": Share(50, 50, 50), "opus": Share(50, 5000, 5000)}
    parts = decompose(before, after)
    assert (parts.mix, parts.volume, parts.price, parts.tokens) == (3960, 0, 0, 0)
