"""Rules as they are matched: conditions, routes, chains and steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Any, assert_never

from gateway.domain.limit import Gate
from gateway.domain.problem import Mark
from gateway.domain.words import Affinity, Failure, Mode, Surface


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition on one feature.

    `name` and `wanted` are as they stand in the file (`estimated_tokens`, `lt 50000`). `feature` is the key to read
    (see `engine.features`). `test` is pure and linear in its input. A `private` leaf reads text or headers: the log
    keeps whether it held, never what it saw. An `implied` leaf stands in no file. `keys` are the values of which the
    feature must be one, or as a set must hold one, for the leaf to hold, and `bounds` those between which it must lie;
    None where that cannot be said.
    """

    name: str
    feature: str
    wanted: str
    test: Callable[[Any], bool]
    private: bool = False
    implied: bool = False
    keys: frozenset[Any] | None = None
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds when every part holds; with no parts it always holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds when one part holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """Holds when its part does not."""

    part: "Condition"


Condition = Leaf | AllOf | AnyOf | Not
ALWAYS = AllOf(())


def leaves(condition: Condition) -> tuple[Leaf, ...]:
    """Give every leaf of a condition in reading order."""
    match condition:
        case Leaf():
            return (condition,)
        case AllOf() | AnyOf():
            return tuple(leaf for part in condition.parts for leaf in leaves(part))
        case Not():
            return leaves(condition.part)
        case _:
            assert_never(condition)


def conjuncts(condition: Condition) -> "tuple[Leaf | AnyOf | Not, ...]":
    """Give what must hold for a condition to hold, in reading order: no `AllOf` is among it."""
    if isinstance(condition, AllOf):
        return tuple(each for part in condition.parts for each in conjuncts(part))
    return (condition,)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one attempt in seconds; headers, first content and idle apply to streams alone."""

    connect_s: float = 2.0
    headers_s: float = 30.0
    first_content_s: float = 30.0
    idle_s: float = 60.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Courtesy:
    """What a caller is owed while it waits, and after it has left.

    A stream that sends nothing for `keepalive_s` gives a sign of life. One whose content has not come after
    `commit_after_s` begins all the same. `drains` says that the answer to a caller who left is read to its end, for
    what it reports of its use. Infinity is never.
    """

    keepalive_s: float = 15.0
    commit_after_s: float = inf
    drains: bool = False


COURTESY = Courtesy()

OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""All names of the one parameter that limits an answer's length: a rule may use any, a body has its dialect's."""


@dataclass(frozen=True, slots=True)
class Params:
    """Edits of the request body for one step, applied in the order drop, set, default, cap.

    The values are JSON values. `cap` lowers a number that is larger; an output limit (`max_tokens`, under whichever
    name the request has it) it also sets where the request has none.
    """

    set: Mapping[str, Any]
    default: Mapping[str, Any]
    cap: Mapping[str, float]
    drop: tuple[str, ...]


NO_PARAMS = Params({}, {}, {}, ())


@dataclass(frozen=True, slots=True)
class Step:
    """A place in a chain: one model, with the limits and edits that hold for it there.

    `window_tokens` is the model's context window and `max_output_tokens` its longest answer, None where that is not
    known; `lacks` is what of `gateway.domain.chat.NEEDS` it is known not to take. `gates` are those that a request must
    have a place at to be there: its own, the model's and the provider's, where they have one.
    """

    model: str
    timeouts: Timeouts = Timeouts()
    tries: int = 1
    params: Params = NO_PARAMS
    window_tokens: int | None = None
    max_output_tokens: int | None = None
    lacks: frozenset[str] = frozenset()
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """A place in a chain that one of several steps takes, by weight, the same one for a whole conversation."""

    arms: tuple[tuple[Step, float], ...]


class Usual(Enum):
    """What a model usually takes, as far as has been seen: a share of its answers stays within."""

    P95 = "p95"


