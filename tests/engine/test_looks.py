"""How numbers are written in messages."""

import pytest

from gateway.engine.looks import dollars, number, percent, span

NANO = 1_000_000_000


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0 %"), (0.05, "5 %"), (0.8237, "82.4 %"), (0.9999, "100 %"), (1.0, "100 %"), (12.3, "1,230 %")],
)
def test_a_share(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0"), (3.0, "3"), (1234567.0, "1,234,567"), (0.25, "0.25"), (-2.5, "-2.5")]
)
def test_a_number(value: float, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(300.0, "5 min"), (3600.0, "1 h"), (90.0, "90 s"), (5400.0, "90 min"), (0.5, "0.5 s")]
)
def test_a_length_of_time(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("nano_usd", "said"),
    [
        (0, "0.00"),
        (50 * NANO, "50.00"),
        (41_204_000_000, "41.20"),
        (41_205_000_000, "41.21"),
        (1_234_567 * NANO, "1,234,567.00"),
        (10_000_000, "0.01"),
        (9_999_999, "0.01"),
        (340_000, "0.00034"),
        (123_456, "0.000123"),
        (1, "0.000000001"),
    ],
)
def test_money_is_to_the_cent_and_below_it_to_three_digits(nano_usd: int, said: str) -> None:
    assert dollars(nano_usd) == said
