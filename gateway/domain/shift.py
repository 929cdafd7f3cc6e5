"""Spend shifts: what a spend event, a bucket of them, a cause and a notice are.

Money is integer nano-dollars, times are seconds since the epoch. Nothing here decides anything.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.domain.alert import Severity


@dataclass(frozen=True, slots=True)
class Dimensions:
    """By what spend is told apart, with the part that each name plays on a request's way.

    `who` asks, from the widest to the finest: team, caller. `also` are further names that go with the model, such as
    the provider.
    """

    who: tuple[str, ...] = ("team", "caller")
    rule: str = "rule"
    category: str = "category"
    model: str = "model"
    also: tuple[str, ...] = ("provider",)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of an event's values."""
        return (*self.who, self.rule, self.category, self.model, *self.also)


class SpendEvent(msgspec.Struct, frozen=True, gc=False):
    """One answered request and its cost; `values` are in the order of `Dimensions.names`.

    Tokens and `nano_usd` are those of its answer; what its other attempts cost is `hedged_nano_usd` where another
    one was faster, and `retried_nano_usd` where they failed. `fallback_from` is the model that should have
    answered, empty where the first choice did. `tokens_in` are all tokens of the prompt, those among them that came
    from a cache are `tokens_cached`.
    """

    ts: float
    values: tuple[str, ...]
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    nano_usd: int
    fallback_from: str = ""
    hedged_nano_usd: int = 0
    retried_nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class Edit:
    """A rule that was touched, as the gateway knows for certain; `place` is its file and line, where it has one."""

    ts: float
    rule: str
    generation: str = ""
    place: str = ""


class Channel(StrEnum):
    """In which step of a request's way spend moved, in the order of that way."""

    VOLUME = "volume"
    CATEGORY = "category"
    RULE = "rule"
    CHOICE = "model_choice"
    FALLBACK = "fallback"
    HEDGES = "hedges"
    RETRIES = "retries"
    PRICE = "price"
    CACHE = "cached_tokens"
    TOKENS_IN = "tokens_in"
    TOKENS_OUT = "tokens_out"
    TOKENS = "tokens"


class Direction(StrEnum):
    """Whether more is spent than was to be expected, or less."""

    UP = "up"
    DOWN = "down"


class Status(StrEnum):
    """What a notice says of its incident. Only `FIRING` is a message of something new."""

    FIRING = "firing"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Cause:
    """What moved: one value of one dimension, in one channel."""

    dimension: str
    value: str
    channel: Channel

    @property
    def name(self) -> str:
        """The cause as one word: `rule=code`."""
        return f"{self.dimension}={self.value}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its figures.

    `score` is how many standard deviations the value is from what was to be expected, and `needed` how many it takes.
    `before` and `after` are in the unit of the channel: calls per hour, shares, dollars a million tokens, tokens of a
    call.
    `usd` is what was spent beyond the expectation in about `window_s`, and `impact` that as a share of what
    would have been spent there otherwise; both are negative for a drop. They are estimates, hence no integers. `pays`
    says whether it is money enough to be told.
    """

    cause: Cause
    score: float
    needed: float
    usd: float
    impact: float
    window_s: float
    before: float
    after: float
    detail: str = ""
    pays: bool = True

    @property
    def is_enough(self) -> bool:
        """Whether this is a shift by itself."""
        return self.pays and abs(self.score) >= self.needed


@dataclass(frozen=True, slots=True)
class Parts:
    """A change of spend in nano-dollars, taken apart: the four add up to `whole` exactly."""

    whole: int
    volume: int
    mix: int
    price: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to say about one incident.

    `number` counts the incidents of a fold. `nano_usd` is what the incident has cost so far, and `nano_usd_per_day`
    what it costs in a day if it goes on. `parts` compares the spend since `since` with the same minutes a day before.
    `unchanged` are channels in which the cause's spend did not move, `suspects` the causes that came next.
    """

    number: int
    ts: float
    status: Status
    severity: Severity
    direction: Direction
    cause: Cause
    since: float
    finding: Finding
    nano_usd: int
    nano_usd_per_day: int
    sentence: str
    parts: Parts | None = None
    edit: Edit | None = None
    unchanged: tuple[Channel, ...] = ()
    suspects: tuple[Cause, ...] = ()
    reason: str = ""
