"""What comparing text promises: case-folded whole words, and substrings where a script has no spaces."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.text import blanked, count_words, fold, words_of
from tests import strategies

spaces = st.sampled_from([*(chr(code) for code in range(33)), "x", "\x7f"])
anything = st.text(max_size=40) | strategies.texts | st.text(spaces, max_size=20)


@given(anything)
def test_letter_case_never_matters(text: str) -> None:
    assert words_of(fold(text.casefold())) == words_of(fold(text))


@given(anything, anything)
def test_the_words_of_two_texts_are_the_words_of_each(first: str, second: str) -> None:
    assert words_of(fold(f"{first} {second}")) == words_of(fold(first)) + words_of(fold(second))


@given(st.text(st.characters() | st.sampled_from("\ud800\udfff"), max_size=20))
def test_any_text_folds_to_valid_text(text: str) -> None:
    """A lone surrogate, which JSON allows, becomes a question mark and breaks nothing."""
    assert fold(text).encode().decode() == fold(text)


@given(anything)
def test_blanking_moves_nothing(text: str) -> None:
    """A place in the one is a place in the other, and letters stay what they are."""
    folded = fold(text)
    assert len(blanked(folded)) == len(folded)
    assert all(after in (" ", before) for after, before in zip(blanked(folded), folded, strict=True))


@given(anything)
def test_words_are_counted_as_white_space_parts_them(text: str) -> None:
    assert count_words(text) == len(text.split())
