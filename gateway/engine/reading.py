"""A text read once: its words, and where they stand, for all that classify it, weigh it or look for phrases in it.

A task is stated where a prompt opens or closes; the document pasted between is full of words that ask for nothing. So
categories and complexity go by both ends of a long text alone (reading its middle did not change the accuracy on 2,128
labelled prompts), and the outermost sentences, the edges, count for more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from gateway.engine.text import blanked, fold, needle, spaced, words_of

OPENING = 1000
CLOSING = 600
"""Characters that are considered at either end of a text."""
EDGE = 160
"""Characters of an edge: the first and the last of what is considered."""

_CUT_SEARCH = 40


def considered(text: str) -> str:
    """Give the part of a text that is classified and weighed: all of a short one, both ends of a long one."""
    if len(text) <= OPENING + CLOSING:
        return text
    return f"{text[:OPENING]}\n[...]\n{text[-CLOSING:]}"


class Reading:
    """The words of a text. Nothing changes it once it is made.

    `folded` is the text case-folded, and `words` are the words in it. `found` are those of its stretches, each read
    alone: where an edge had to be cut within a word, halves are among them. A short text is all edge.
    """

    __slots__ = ("_after", "_before", "_edges", "_middle", "folded", "found", "words")

    def __init__(self, text: str) -> None:
        self.folded = folded = fold(text)
        plain = blanked(folded)
        length = len(plain)
        if length <= 2 * EDGE:
            self._after = self._before = length
            self._edges, self._middle = plain.split(), []
            self.words = self.found = frozenset(self._edges)
            return
        self._after, self._before = after, before = _cut(folded, EDGE), _cut(folded, length - EDGE)
        self._edges, self._middle = plain[:after].split(), plain[after:before].split()
        self._edges += plain[before:].split()
        self.words = self.found = frozenset([*self._edges, *self._middle])
        if not plain[after] == plain[before] == " ":
            self.words = frozenset(plain.split())

    def spaced(self) -> str:
        """Give all words in their order with one space between and around them."""
        return spaced(words_of(self.folded))

    def spaced_edges(self) -> str:
        """Give the words of both edges in the same way."""
        return spaced(self._edges)

    def spaced_middle(self) -> str:
        """Give the words between the edges in the same way."""
        return spaced(self._middle)

    def folded_stretches(self) -> tuple[str, str]:
        """Give the case-folded text of both edges, and what lies between."""
        folded, after, before = self.folded, self._after, self._before
        return f"{folded[:after]}\n{folded[before:]}", folded[after:before]


def _cut(folded: str, place: int) -> int:
    """Move a cut back to the end of a word, if one is near."""
    found = max(folded.rfind(" ", place - _CUT_SEARCH, place), folded.rfind("\n", place - _CUT_SEARCH, place))
    return found if found > 0 else place


@dataclass(frozen=True, slots=True, eq=False)
class Finder:
    """Says whether a text holds one of some phrases: whole words, or characters in scripts that put no spaces.

    A phrase of words is looked for only in a text that has its longest one, so that it costs little however long the
    text is. `words` are those of which a text must have one; None where a phrase in a script without spaces needs none.
    """

    words: frozenset[str] | None
    _alone: frozenset[str]
    _others: tuple[tuple[str, str], ...]
    _within: tuple[str, ...]

    @classmethod
    def of(cls, phrases: Iterable[str]) -> Self:
        """Make one for phrases as they are written in a file."""
        needles = [needle(phrase) for phrase in phrases]
        within = tuple(each for each in needles if not each.startswith(" "))
        longest = {each: max(each.split(), key=len, default="") for each in needles if each.startswith(" ")}
        alone = frozenset(word for each, word in longest.items() if each.strip() == word)
        others = tuple((word, each) for each, word in longest.items() if word not in alone)
        words = None if within else alone.union(word for word, _ in others)
        return cls(words, alone, others, within)

    def __call__(self, reading: Reading) -> bool:
        """Say whether a text holds one of the phrases."""
        words = reading.words
        if not self._alone.isdisjoint(words):
            return True
        text = ""
        for word, phrase in self._others:
            if word in words:
                text = text or reading.spaced()
                if phrase in text:
                    return True
        return bool(self._within) and any(phrase in reading.spaced() for phrase in self._within)
