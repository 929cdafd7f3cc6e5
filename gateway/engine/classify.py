"""Tell what kind of work a prompt asks for, from weighted words, phrases and patterns.

The table is made once per snapshot; deciding is one pass over the words of a bounded part of the text
with dictionary lookups, so its time is linear and capped. Nothing is learned here and nothing is hidden:
the points of a category are the sum of weights that an operator can read in a file.
"""

from collections.abc import Callable, Iterable, Sequence
from math import fsum

from gateway.domain.category import UNSURE, Category, Classification, Pattern, Table, Votes
from gateway.engine.text import fold, is_spaceless, words_of

# A task is stated where a prompt opens or closes; the document pasted between is full of words that ask for
# nothing. So a long text is read at its ends only (reading its middle did not change the accuracy on 2,128 labelled
# prompts), and the outermost sentences count half as much again.
OPENING = 1000
CLOSING = 600
"""Characters read at either end of a text."""
EDGE = 160
EDGE_FACTOR = 1.5
"""The first and last characters of a text, and how much more a word counts there."""

DOUBT = 1.0
"""Points of doubt that each decision is measured against, so that one weak word never looks certain."""

DECIDING_SHOWN = 8
CUT_SEARCH = 40


def considered(text: str) -> str:
    """Give the part of a text that is read: all of a short one, both ends of a long one with a mark between."""
    if len(text) <= OPENING + CLOSING:
        return text
    return f"{text[:OPENING]}\n[...]\n{text[-CLOSING:]}"


Scanner = Callable[[str], Iterable[int]]
"""Gives, for a text, the positions of the patterns that hold in it."""


def one_by_one(patterns: Sequence[Pattern]) -> Scanner:
    """Make a scanner that asks each pattern in turn."""
    return lambda text: [position for position, pattern in enumerate(patterns) if pattern.search(text) is not None]


def compile_table(
    categories: Sequence[Category], scanner: Callable[[Sequence[Pattern]], Scanner] = one_by_one
) -> Table:
    """Index the categories; the order of categories and of their keywords changes nothing in the answers.

    `scanner` makes one scanner of all patterns: whoever has an engine for that hands it in.

    Phrases of one category that fold to the same words count once, with the greatest of their weights.
    """
    weights: dict[str, dict[int, float]] = {}
    substrings: set[str] = set()
    patterns: dict[str, tuple[Pattern, list[tuple[int, float]]]] = {}
    for position, category in enumerate(categories):
        for written, weight in category.keywords.items():
            folded = fold(written).strip()
            phrase = folded if is_spaceless(folded) else " ".join(words_of(folded))
            if " " in phrase and not is_spaceless(folded):
                phrase = f" {phrase} "
            if not phrase.strip():
                continue
            if is_spaceless(folded):
                substrings.add(phrase)
            per_category = weights.setdefault(phrase, {})
            per_category[position] = max(weight, per_category.get(position, weight))
        for written, pattern, weight in category.patterns:
            patterns.setdefault(written, (pattern, []))[1].append((position, weight))
    anchors: dict[str, list[tuple[str, str]]] = {}
    for phrase in sorted(weights.keys() - substrings):
        longest, second, *_ = [*sorted(phrase.split(), key=len, reverse=True), ""]
        anchors.setdefault(longest, []).append((phrase, second))
    return Table(
        categories=tuple(categories),
        votes={phrase: tuple(per_category.items()) for phrase, per_category in weights.items()},
        anchors={word: tuple(phrases) for word, phrases in anchors.items()},
        substrings=tuple(sorted(substrings)),
        patterns=tuple((written, tuple(votes)) for written, (_, votes) in patterns.items()),
        matching=scanner([pattern for pattern, _ in patterns.values()]),
    )


def classify(text: str, table: Table) -> Classification:
    """Choose the category with the most points; nothing found, or a tie for the first place, is `unsure`.

    The confidence is the winner's share of the points of the two best and of `DOUBT`.
    """
    found = _evidence(fold(considered(text)), table)
    parts: list[list[float]] = [[] for _ in table.categories]
    for _, factor, votes in found:
        for position, weight in votes:
            parts[position].append(weight * factor)
    points = [fsum(part) for part in parts]
    scores = {category.name: score for category, score in zip(table.categories, points, strict=True)}
    best, second = ([*sorted(points, reverse=True), 0.0, 0.0])[:2]
    if best <= 0 or best == second:
        return Classification(UNSURE, 0.0, scores, ())
    winner = points.index(best)
    confidence = best / (best + max(second, 0.0) + DOUBT)
    spoke = [
        (phrase.strip(), weight * factor)
        for phrase, factor, votes in found
        for position, weight in votes
        if position == winner and weight > 0
    ]
    strongest = sorted(spoke, key=lambda item: (-item[1], item[0]))
    return Classification(table.categories[winner].name, confidence, scores, tuple(strongest[:DECIDING_SHOWN]))


def _evidence(folded: str, table: Table) -> list[tuple[str, float, Votes]]:
    """Give what was found of the table, how much its place makes it count, and its votes; each once, at its best."""
    factors: dict[str, float] = {}
    for zone, factor in _zones(folded):
        for phrase in _phrases_in(zone, table):
            factors.setdefault(phrase, factor)
    found = [(phrase, factor, table.votes[phrase]) for phrase, factor in factors.items()]
    for position in table.matching(folded):
        written, votes = table.patterns[position]
        found.append((written, 1.0, votes))
    return found


def _phrases_in(zone: str, table: Table) -> list[str]:
    """Give the phrases of the table that stand in a stretch of text."""
    in_order = words_of(zone)
    words = frozenset(in_order)
    phrases: list[str] = []
    spaced = ""
    for anchor in words & table.anchors.keys():
        for phrase, second in table.anchors[anchor]:
            if not second:
                phrases.append(phrase)
            elif second in words:
                spaced = spaced or f" {' '.join(in_order)} "
                if phrase in spaced:
                    phrases.append(phrase)
    if not zone.isascii():
        phrases += [phrase for phrase in table.substrings if phrase in zone]
    return phrases


def _zones(folded: str) -> tuple[tuple[str, float], ...]:
    """Cut the text into stretches that count alike, the ones that count most first."""
    length = len(folded)
    if length <= 2 * EDGE:
        return ((folded, EDGE_FACTOR),)
    first, last = _cut(folded, EDGE), _cut(folded, length - EDGE)
    return (f"{folded[:first]}\n{folded[last:]}", EDGE_FACTOR), (folded[first:last], 1.0)


def _cut(folded: str, place: int) -> int:
    """Move a cut back to the end of a word, if one is near."""
    found = max(folded.rfind(" ", place - CUT_SEARCH, place), folded.rfind("\n", place - CUT_SEARCH, place))
    return found if found > 0 else place
