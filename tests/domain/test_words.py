"""The fixed words: rows, metrics, rule files and messages of every version share them, so they are golden."""

from enum import StrEnum

import pytest

from gateway.domain.words import Failure, Mode, Outcome, Prefer, Skip, Surface

WORDS: dict[type[StrEnum], str] = {
    Failure: (
        "rate_limited overloaded timeout connect server_error auth quota bad_request not_found context_length "
        "content_filter truncated empty malformed cancelled"
    ),
    Skip: "incapable over_budget cooling full",
    Outcome: "answered answered_after_fallback failed interrupted refused cancelled",
    Surface: "chat responses messages embeddings execute",
    Prefer: "cost balanced quality speed",
    Mode: "live shadow off",
}


@pytest.mark.parametrize(("kind", "words"), WORDS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_words_are_those_that_are_fixed(kind: type[StrEnum], words: str) -> None:
    assert [word.value for word in kind] == words.split()