@dataclass(frozen=True, slots=True)
class Hedge:
    """How long a step may give no content before the next one is asked beside it: seconds, or what is usual."""

    after: float | Usual

    def __str__(self) -> str:
        return self.after.value if isinstance(self.after, Usual) else f"{self.after:g}s"


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How many attempts there may be beyond the first of each request: a share of these, and so many a minute."""

    share: float = 0.2
    at_least_per_min: int = 30


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps in the order they are tried, with what bounds the whole: the deadline and the failures that go on.

    `strict` says that a step is passed over for which something of the request would be left out. With a `hedge`, a
    step that is slow is not waited for alone.
    """

    steps: tuple[Step, ...]
    deadline_s: float = 600.0
    fall_back_on: frozenset[Failure] = frozenset()
    strict: bool = False
    courtesy: Courtesy = COURTESY
    hedge: Hedge | None = None
    models: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names of the steps' models."""
    gated: bool = field(init=False, repr=False, compare=False)
    """Whether a step has a limit on how many may be there at once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(step.model for step in self.steps))
        object.__setattr__(self, "gated", any(step.gates for step in self.steps))


@dataclass(frozen=True, slots=True)
class Route:
    """A chain as written, before its splits are settled. `name` is empty where the chain stands inside its rule."""

    name: str
    places: tuple[Step | Split, ...]
    deadline_s: float
    fall_back_on: frozenset[Failure]
    strict: bool = False
    courtesy: Courtesy = COURTESY
    hedge: Hedge | None = None
    settled: Chain | None = field(init=False, repr=False, compare=False)
    """The chain of a route without splits, the same for every conversation."""

    def __post_init__(self) -> None:
        steps = tuple(place for place in self.places if isinstance(place, Step))
        object.__setattr__(self, "settled", self.over(steps) if len(steps) == len(self.places) else None)

    def over(self, steps: tuple[Step, ...]) -> Chain:
        """Give the chain of these steps, bounded as the route is."""
        return Chain(steps, self.deadline_s, self.fall_back_on, self.strict, self.courtesy, self.hedge)

    def share(self, place: int, model: str) -> float:
        """Give the share of conversations that take a model at a place."""
        there = self.places[place]
        if isinstance(there, Step):
            return 1.0 if there.model == model else 0.0
        total = sum(weight for _, weight in there.arms)
        return sum(weight for step, weight in there.arms if step.model == model) / total


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule; `file` and `mark` say where it stands."""

    name: str
    priority: int
    when: Condition
    route: Route
    mode: Mode
    tags: frozenset[str]
    file: str
    mark: Mark
    affinity: Affinity = Affinity.CONVERSATION
    leaves: tuple[Leaf, ...] = field(init=False, repr=False, compare=False)
    """Every leaf of `when`, in reading order."""
    private: bool = field(init=False, repr=False, compare=False)
    """Whether one of them reads text or headers."""
    parts: tuple[Leaf | AnyOf | Not, ...] = field(init=False, repr=False, compare=False)
    """What must hold for the rule to hold, in reading order."""
    implied: bool = field(init=False, repr=False, compare=False)
    """Whether the first part stands in no file."""
    written: tuple[Leaf | AnyOf | Not, ...] = field(init=False, repr=False, compare=False)
    """The parts that stand in the file: all there is to ask of a request that leaves the choice to the rules."""
    for_embeddings: bool = field(init=False, repr=False, compare=False)
    """Whether it asks for the surface `embeddings`: it alone sees their requests, and it sees no others."""
    heeds: bool = field(init=False, repr=False, compare=False)
    """Whether it matters who answered before: there is a choice, and the rule does not opt out."""

    def __post_init__(self) -> None:
        parts = conjuncts(self.when)
        implied = bool(parts) and isinstance(parts[0], Leaf) and parts[0].implied
        object.__setattr__(self, "leaves", leaves(self.when))
        object.__setattr__(self, "private", any(leaf.private for leaf in self.leaves))
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "implied", implied)
        object.__setattr__(self, "written", parts[1:] if implied else parts)
        asked = (part.keys for part in parts if isinstance(part, Leaf) and part.feature == "surface")
        object.__setattr__(self, "for_embeddings", _EMBEDDINGS in asked)
        places = self.route.places
        chooses = len(places) > 1 or any(isinstance(place, Split) for place in places)
        object.__setattr__(self, "heeds", chooses and self.affinity is not Affinity.NONE)


_EMBEDDINGS = frozenset({Surface.EMBEDDINGS})
