"""Token estimates that need no vocabulary: a weighted count of the classes of bytes in a UTF-8 text.

An estimate decides what fits a window and what a budget reserves. It never replaces what a provider reports.
"""

from typing import Final

SAMPLED_ABOVE_BYTES: Final = 64 * 1024
"""Longer texts are judged by their head, middle and tail."""

_SAMPLE_BYTES: Final = 16 * 1024


def _class(*spans: tuple[int, int]) -> bytes:
    return bytes(byte for first, last in spans for byte in range(first, last + 1))


# Thousandths of a token per byte of a class. Of a character beyond ASCII the lead byte counts and the rest is free.
_ASCII_WEIGHTS: Final = (
    (_class((0x61, 0x7A)), 185),  # lower case
    (_class((0x20, 0x20)), 0),  # a space is part of the word behind it
    (_class((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)), 610),  # punctuation
    (_class((0x30, 0x39)), 500),  # digits
    (_class((0x41, 0x5A)), 570),  # upper case
    (_class((0x00, 0x1F), (0x7F, 0x7F)), 1880),  # line feeds, tabs and other control characters
)
_LEAD_WEIGHTS: Final = (
    (_class((0xC2, 0xC2)), 1000),  # Latin-1 signs
    (_class((0xC3, 0xCD)), 1650),  # Latin with marks
    (_class((0xCE, 0xCF)), 390),  # Greek
    (_class((0xD0, 0xD5)), 300),  # Cyrillic, Armenian
    (_class((0xD6, 0xDF)), 380),  # Hebrew, Arabic
    (_class((0xE0, 0xE0)), 390),  # Indic, Thai
    (_class((0xE1, 0xE1)), 420),  # Georgian, Khmer, Latin of Vietnamese
    (_class((0xE2, 0xE2)), 1000),  # dashes, quotes, arrows, mathematics
    (_class((0xE3, 0xE3)), 640),  # kana
    (_class((0xE4, 0xE9)), 800),  # Han
    (_class((0xEA, 0xED)), 710),  # Hangul
    (_class((0xEE, 0xEF)), 1000),  # full-width forms
    (_class((0xF0, 0xF7)), 1300),  # emoji and rare characters
)


_FIRST_WEIGHT: Final = _ASCII_WEIGHTS[0][1]
_STEPS: Final = tuple(
    (members, following - weight)
    for (members, weight), following in zip(
        (*_ASCII_WEIGHTS, *_LEAD_WEIGHTS),
        [*[weight for _, weight in (*_ASCII_WEIGHTS, *_LEAD_WEIGHTS)][1:], 0],
        strict=True,
    )
)
"""Each class, and by how much the weight of the next one differs from its own; what is in no class is free."""


def estimate_tokens(data: bytes | str) -> int:
    """Estimate the tokens of a text, of UTF-8 bytes or as a string; a text that is not empty has at least one.

    The weights are a non-negative least-squares fit to OpenAI's o200k vocabulary. Against it, on 60,000 characters
    each of translated program messages, code and data, the error is within
    5 % for English, German, French, Spanish, Greek, Hebrew, Arabic, Hindi, Thai, Japanese, Korean and Python; 8 to
    14 % for Chinese, Russian, Ukrainian, Polish, Italian, Turkish, Vietnamese, Georgian, Markdown and JSON; and -33
    to -40 % for hexadecimal and base64. Other vocabularies count differently: cl100k needs 14 to 180 % more tokens
    outside English.
    """
    text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    length = len(text)
    if length <= SAMPLED_ABOVE_BYTES:
        return _rounded(_thousandths(text), 1000) if length else 0
    middle = (length - _SAMPLE_BYTES) // 2
    sampled = (text[:_SAMPLE_BYTES], text[middle : middle + _SAMPLE_BYTES], text[-_SAMPLE_BYTES:])
    return _rounded(sum(map(_thousandths, sampled)) * length, 3 * _SAMPLE_BYTES * 1000)


def _thousandths(text: bytes) -> int:
    """Sum the weights: all bytes have the first, then one class after the other is deleted, and the rest steps on."""
    total, rest = _FIRST_WEIGHT * len(text), text
    for members, step in _STEPS:
        rest = rest.translate(None, members)
        if not rest:
            break
        total += step * len(rest)
    return total


def _rounded(numerator: int, denominator: int) -> int:
    return max((numerator + denominator // 2) // denominator, 1)
