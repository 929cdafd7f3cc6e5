"""The cause of what was found: the step of a request's way in which it began, and the value that fits best.

A change shows in every value that takes part. The value that is the cause has the highest score: a part of it has as
large a change in fewer calls, and what is wider than it thins the change out. Where two values have nearly the same
calls, what usually changes in such a way decides: prompts by who asks and for what, answers by the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.shift import Channel, Finding
from gateway.engine.shifts.terms import Terms

GROUPS: Final[tuple[tuple[Channel, ...], ...]] = (
    (Channel.PRICE,),
    (Channel.FALLBACK,),
    (Channel.HEDGES, Channel.RETRIES),
    (Channel.VOLUME,),
    (Channel.CHOICE,),
    (Channel.RULE,),
    (Channel.CATEGORY,),
    (Channel.TOKENS_IN, Channel.TOKENS_OUT, Channel.TOKENS, Channel.CACHE),
)
"""Channels that are judged together, in the order in which they explain each other: the exact ones first."""
CONTENDS: Final = 0.6
"""From which share of the score that it takes an earlier step is taken for the cause of a later one."""
CONTENDS_WITH: Final = 0.5
"""From which share of the later step's money."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best finding, and the next ones with other causes."""

    finding: Finding
    suspects: tuple[Finding, ...]


def choose(found: Sequence[Finding], terms: Terms) -> Chosen | None:
    """Choose among findings; None where none is enough for a shift."""
    enough = [each for each in found if each.is_enough]
    if not enough:
        return None
    for group in GROUPS:
        inside = [each for each in found if each.cause.channel in group]
        strong = [each for each in enough if each.cause.channel in group]
        if not strong:
            most = max(each.usd for each in enough)
            strong = [
                each
                for each in inside
                if abs(each.score) >= CONTENDS * each.needed and each.usd >= CONTENDS_WITH * most
            ]
        if strong:
            best = _best(inside, strong, terms)
            others = [each for each in found if each.cause.name != best.cause.name]
            others.sort(key=lambda each: -abs(each.score) / each.needed)
            return Chosen(best, tuple(others[:3]))
    return None


def _best(inside: Sequence[Finding], strong: Sequence[Finding], terms: Terms) -> Finding:
    pool = [each for each in inside if each.usd * strong[0].usd > 0] or list(strong)
    if any(each.cause.channel is Channel.TOKENS_IN and each.score >= CONTENDS * each.needed for each in pool):
        pool = [each for each in pool if each.cause.channel is not Channel.CACHE]
    return max(pool, key=lambda each: abs(each.score) * likely(each, terms))


def likely(finding: Finding, terms: Terms) -> float:
    """Give how much a dimension's score counts in a channel, where values of several have nearly the same calls."""
    dimensions, dimension = terms.dimensions, finding.cause.dimension
    by_model = dimension == dimensions.model
    match finding.cause.channel:
        case Channel.TOKENS_OUT | Channel.CACHE:
            return 1.15 if by_model else 0.97 if dimension == dimensions.rule or dimension in dimensions.also else 1.0
        case Channel.TOKENS_IN | Channel.TOKENS:
            return 0.85 if by_model or dimension in dimensions.also else 0.95 if dimension == dimensions.rule else 1.0
        case _:
            return 1.0
