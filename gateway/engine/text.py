"""Text as conditions and categories compare it: case-folded words."""

from collections.abc import Iterable

_BLANKED = "‘’“”„‚«»‹›…–—―‐‑·•¿¡´′″×→\u00a0\u2003\u2028\u202f\u3000、。，．：；？！（）「」『』【】《》"  # noqa: RUF001 (the marks meant)
_WORD_BYTES = bytes(
    code if code >= 128 or chr(code).isalnum() or chr(code) in "_+#" else ord(" ") for code in range(256)
)
_SPACE_TABLE = bytes(ord(" ") if code < 128 and chr(code).isspace() else ord("x") for code in range(256))
# Thai, Lao, Burmese, Khmer, Kana and Han put no spaces between words; Korean glues its particles to them.
_SPACELESS = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def fold(text: str) -> str:
    """Give the text case-folded, lone surrogates (legal in JSON, not in UTF-8) made question marks."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "replace").decode("utf-8").casefold()


def blanked(folded: str) -> str:
    """Give case-folded text with a space for each character that is no part of a word; its length stays the same."""
    if not folded.isascii():
        for mark in _BLANKED:
            folded = folded.replace(mark, " ")
    return folded.encode().translate(_WORD_BYTES).decode()


def words_of(folded: str) -> list[str]:
    """Split case-folded text into runs of letters, digits, underscores, `+` and `#`, as in `c++` and `c#`."""
    return blanked(folded).split()


def count_words(text: str) -> int:
    """Count the stretches between white space, as `len(text.split())` does; of ASCII text without making them."""
    if not text.isascii():
        return len(text.split())
    marks = text.encode().translate(_SPACE_TABLE)
    return marks.count(b" x") + marks.startswith(b"x")


def is_spaceless(folded: str) -> bool:
    """Tell whether a phrase has letters of a script without spaces, and so is looked for as a substring."""
    return not folded.isascii() and any(
        low <= ord(character) <= high for character in folded for low, high in _SPACELESS
    )


def spaced(words: Iterable[str]) -> str:
    """Give words with one space between and around them, for `needle` to be looked for in."""
    return f" {' '.join(words)} "


def needle(phrase: str) -> str:
    """Give what to look for in spaced words: whole words, or a substring in scripts that put no spaces."""
    inner = " ".join(words_of(fold(phrase)))
    return inner if is_spaceless(inner) else f" {inner} "
