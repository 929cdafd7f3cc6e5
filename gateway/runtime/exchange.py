"""One request on its way: what was decided for it, and what has happened since."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from msgspec import Struct

from gateway.dialects.base import About, Blame, CallerDialect
from gateway.domain.attempt import Attempt, Event, shown
from gateway.domain.budget import Overspent, Unread
from gateway.domain.caller import Caller
from gateway.domain.decision import Decision, Locked, Unroutable
from gateway.domain.problem import Problem
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model, Provider
from gateway.domain.request import AUTO, Request
from gateway.domain.rule import Step
from gateway.domain.snapshot import Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import Affinity, Outcome, Surface
from gateway.engine.callers import expiries
from gateway.engine.decide import decide_request
from gateway.engine.explain import account_of
from gateway.engine.features import AT_REST, Features, Live, may_go_on
from gateway.engine.fitness import unfit
from gateway.runtime.account import Hold
from gateway.runtime.affinity import Pins
from gateway.runtime.gates import Place
from gateway.runtime.ports import Addresses, Target, Targets


@dataclass(frozen=True, slots=True)
class Active:
    """A generation that runs: its snapshot, and where its providers and receivers are. Swapped by one assignment."""

    snapshot: Snapshot
    targets: Targets
    loaded_at: datetime
    addresses: Addresses = field(default_factory=dict)

    def warnings(self, at: datetime) -> tuple[Problem, ...]:
        """Give what is to be warned of at a moment: what the files say, and keys that end."""
        return (*self.snapshot.warnings, *expiries(self.snapshot.callers, at))


class Arrived(Struct, frozen=True, gc=False):
    """A request that has come: its id, when it came, and the generation it belongs to; `came_s` is monotonic."""

    id: str
    at: datetime
    came_s: float
    active: Active


class Exchange(Struct):
    """The state of one request; it is read by the log when the request has ended.

    `started_s` is monotonic, when the body was there. `waited_s` is time spent on providers, or waiting for a place at
    one, which is not the gateway's own, each moment once, up to `waited_until_s`. `refusals` say why steps were passed
    over that could not carry the request, `overspent` which budget had no room for one and `unread` which one was
    closed. `holds` is money held back for its attempts, `places` are held at models until they end. `begun` once a part
    of a stream has left; `left` once the caller has, where its attempt goes on to its end. `cut` says that the answer
    ended at a limit on the output.

    Of the attempt that answers, else of the one that ended last, are `lost`, what it could not carry over, `defaulted`,
    the limit on the output that it was given because nobody gave one, and `upstream_id`, the provider's id of it, else
    of the last one that had a reply. `pins` hears who answers, where the conversation is to stay there.
    See `gateway.runtime.running`.
    """

    id: str
    at: datetime
    started_s: float
    active: Active
    request: Request
    caller: CallerDialect
    features: Features
    decision: Decision
    history: list[Event] = []
    outcome: Outcome | None = None
    model: Model | None = None
    response_model: str = ""
    usage: Usage | None = None
    first_content_s: float | None = None
    waited_s: float = 0.0
    waited_until_s: float = 0.0
    refusals: list[Refusal] = []
    overspent: Overspent | None = None
    unread: Unread | None = None
    holds: list[Hold] = []
    places: list[Place] = []
    begun: bool = False
    left: bool = False
    cut: bool = False
    defaulted: int | None = None
    upstream_id: str = ""
    lost: tuple[str, ...] = ()
    pins: Pins | None = None

    def answered_by(self, model: Model) -> None:
        """Note who answers; the conversation stays there."""
        self.model = model
        if self.pins is not None:
            self.pins.answered(self.features["conversation_hash"], model.name)

    def failed_by(self, model: Model) -> None:
        """Note that a model failed by its own fault; the conversation stays there no longer."""
        if self.pins is not None:
            self.pins.failed(self.features["conversation_hash"], model.name)

    @property
    def repinned(self) -> bool:
        """Whether another model answers than the one that the conversation was to stay on."""
        return self.pins is not None and self.model is not None and self.decision.pin not in {None, self.model.name}

    def upstream_of(self, step: Step) -> tuple[Model, Provider, Target]:
        """Give who stands behind a step."""
        snapshot = self.active.snapshot
        model = snapshot.models[step.model]
        return model, snapshot.providers[model.provider], self.active.targets[model.provider]

    def waited(self, since_s: float, now_s: float) -> None:
        """Count the time since a moment as time that is not the gateway's own, but for what has been counted by now."""
        self.waited_s += max(now_s - max(since_s, self.waited_until_s), 0.0)
        self.waited_until_s = now_s

    def leave(self) -> None:
        """Leave the places that are still held; once it has ended."""
        for place in self.places:
            place.leave()

    @property
    def tags(self) -> frozenset[str]:
        """The tags of the caller, of the request and of the rule."""
        tags: frozenset[str] = self.features["tags"]
        return tags | self.decision.matched.tags if self.decision.matched else tags

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what the caller sent and the model that was asked last did not get."""
        return (*self.request.dropped, *self.lost)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, without the steps that were passed over."""
        return tuple([event for event in self.history if isinstance(event, Attempt)])

    @property
    def cost_nano_usd(self) -> int:
        """What all attempts so far have cost, the failed ones included."""
        return sum([event.cost_nano_usd for event in self.history if isinstance(event, Attempt)])

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
    """A request that no model may answer, with what the caller is told."""

    request: Request
    features: Features
    decision: Unroutable | Locked
    refusal: Refusal


