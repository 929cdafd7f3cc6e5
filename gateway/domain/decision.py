"""The Decision: which rule took a request, and why no earlier one did."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct, structs

from gateway.domain.caller import Caller
from gateway.domain.rule import Chain, Condition, Rule

REQUESTED_MODEL = "requested-model"
"""The rule name of a Decision that no rule made: the caller named a model of the registry."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule that did not hold, with its first condition that failed."""

    rule: Rule
    missed: Condition


Misses = Mapping[int, Condition | None]
"""The first condition that did not hold of each rule that was looked at, by its position; None where all did."""


class Decision(Struct, frozen=True, gc=False):
    """The chain that a request takes, with the reasons.

    `matched` is None for a requested model. Of the `rules`, `walked` came before the one that took the request; those
    of them that are not in `misses` were passed over, because the request lacks what they ask for.
    `gateway.engine.decide.tried_of` tells the reason of each. `shadows` names the shadow rules that would have taken
    the request. `split` says which arm each split of the route settled on, by place in the route. `unfit` says of the
    steps that are known not to serve the request what they lack, see `gateway.engine.capable`. `pin` is the model that
    answered the conversation last, None where that is not known or does not matter; in the chain it stands first.
    """

    rule: str
    matched: Rule | None
    category: str
    confidence: float
    chain: Chain
    chain_name: str
    rules: tuple[Rule, ...]
    walked: int
    misses: Misses
    shadows: tuple[str, ...] = ()
    split: Mapping[int, str] | None = None
    unfit: Mapping[int, tuple[str, ...]] = {}
    pin: str | None = None

    @property
    def model(self) -> str:
        """The registry name of the first step that may serve the request: who answers when nothing fails."""
        steps = self.chain.steps
        return next((step.model for place, step in enumerate(steps) if place not in self.unfit), steps[0].model)

    @property
    def stays(self) -> bool:
        """Whether the model that answered the conversation last is in the chain, and so the first to be asked."""
        return self.pin is not None and self.chain.steps[0].model == self.pin

    def noting(self, unfit: Mapping[int, tuple[str, ...]]) -> "Decision":
        """Give the same decision with what its steps lack."""
        return structs.replace(self, unfit=unfit)

    def over(self, chain: Chain, split: Mapping[int, str] | None) -> "Decision":
        """Give the same decision over another chain."""
        return structs.replace(self, chain=chain, split=split)

    def staying(self, chain: Chain, pin: str) -> "Decision":
        """Give the same decision for a conversation that a model has answered, over the chain that heeds that."""
        return structs.replace(self, chain=chain, pin=pin)


class Unroutable(Struct, frozen=True, gc=False):
    """No rule took the request, and no model has the name it asks for. The reasons are those of a Decision."""

    requested: str
    rules: tuple[Rule, ...]
    walked: int
    misses: Misses
    shadows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Locked:
    """A Decision whose models may all not answer the caller, so that nobody does."""

    decision: Decision
    caller: Caller


Decided = Decision | Unroutable | Locked
"""What deciding comes to."""


def unlocked(decided: Decided) -> Decision | Unroutable:
    """Give what was decided before anybody asked what the caller may use."""
    return decided.decision if isinstance(decided, Locked) else decided


@dataclass(frozen=True, slots=True)
class Flip:
    """The smallest change that would hand the request to another rule: these conditions would have to hold."""

    rule: str
    conditions: tuple[str, ...]
