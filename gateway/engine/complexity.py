"""Say how much of a model a prompt needs: low, medium or high, and a score to rank prompts by.

The words counted here are the ones that make strong and weak models part ways on recorded questions
(RouteLLM's MMLU and GSM8K): exceptions and negations, conditions, people whose situation must be followed, and
steps. Hard words and formulas do not, since strong models fail there as well. Pure; of a long text only what
`gateway.engine.reading` considers is meant to be weighed.
"""

from math import log2

from gateway.domain.category import Classification, Complexity, Demand, Table
from gateway.engine.reading import Reading
from gateway.engine.text import fold, words_of

# Words of the languages that prompts come in most; in the others the length alone must do.
_NEGATIONS = """
    not except never no neither nor without unless cannot none incorrect false wrong least don doesn didn isn wasn
    nicht kein keine ohne außer pas sans sauf sin excepto не без кроме
"""
_CONDITIONS = """
    if then each every must only both exactly before after until while because although however therefore since same
    different other another than assume suppose given statement statements following condition conditions instead
    wenn falls jede jeder nur beide si chaque seulement cada solo если каждый только
"""
_PEOPLE = """
    i my me he she his her they their we our you your him them er sie ich il elle él ella он она
"""
_STEPS = """
    step steps first second third next finally total remaining left rest twice half per times more less altogether
    compare justify prove derive zuerst danach schließlich ensuite primero después сначала затем
"""
_REASONING_ASKED = """
    prove proof derive justify deduce beweise démontrer demuestra докажи докажите
"""
NEGATIONS = frozenset(words_of(fold(_NEGATIONS)))
CONDITIONS = frozenset(words_of(fold(_CONDITIONS)))
PEOPLE = frozenset(words_of(fold(_PEOPLE)))
STEPS = frozenset(words_of(fold(_STEPS)))
REASONING_ASKED = frozenset(words_of(fold(_REASONING_ASKED)))
_COUNTED = NEGATIONS | CONDITIONS | PEOPLE | STEPS | REASONING_ASKED

LENGTH_TOKENS = 25
LENGTH_DOUBLINGS = 6
"""A prompt counts as long by its doublings beyond this many tokens: 25 tokens give a sixth, 1,600 all of it."""

# How much each kind of evidence can add, and how many different words of it are enough for that. Sums to one.
LENGTH_SHARE = 0.40
NEGATIONS_SHARE, NEGATIONS_ENOUGH = 0.20, 2
CONDITIONS_SHARE, CONDITIONS_ENOUGH = 0.15, 6
PEOPLE_SHARE, PEOPLE_ENOUGH = 0.10, 4
STEPS_SHARE, STEPS_ENOUGH = 0.10, 5
CATEGORY_SHARE = 0.05

RAISED_FROM = 0.60
LOWERED_BELOW = 0.06
REASONING_FROM = 0.70
_LEVELS = (Complexity.LOW, Complexity.MEDIUM, Complexity.HIGH)
_MOVED = (Complexity.LOW, *_LEVELS, Complexity.HIGH)
"""The levels, with those at either end once more for what would be moved beyond them."""


def _shares(share: float, enough: int, words: frozenset[str]) -> tuple[float, ...]:
    """Give what is added to the score for each number of different words of a kind, from none to all."""
    return tuple(share * min(count / enough, 1.0) for count in range(len(words) + 1))


_OF_NEGATIONS = _shares(NEGATIONS_SHARE, NEGATIONS_ENOUGH, NEGATIONS)
_OF_CONDITIONS = _shares(CONDITIONS_SHARE, CONDITIONS_ENOUGH, CONDITIONS)
_OF_PEOPLE = _shares(PEOPLE_SHARE, PEOPLE_ENOUGH, PEOPLE)
_OF_STEPS = _shares(STEPS_SHARE, STEPS_ENOUGH, STEPS)


def demand_of(reading: Reading) -> Demand:
    """Count the words that make strong and weak models part ways."""
    words = reading.words & _COUNTED
    share = (
        _OF_NEGATIONS[len(words & NEGATIONS)]
        + _OF_CONDITIONS[len(words & CONDITIONS)]
        + _OF_PEOPLE[len(words & PEOPLE)]
        + _OF_STEPS[len(words & STEPS)]
    )
    return Demand(share, not REASONING_ASKED.isdisjoint(words))


def complexity_of(
    demand: Demand, classification: Classification, table: Table, estimated_tokens: int
) -> tuple[Complexity, float]:
    """Give the level, and a score in 0..1 that grows with the need for a stronger model.

    The level is the category's own, one higher for a demanding text (a score of `RAISED_FROM` or more) and one lower
    for a plain one (below `LOWERED_BELOW`). `unsure` starts at medium. `estimated_tokens` is that of the whole input.
    """
    category = table.named(classification.category)
    own = _LEVELS.index(category.complexity if category else Complexity.MEDIUM)
    length = min(log2(1 + max(estimated_tokens, 0) / LENGTH_TOKENS) / LENGTH_DOUBLINGS, 1.0)
    score = min(LENGTH_SHARE * length + demand.share + CATEGORY_SHARE * own / 2, 1.0)
    moved = own + (score >= RAISED_FROM) - (score < LOWERED_BELOW)
    return _MOVED[moved + 1], score


def needs_reasoning_of(demand: Demand, classification: Classification, table: Table, score: float) -> bool:
    """Tell whether a model that thinks before it answers is worth its price here.

    True if the category says so, if the prompt asks for a proof or a justification, or if the score that
    `complexity_of` gave is `REASONING_FROM` or more.
    """
    category = table.named(classification.category)
    return (category is not None and category.needs_reasoning) or score >= REASONING_FROM or demand.asks_reasoning
