"""A conversation stays on the model that answered it last, wherever the rule that takes it now has a place for it."""

from dataclasses import replace

from gateway.domain.decision import Decision
from gateway.domain.rule import Rule, Step
from gateway.domain.words import Affinity


def heeds(rule: Rule | None) -> bool:
    """Say whether it matters to a rule who answered before: there is a choice, and it does not opt out."""
    if rule is None or rule.affinity is Affinity.NONE:
        return False
    first, *others = rule.route.places
    return bool(others) or not isinstance(first, Step)


def heeding(decision: Decision, pin: str | None) -> Decision:
    """Ask the model first that answered last, where it is in the chain; the others follow in their order."""
    if pin is None:
        return decision
    chain = decision.chain
    place = next((place for place, step in enumerate(chain.steps) if step.model == pin), 0)
    if place:
        steps = (chain.steps[place], *chain.steps[:place], *chain.steps[place + 1 :])
        chain = replace(chain, steps=steps)
    return decision.staying(chain, pin)
