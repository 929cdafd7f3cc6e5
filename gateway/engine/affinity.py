"""A conversation stays on the model that answered it last, wherever the rule that takes it now has a place for it."""

from dataclasses import replace

from gateway.domain.decision import Decision


def heeding(decision: Decision, pin: str) -> Decision:
    """Ask the model first that answered last, where it is in the chain; the others follow in their order."""
    chain = decision.chain
    place = next((place for place, step in enumerate(chain.steps) if step.model == pin), 0)
    if place:
        steps = (chain.steps[place], *chain.steps[:place], *chain.steps[place + 1 :])
        chain = replace(chain, steps=steps)
    return decision.staying(chain, pin)
