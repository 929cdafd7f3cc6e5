import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.estimate import SAMPLED_ABOVE_BYTES, estimate_tokens

ENGLISH = "Please summarize the attached report about renewable energy investments, and list the main recommendations. "
CODE = "def parse(line: str) -> list[str]:\n    return [part.strip() for part in line.split(',') if part]\n\n"


@pytest.mark.parametrize(
    ("text", "o200k_tokens", "tolerance"),
    [
        # Counted with o200k_base; the tolerance is what short texts need, the docstring says what long ones give.
        pytest.param(ENGLISH * 8, 129, 0.25, id="English"),
        pytest.param(CODE * 8, 208, 0.35, id="Python"),
        pytest.param("Der schnelle braune Fuchs springt über den faulen Hund. " * 8, 113, 0.25, id="German"),
        pytest.param("Быстрая коричневая лиса прыгает через ленивую собаку. " * 8, 154, 0.35, id="Russian"),
        pytest.param("敏捷的棕色狐狸跳过了懒狗然后写了一封信。" * 8, 152, 0.35, id="Chinese"),
        pytest.param("素早い茶色の狐がのろまな犬を飛び越える。" * 8, 152, 0.35, id="Japanese"),
        pytest.param("빠른 갈색 여우가 게으른 개를 뛰어넘습니다. " * 8, 137, 0.35, id="Korean"),
        pytest.param("الثعلب البني السريع يقفز فوق الكلب الكسول. " * 8, 129, 0.35, id="Arabic"),
        pytest.param(json.dumps({"name": "Ada", "tags": ["x", "y"], "n": 12345.6}) * 8, 192, 0.35, id="JSON"),
    ],
)
def test_the_estimate_is_near_the_count_of_a_real_vocabulary(text: str, o200k_tokens: int, tolerance: float) -> None:
    assert estimate_tokens(text) == pytest.approx(o200k_tokens, rel=tolerance)


def test_nothing_has_no_tokens_and_anything_has_one() -> None:
    assert [estimate_tokens(text) for text in ("", b"", "a", " ", b"\x80")] == [0, 0, 1, 1, 1]


@given(st.text())
def test_a_string_counts_like_its_bytes(text: str) -> None:
    assert estimate_tokens(text) == estimate_tokens(text.encode("utf-8", "surrogatepass"))


def test_a_string_that_no_utf_8_can_hold_has_an_estimate_too() -> None:
    assert estimate_tokens("\ud800" * 100) == 71


@given(st.binary())
def test_any_bytes_have_an_estimate_no_larger_than_two_a_byte(data: bytes) -> None:
    assert (1 if data else 0) <= estimate_tokens(data) <= max(2 * len(data), 1)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_estimate_adds_up_but_for_rounding(one: bytes, other: bytes) -> None:
    assert abs(estimate_tokens(one + other) - estimate_tokens(one) - estimate_tokens(other)) <= 2


def test_a_long_text_is_judged_by_its_head_middle_and_tail() -> None:
    exact = ENGLISH * (SAMPLED_ABOVE_BYTES // len(ENGLISH))
    longer = ENGLISH * 20_000
    assert len(exact) <= SAMPLED_ABOVE_BYTES < len(longer)
    assert estimate_tokens(longer) / len(longer) == pytest.approx(estimate_tokens(exact) / len(exact), rel=0.01)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_of_the_three_samples_counts_for_a_third(place: int) -> None:
    parts = [b" " * 400_000] * 3
    parts[place] = b"~" * 400_000
    assert estimate_tokens(b"".join(parts)) == pytest.approx(400_000 * 0.61, rel=0.001)


def test_the_border_of_sampling_is_seamless() -> None:
    at, above = (estimate_tokens(b"a" * length) for length in (SAMPLED_ABOVE_BYTES, SAMPLED_ABOVE_BYTES + 1))
    assert 0 <= above - at <= 1
