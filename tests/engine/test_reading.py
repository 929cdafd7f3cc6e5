"""What reading a text promises: its words and stretches as a plain reader finds them, and phrases where they stand."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.reading import CLOSING, EDGE, OPENING, Finder, Reading, considered
from gateway.engine.text import fold, is_spaceless, needle, spaced, words_of
from tests import strategies

CASES: dict[str, tuple[str, str, bool]] = {
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
pieces = st.sampled_from(
    ["alpha", "be", "Gamma", "delta-", "don\u2019t", "x" * 45, "猫", " ", " ", "\n", ", ", "\u2003"]
)
long_texts = st.lists(pieces, min_size=40, max_size=160).map("".join)
phrases = st.lists(
    st.lists(st.sampled_from(["alpha", "BE", "gamma", "don't", "猫", "delta"]), min_size=1, max_size=3).map(" ".join)
    | words,
    min_size=1,
    max_size=4,
)


def holds(phrase: str, text: str) -> bool:
    return Finder.of([phrase])(Reading(text))


def plainly(phrase: str, text: str) -> bool:
    """The oracle: a search of all the words in a row."""
    return needle(phrase) in spaced(words_of(fold(text)))


# -- phrases


@pytest.mark.parametrize(("phrase", "text", "held"), CASES.values(), ids=CASES.keys())
def test_a_phrase_is_found_where_a_reader_would_find_it(phrase: str, text: str, *, held: bool) -> None:
    assert holds(phrase, text) is held


@given(words, anything, anything)
def test_a_word_between_spaces_is_found_whatever_stands_around_it(word: str, before: str, after: str) -> None:
    assert holds(word, f"{before} {word} {after}")


few_letters = st.text("abC", min_size=1, max_size=3)


@given(few_letters, st.lists(few_letters | st.sampled_from([".", "(", "“", "é"])).map(" ".join) | anything)
def test_a_word_of_a_spaced_script_is_found_only_as_a_whole_word(word: str, text: str) -> None:
    assert holds(word, text) is (fold(word) in words_of(fold(text)))


@given(words.filter(is_spaceless), words, words)
def test_a_word_of_a_spaceless_script_is_found_within_another(word: str, before: str, after: str) -> None:
    assert holds(word, before + word + after)


@given(phrases, long_texts | anything)
def test_one_of_several_phrases_is_found_exactly_when_a_plain_search_finds_it(listed: list[str], text: str) -> None:
    assert Finder.of(listed)(Reading(text)) is any(plainly(phrase, text) for phrase in listed)


@given(phrases, long_texts | anything)
def test_a_text_without_the_words_of_a_finder_holds_none_of_its_phrases(listed: list[str], text: str) -> None:
    """What asks for words may be passed over where none is; phrases in scripts without spaces ask for none."""
    finder, reading = Finder.of(listed), Reading(text)
    assert (finder.words is None) is any(is_spaceless(fold(phrase)) for phrase in listed)
    if finder.words is not None and finder.words.isdisjoint(reading.words):
        assert not finder(reading)


# -- words and stretches


@given(long_texts | anything)
def test_the_words_of_a_reading_are_those_of_the_text(text: str) -> None:
    reading = Reading(text)
    assert reading.folded == fold(text)
    assert reading.words == set(words_of(fold(text)))
    assert reading.spaced() == spaced(words_of(fold(text)))


@given(long_texts | anything)
def test_each_stretch_is_read_alone(text: str) -> None:
    """Both edges are one stretch, what lies between is another, and a cut loses no letter."""
    reading = Reading(text)
    edges, middle = reading.folded_stretches()
    assert reading.spaced_edges() == spaced(words_of(edges))
    assert reading.spaced_middle() == spaced(words_of(middle))
    assert reading.found == {*words_of(edges), *words_of(middle)}
    assert Counter(edges + middle) == Counter(reading.folded + "\n")


def test_a_short_text_is_all_edge() -> None:
    assert Reading("a" * 2 * EDGE).folded_stretches() == (f"{'a' * 2 * EDGE}\n", "")


def test_a_cut_is_moved_back_to_the_end_of_a_word_where_one_is_near() -> None:
    edges, middle = Reading(f"{'b ' * 78}cccccccc {'d ' * 100}eeeeeeee {'f ' * 78}").folded_stretches()
    assert edges.split() == ["b"] * 78 + ["eeeeeeee"] + ["f"] * 78
    assert middle.split() == ["cccccccc"] + ["d"] * 100


def test_a_word_too_long_for_an_edge_is_cut_and_still_is_a_word_of_the_text() -> None:
    reading = Reading("f" * 400)
    assert reading.folded_stretches() == (f"{'f' * EDGE}\n{'f' * EDGE}", "f" * 80)
    assert reading.words == {"f" * 400}
    assert reading.found == {"f" * EDGE, "f" * 80}


# -- what is considered


@given(st.integers(0, 4 * (OPENING + CLOSING)))
def test_of_a_long_text_both_ends_are_considered_and_of_a_short_one_all(length: int) -> None:
    text = "".join(chr(0x4E00 + place) for place in range(length))
    part = considered(text)
    if length <= OPENING + CLOSING:
        assert part is text
    else:
        assert part.startswith(text[:OPENING])
        assert part.endswith(text[-CLOSING:])
        assert len(part) < OPENING + CLOSING + 10
    assert considered(part) == part
