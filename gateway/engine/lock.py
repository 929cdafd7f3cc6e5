"""The lock of a caller: models that may not answer it are no part of its chains."""

from collections.abc import Callable
from dataclasses import replace

from gateway.domain.caller import Caller
from gateway.domain.decision import Decision, Locked
from gateway.domain.rule import Route, Split, Step
from gateway.engine.chain import Settled


def locked(decision: Decision, caller: Caller, settle: Callable[[Route], Settled]) -> Decision | Locked:
    """Leave out of a decision's chain what the caller may not use; Locked where that leaves nothing.

    `settle` settles the splits of a route as they were settled for the decision.
    """
    if caller.models is None:
        return decision
    chain, split = decision.chain, decision.split
    if split and decision.matched is not None:
        chain, split = settle(opened(decision.matched.route, caller))
    steps = tuple(step for step in chain.steps if caller.may_use(step.model))
    if not steps:
        return Locked(decision, caller)
    taken = {place: model for place, model in split.items() if caller.may_use(model)} if split else split
    return decision.over(replace(chain, steps=steps), taken)


def share_of(decision: Decision, caller: Caller) -> float:
    """Give the probability with which a decision's route chose the first model of its chain.

    Where a conversation stays on a model that no split gave it, no chance did.
    """
    if decision.matched is None or not decision.split:
        return 1.0
    if decision.stays and decision.pin not in decision.split.values():
        return 1.0
    route = opened(decision.matched.route, caller)
    for place, there in enumerate(route.places):
        if place in decision.split:
            return route.share(place, decision.split[place])
        if isinstance(there, Step) and caller.may_use(there.model):
            return 1.0
    return 1.0


def opened(route: Route, caller: Caller) -> Route:
    """Give a route whose splits are among the models that a caller may use; places without any stay as they are."""
    return replace(route, places=tuple(_opened(place, caller) for place in route.places))


def _opened(place: Step | Split, caller: Caller) -> Step | Split:
    if isinstance(place, Step):
        return place
    arms = tuple((step, weight) for step, weight in place.arms if caller.may_use(step.model))
    return Split(arms) if arms else place
