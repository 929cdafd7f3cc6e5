"""The Decision: which rule took a request, and why no earlier one did."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.caller import Caller
from gateway.domain.rule import Chain, Condition, Rule

REQUESTED_MODEL = "requested-model"
"""The rule name of a Decision that no rule made: the caller named a model of the registry."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule that did not hold, with its first condition that failed."""

    rule: Rule
    missed: Condition


@dataclass(frozen=True, slots=True)
class Decision:
    """The chain that a request takes, with the reasons.

    `matched` is None for a requested model. `shadows` names the shadow rules that would have taken the request.
    `split` says which arm each split of the route settled on, by place in the chain.
    """

    rule: str
    matched: Rule | None
    category: str
    confidence: float
    chain: Chain
    chain_name: str
    tried: tuple[Tried, ...]
    shadows: tuple[str, ...] = ()
    split: Mapping[int, str] | None = None

    @property
    def model(self) -> str:
        """The registry name of the first step: who answers when nothing fails."""
        return self.chain.steps[0].model


@dataclass(frozen=True, slots=True)
class Unroutable:
    """No rule took the request, and no model has the name it asks for."""

    requested: str
    tried: tuple[Tried, ...]
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
