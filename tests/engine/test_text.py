"""What comparing text promises: case-folded whole words, and substrings where a script has no spaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.text import fold, folded, is_spaceless, needle, words_of
from tests import strategies

CASES = {
    "a word in any letter case": ("urgent", "This is URGENT!", True),
    "a part of a word is no word": ("cat", "the category", False),
    "a phrase over a line break and punctuation": ("governing law", "the governing,\n law of Spain", True),
    "a phrase with a word between": ("governing law", "governing the law", False),
    "the phrase may be written in capitals": ("Governing Law", "governing law", True),
    "sharp s is two letters": ("STRASSE", "Am Ende der Straße", True),
    "a Greek capital with a final sigma": ("ΟΔΟΣ", "η οδος εκεί", True),
    "C++ is not C": ("c", "a C++ compiler", False),
    "C++ is C++": ("C++", "a c++, compiler", True),
    "C# is C#": ("c#", "in C#.", True),
    "a typographic apostrophe parts words as a plain one does": ("don't", "I don’t know", True),  # noqa: RUF001 (that apostrophe)
    "guillemets are no letters": ("wort", "«Wort»", True),
    "an underscore holds a word together": ("snake", "snake_case", False),
    "digits are words": ("404", "error 404.", True),
    "Chinese within a sentence": ("合同", "请审查这份合同的条款", True),
    "Chinese punctuation parts words": ("合同条款", "合同，条款", False),  # noqa: RUF001 (that comma)
    "Japanese with Latin letters": ("GPTモデル", "このgptモデルは", True),
    "Korean with a particle": ("계약", "계약을 검토", True),
    "Thai": ("สัญญา", "ตรวจสัญญานี้", True),
    "a lone surrogate is read over": ("word", "\ud800 word", True),
    "an empty text holds nothing": ("word", "", False),
}
words = st.text(st.characters(categories=("Ll", "Lu", "Lo", "Nd")), min_size=1, max_size=8)
anything = st.text(max_size=40) | strategies.texts


@pytest.mark.parametrize(("phrase", "text", "held"), CASES.values(), ids=CASES.keys())
def test_a_phrase_is_found_where_a_reader_would_find_it(phrase: str, text: str, *, held: bool) -> None:
    assert (needle(phrase) in folded(text)) is held


@given(words, anything, anything)
def test_a_word_between_spaces_is_found_whatever_stands_around_it(word: str, before: str, after: str) -> None:
    assert needle(word) in folded(f"{before} {word} {after}")


few_letters = st.text("abC", min_size=1, max_size=3)


@given(few_letters, st.lists(few_letters | st.sampled_from([".", "(", "“", "é"])).map(" ".join) | anything)
def test_a_word_of_a_spaced_script_is_found_only_as_a_whole_word(word: str, text: str) -> None:
    assert (needle(word) in folded(text)) is (fold(word) in words_of(fold(text)))


@given(words.filter(is_spaceless), words, words)
def test_a_word_of_a_spaceless_script_is_found_within_another(word: str, before: str, after: str) -> None:
    assert needle(word) in folded(before + word + after)


@given(anything)
def test_letter_case_never_matters(text: str) -> None:
    assert folded(text.casefold()) == folded(text)


@given(anything, anything)
def test_the_words_of_two_texts_are_the_words_of_each(first: str, second: str) -> None:
    assert words_of(fold(f"{first} {second}")) == words_of(fold(first)) + words_of(fold(second))


@given(st.text(st.characters() | st.sampled_from("\ud800\udfff"), max_size=20))
def test_any_text_folds_to_valid_text(text: str) -> None:
    """A lone surrogate, which JSON allows, becomes a question mark and breaks nothing."""
    assert fold(text).encode().decode() == fold(text)
