"""What the shell needs of the outside world; adapters fit these without importing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.budget import Override, Wanted
from gateway.domain.entry import Entry
from gateway.domain.snapshot import RuleFile, Snapshot
from gateway.domain.upstream import Call, Reply


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Give the time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Transport(Protocol):
    """The way to providers."""

    async def send(self, call: Call) -> Reply:
        """Send a call; give the reply once its head has come. Raises UpstreamError."""
        ...


class Log(Protocol):
    """Where entries go."""

    def put(self, entry: Entry) -> bool:
        """Take an entry without waiting; False when its row had to be dropped. Its money is booked either way."""
        ...


class Meters(Protocol):
    """What is counted."""

    def prepare(self, snapshot: Snapshot) -> None:
        """Make the series of a snapshot's rules and models, so that a zero is visible."""
        ...

    def began(self) -> None:
        """Count a request in flight."""
        ...

    def ended(self, entry: Entry) -> None:
        """Count a request that has ended, with its attempts, tokens and cost."""
        ...

    def dropped(self) -> None:
        """Count an entry that the log did not take."""
        ...

    def reloaded(self, snapshot: Snapshot, at: datetime) -> None:
        """Note a reload that succeeded."""
        ...

    def rejected(self) -> None:
        """Note a reload that failed."""
        ...


class Generations(Protocol):
    """The book of accepted sets of rule files."""

    def accepted(self, fingerprint: str, files: Sequence[RuleFile], at: datetime) -> int:
        """Note a set that runs now; give its generation, the same one for the set that ran last."""
        ...

    def knows(self, fingerprint: str) -> bool:
        """Say whether a set was accepted before."""
        ...

    def last_good(self) -> tuple[RuleFile, ...] | None:
        """Give the files of the set that was accepted last."""
        ...


class Ledger(Protocol):
    """What has been spent."""

    async def spent(self, wanted: Sequence[Wanted]) -> "dict[str, Mapping[int, int]]":
        """Give nano-dollars by quarter hour for each budget, of all that was put before. Raises StoreError."""
        ...


class Overrides(Protocol):
    """The limits that operators have set for a while."""

    def put(self, budget: str, override: Override | None) -> None:
        """Keep one, or forget it. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where a provider is reached, and with which secret."""

    base_url: str
    secret: str | None

    def __repr__(self) -> str:
        return f"Target(base_url={self.base_url!r}, secret={'***' if self.secret else None})"


Targets = Mapping[str, Target]
"""By provider name."""
