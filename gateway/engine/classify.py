"""Tell what kind of work a prompt asks for, from weighted words, phrases and patterns.

The table is made once per snapshot; deciding is one look-up of the words of a text that was read, so its time is
linear, and capped by what `gateway.engine.reading` considers. Nothing is learned here and nothing is hidden:
the points of a category are the sum of weights that an operator can read in a file.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum

from gateway.domain.category import UNSURE, Anchored, Category, Classification, Evidence, Pattern, Table, Votes
from gateway.engine.reading import Reading
from gateway.engine.text import fold, is_spaceless, spaced, words_of

EDGE_FACTOR = 1.5
"""How much more a word counts at the edges of a text."""

DOUBT = 1.0
"""Points of doubt that each decision is measured against, so that one weak word never looks certain."""

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
    weights: dict[str, dict[str, float]] = {}
    substrings: set[str] = set()
    patterns: dict[str, tuple[Pattern, list[tuple[str, float]]]] = {}
    for category in categories:
        for written, weight in category.keywords.items():
            folded = fold(written).strip()
            phrase = folded if is_spaceless(folded) else spaced(words_of(folded))
            if not phrase.strip():
                continue
            if is_spaceless(folded):
                substrings.add(phrase)
            per_category = weights.setdefault(phrase, {})
            per_category[category.name] = max(weight, per_category.get(category.name, weight))
        for written, pattern, weight in category.patterns:
            patterns.setdefault(written, (pattern, []))[1].append((category.name, weight))
    at_edge = {phrase: (phrase, _counted(votes, EDGE_FACTOR)) for phrase, votes in weights.items()}
    elsewhere = {phrase: (phrase, _counted(votes, 1.0)) for phrase, votes in weights.items()}
    anchors: dict[str, list[Anchored]] = {}
    for phrase in sorted(weights.keys() - substrings):
        longest, second, *_ = [*sorted(phrase.split(), key=len, reverse=True), ""]
        anchors.setdefault(longest, []).append((phrase, second, at_edge[phrase], elsewhere[phrase]))
    return Table(
        categories=tuple(categories),
        anchors={word: tuple(phrases) for word, phrases in anchors.items()},
        substrings=tuple((phrase, at_edge[phrase], elsewhere[phrase]) for phrase in sorted(substrings)),
        patterns=tuple((written, tuple(votes)) for written, (_, votes) in patterns.items()),
        matching=scanner([pattern for pattern, _ in patterns.values()]),
    )


def _counted(weights: Mapping[str, float], factor: float) -> Votes:
    return tuple((category, weight * factor) for category, weight in weights.items())


def classify(reading: Reading, table: Table) -> Classification:
    """Choose the category with the most points; nothing found, or a tie for the first place, is `unsure`.

    The confidence is the winner's share of the points of the two best and of `DOUBT`.
    """
    evidence = _evidence(reading, table)
    parts: dict[str, list[float]] = defaultdict(list)
    for _, votes in evidence:
        for category, weight in votes:
            parts[category].append(weight)
    scores: dict[str, float] = {}
    winner, best, second = UNSURE, 0.0, 0.0
    for category in sorted(parts):
        score = scores[category] = fsum(parts[category])
        if score > best:
            winner, best, second = category, score, best
        elif score > second:
            second = score
    if best == second:
        return Classification(UNSURE, 0.0, scores)
    return Classification(winner, best / (best + second + DOUBT), scores, evidence)


def _evidence(reading: Reading, table: Table) -> tuple[Evidence, ...]:
    """Give what was found of the table with its votes there; each once, where it counts most."""
    evidence: list[Evidence] = []
    words = reading.found
    if anchors := words & table.words:
        edges, middle, phrases_of = reading.spaced_edges(), "", table.anchors
        for word in anchors:
            for phrase, second, at_edge, elsewhere in phrases_of[word]:
                if second and second not in words:
                    continue
                if phrase in edges:
                    evidence.append(at_edge)
                elif not second or phrase in (middle := middle or reading.spaced_middle()):
                    evidence.append(elsewhere)
    if not reading.folded.isascii():
        edges, middle = reading.folded_stretches()
        for phrase, at_edge, elsewhere in table.substrings:
            if phrase in edges:
                evidence.append(at_edge)
            elif phrase in middle:
                evidence.append(elsewhere)
    evidence += [table.patterns[position] for position in table.matching(reading.folded)]
    return tuple(evidence)
