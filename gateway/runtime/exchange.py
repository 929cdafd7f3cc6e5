"""One request on its way: what was decided for it, and what has happened since."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.dialects.base import About, Blame, CallerDialect
from gateway.domain.attempt import Attempt, Event, shown
from gateway.domain.budget import Overspent
from gateway.domain.decision import Decision, Unroutable
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model, Provider
from gateway.domain.request import AUTO, Request
from gateway.domain.rule import Step
from gateway.domain.snapshot import Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import Outcome
from gateway.engine.decide import decide_request
from gateway.engine.explain import account_of
from gateway.engine.features import Features, Healths, all_well
from gateway.runtime.ports import Addresses, Target, Targets
from gateway.runtime.spend import Hold


@dataclass(frozen=True, slots=True)
class Active:
    """A generation that runs: its snapshot, and where its providers and receivers are. Swapped by one assignment."""

    snapshot: Snapshot
    targets: Targets
    loaded_at: datetime
    addresses: Addresses = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request that has come: its id, when it came, and the generation it belongs to; `came_s` is monotonic."""

    id: str
    at: datetime
    came_s: float
    active: Active


@dataclass(slots=True)
class Exchange:
    """The state of one request; it is read by the log when the request has ended.

    `started_s` is monotonic, when the body was there. `waited_s` is time spent on providers, which is not the
    gateway's own. `refusal` says why steps were passed over that could not carry the request, `overspent` which budget
    had no room for one; `holds` is money held back for its attempts. `begun` once a part of a stream has left.
    """

    id: str
    at: datetime
    started_s: float
    active: Active
    request: Request
    caller: CallerDialect
    features: Features
    decision: Decision
    history: list[Event] = field(default_factory=list)
    outcome: Outcome | None = None
    model: Model | None = None
    response_model: str = ""
    usage: Usage | None = None
    first_content_s: float | None = None
    waited_s: float = 0.0
    refusal: Refusal | None = None
    overspent: Overspent | None = None
    holds: list[Hold] = field(default_factory=list)
    begun: bool = False

    def upstream_of(self, step: Step) -> tuple[Model, Provider, Target]:
        """Give who stands behind a step."""
        snapshot = self.active.snapshot
        model = snapshot.models[step.model]
        return model, snapshot.providers[model.provider], self.active.targets[model.provider]

    @property
    def tags(self) -> frozenset[str]:
        """The tags of the caller, of the request and of the rule."""
        tags: frozenset[str] = self.features["tags"]
        return tags | self.decision.matched.tags if self.decision.matched else tags

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, without the steps that were passed over."""
        return tuple(event for event in self.history if isinstance(event, Attempt))

    @property
    def cost_nano_usd(self) -> int:
        """What all attempts so far have cost, the failed ones included."""
        return sum(event.cost_nano_usd for event in self.history if isinstance(event, Attempt))

    @property
    def about(self) -> About:
        """What an answer may say of itself."""
        return About(
            request_id=self.id,
            rule=self.decision.rule,
            category=self.decision.category,
            model=self.model.name if self.model else "",
            provider=self.model.provider if self.model else "",
            cost_nano_usd=self.cost_nano_usd if self.usage is not None else None,
        )

    def blame(self, who: str) -> Blame:
        """Say who is at fault for an error, with what was attempted."""
        return Blame(who, [shown(event) for event in self.history], self.overspent)


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A request that no rule takes, with what the caller is told."""

    request: Request
    features: Features
    decision: Unroutable
    refusal: Refusal


def begin(
    arrived: Arrived, started_s: float, request: Request, caller: CallerDialect, health: Healths = all_well
) -> Exchange | Unrouted:
    """Decide for a request, and open its exchange where a model answers to what it asks for.

    `started_s` is when it had come whole, `health` how models are doing.
    """
    active = arrived.active
    features, decision = decide_request(active.snapshot, request, arrived.at, health)
    if isinstance(decision, Unroutable):
        return Unrouted(request, features, decision, unroutable(decision, active.snapshot))
    return Exchange(arrived.id, arrived.at, started_s, active, request, caller, features, decision)


def unroutable(decision: Unroutable, snapshot: Snapshot) -> Refusal:
    """Say that nothing answers to the name, and what would."""
    asked = decision.requested
    names = sorted(snapshot.models)
    if asked == AUTO:
        words = f"no rule takes this request; a model can be asked for by name: {', '.join(names)}"
    else:
        words = f"there is no model '{asked[:LONGEST_NAME_SHOWN]}'; there is {', '.join((AUTO, *names))}"
    return Refusal(RefusalKind.MODEL_NOT_FOUND, words, "model")


LONGEST_NAME_SHOWN = 100


def account(active: Active, request: Request, at: datetime, health: Healths = all_well) -> dict[str, Any]:
    """Give the whole account of the Decision for a request, as JSON values; no model is asked."""
    features, decision = decide_request(active.snapshot, request, at, health)
    return account_of(active.snapshot, features, decision)