def begin(
    arrived: Arrived,
    started_s: float,
    request: Request,
    caller: CallerDialect,
    live: Live = AT_REST,
    pins: Pins | None = None,
) -> Exchange | Unrouted:
    """Decide for a request, and open its exchange where a model answers to what it asks for.

    `started_s` is when it had come whole; `pins` hears who answers.
    """
    active = arrived.active
    features, decision = decide_request(active.snapshot, request, arrived.at, live)
    features.let_go()  # words of a hundred requests that wait for providers would push the next one's out of the caches
    if not isinstance(decision, Decision):
        refusal = _refusal_of(decision, request.caller, request.surface, active.snapshot)
        return Unrouted(request, features, decision, refusal)
    exchange = Exchange(arrived.id, arrived.at, started_s, active, request, caller, features, decision)
    if _affinity_of(decision, active.snapshot) is Affinity.CONVERSATION and may_go_on(features):
        exchange.pins = pins
    return exchange


def _affinity_of(decision: Decision, snapshot: Snapshot) -> Affinity:
    return snapshot.defaults.affinity if decision.matched is None else decision.matched.affinity


def _refusal_of(decision: Unroutable | Locked, caller: Caller, surface: Surface, snapshot: Snapshot) -> Refusal:
    """Say why no model answers, and which would."""
    names = usable(caller, snapshot, surface)
    match decision:
        case Locked():
            by = decision.decision.matched
            what = f"model '{decision.decision.model}'" if by is None else f"any model of rule '{by.name}'"
            words = f"caller '{caller.name}' may not use {what}; it may use {', '.join(names)}"
            return Refusal(RefusalKind.FORBIDDEN, words, "model")
        case Unroutable() if decision.requested == AUTO:
            rule = "no rule with 'surface: embeddings'" if surface is Surface.EMBEDDINGS else "no rule"
            by_name = f"; a model can be asked for by name: {', '.join(names)}" if names else ""
            words = f"{rule} takes this request{by_name}"
        case Unroutable():
            asked = decision.requested[:LONGEST_NAME_SHOWN]
            words = f"there is no model '{asked}'; there is {', '.join((AUTO, *names))}"
        case _:
            assert_never(decision)
    return Refusal(RefusalKind.MODEL_NOT_FOUND, words, "model")


def usable(caller: Caller, snapshot: Snapshot, surface: Surface) -> list[str]:
    """Give the names of the models that may answer a caller, and can answer on a surface, sorted."""
    providers, models = snapshot.providers, snapshot.models.values()
    fit = (model.name for model in models if unfit(model, providers[model.provider].kind, surface) is None)
    return sorted(name for name in fit if caller.may_use(name))


LONGEST_NAME_SHOWN = 100


def account(active: Active, request: Request, at: datetime, live: Live = AT_REST) -> dict[str, Any]:
    """Give the whole account of the Decision for a request, as JSON values; no model is asked."""
    features, decision = decide_request(active.snapshot, request, at, live)
    return account_of(active.snapshot, features, decision)
