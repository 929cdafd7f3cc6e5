"""Budgets: what may be spent, by whom and in which time, and what happens on the way there.

All money is integer nano-dollars; shares are of the limit, 1.0 for all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.domain.problem import Mark
from gateway.domain.window import QUARTER_HOUR_S, Period
from gateway.domain.words import Prefer


class Dimension(StrEnum):
    """What spending is told apart by; the words of a budget's `scope`."""

    TEAM = "team"
    CALLER = "caller"
    TAG = "tag"
    RULE = "rule"
    CATEGORY = "category"
    MODEL = "model"
    PROVIDER = "provider"


KNOWN_BEFORE = frozenset({Dimension.TEAM, Dimension.CALLER, Dimension.TAG})
"""Dimensions of a request that are known before any rule has looked at it."""


class Spender(Struct, frozen=True, gc=False):
    """Whom and what one attempt spends for; what is not known yet, or is nobody, is empty."""

    team: str = ""
    caller: str = ""
    tags: frozenset[str] = frozenset()
    rule: str = ""
    category: str = ""
    model: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose spending counts: all parts must fit, and none means everything."""

    parts: tuple[tuple[Dimension, str], ...] = ()

    def covers(self, spender: Spender) -> bool:
        """Say whether an attempt counts."""
        for dimension, name in self.parts:
            if dimension is Dimension.TAG:
                if name not in spender.tags:
                    return False
            elif getattr(spender, dimension.value) != name:
                return False
        return True

    @property
    def known_before(self) -> bool:
        """Whether it can be told of a request before a rule has looked at it."""
        return all(dimension in KNOWN_BEFORE for dimension, _ in self.parts)

    def __str__(self) -> str:
        """Give the scope on one line, `everything` for one without parts."""
        return ", ".join(f"{dimension} {name}" for dimension, name in self.parts) or "everything"


@dataclass(frozen=True, slots=True)
class Warn:
    """Nothing happens but that it shows, in alerts and `/api/budgets`."""


@dataclass(frozen=True, slots=True)
class Block:
    """What would go past this share is refused."""


@dataclass(frozen=True, slots=True)
class Downgrade:
    """Requests prefer this, whatever they say themselves."""

    prefer: Prefer


@dataclass(frozen=True, slots=True)
class Cap:
    """Parameters are lowered to these; a limit of the output is set where the caller sent none."""

    params: Mapping[str, float]


Action = Warn | Block | Downgrade | Cap


@dataclass(frozen=True, slots=True)
class Rung:
    """What happens once this share of the limit is used."""

    share: float
    action: Action


@dataclass(frozen=True, slots=True)
class Override:
    """Another limit until an aware moment."""

    limit_nano_usd: int
    until: datetime


class OnStoreFailure(StrEnum):
    """What holds for a budget while it is not known what it has spent: the words of `on_store_failure`.

    `local`: what has been spent since is held against the limit; `closed`: nothing that has a price passes; `open`: as
    if there were no such budget.
    """

    LOCAL = "local"
    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Budget:
    """An entry of `budgets`.

    A `hard` one reserves the upper bound of each attempt, others what such attempts usually cost. `assume_max_tokens`
    is the output limit that a request without one is given under a hard budget. `rungs` ascend by share. `file` and
    `mark` say where it stands.
    """

    name: str
    scope: Scope
    limit_nano_usd: int
    period: Period
    zone: ZoneInfo
    hard: bool
    rungs: tuple[Rung, ...]
    assume_max_tokens: int | None
    override: Override | None
    file: str
    mark: Mark
    on_store_failure: OnStoreFailure = OnStoreFailure.LOCAL


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for a budget: its scope, and from the first to the last stretch of `grain_s` seconds.

    Stretches are named by their start in unix seconds; a shorter one than the ledger's is asked of the log's rows.
    """

    budget: str
    scope: Scope
    first: int
    last: int
    grain_s: int = QUARTER_HOUR_S


@dataclass(frozen=True, slots=True)
class Overspent:
    """Why a budget does not let an attempt pass; `resets_at` is when it may again, None where it never will."""

    budget: str
    period: str
    spent_nano_usd: int
    limit_nano_usd: int
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unread:
    """A budget that lets nothing pass because it is not known what it has spent."""

    budget: str
