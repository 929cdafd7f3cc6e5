"""What the shell needs of the outside world; adapters fit these without importing them."""

from asyncio import WriteTransport
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.alert import Alert, Receiver
from gateway.domain.alike import Alike
from gateway.domain.budget import Override, Wanted
from gateway.domain.delivery import Address, NoAnswer, Post, Response
from gateway.domain.ledger import Amounts, LedgerDimension
from gateway.domain.load import Cut, Shed
from gateway.domain.metric import Samples
from gateway.domain.outbox import Changes, Kept, Said
from gateway.domain.price_change import KeptPrices
from gateway.domain.snapshot import RuleFile, Snapshot
from gateway.domain.upstream import DIRECT, Call, Reply, Way
from gateway.domain.words import CountResult


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


class Deadline(Protocol):
    """The moment at which what a task waits for is given up."""

    def until(self, when_s: float) -> AbstractContextManager[None]:
        """Give up at a moment of the monotonic seconds, by a TimeoutError out of the bounds; also within them."""
        ...

    def close(self) -> None:
        """Let no alarm ring any more."""
        ...


class Timekeeper(Clock, Protocol):
    """A clock that ends waits."""

    def deadline(self) -> Deadline:
        """Give a deadline for one wait after another; it must be closed."""
        ...


class Departures(Protocol):
    """Bytes that leave together at the end of a turn of the event loop."""

    def add(self, transport: WriteTransport, data: bytes) -> None:
        """Write bytes to a transport within this turn, unless it is closed by then."""
        ...

    def leave(self) -> None:
        """Write now what waits."""
        ...


class Transport(Protocol):
    """The way to providers."""

    async def send(self, call: Call) -> Reply:
        """Send a call; give the reply once its head has come. Raises UpstreamError."""
        ...


class Log(Protocol):
    """Where entries go."""

    def put(self, alike: Alike) -> bool:
        """Take entries without waiting; False when their rows had to be dropped. Their money is booked either way."""
        ...


class Meters(Protocol):
    """What is counted."""

    def prepare(self, snapshot: Snapshot) -> None:
        """Make the series of a snapshot's rules and models, so that a zero is visible."""
        ...

    def began(self) -> None:
        """Count a request in flight."""
        ...

    def ended(self, alike: Alike) -> None:
        """Count requests that have ended, with their attempts, tokens and cost."""
        ...

    def dropped(self, times: int = 1) -> None:
        """Count entries that the log did not take."""
        ...

    def reloaded(self, snapshot: Snapshot, at: datetime) -> None:
        """Note a reload that succeeded."""
        ...

    def rejected(self) -> None:
        """Note a reload that failed."""
        ...


class CountMeters(Protocol):
    """What is counted of counts."""

    def counted(self, model: str, result: CountResult) -> None:
        """Count a count of tokens that has ended; `model` is empty where none was chosen."""
        ...


class LoadMeters(Protocol):
    """What is counted of too much, and of callers that are too slow."""

    def shed(self, why: Shed) -> None:
        """Count a request that was turned away."""
        ...

    def cut(self, why: Cut) -> None:
        """Count a connection that was closed before its caller did."""
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
        """Give nano-dollars by stretch for each budget, of all that was put before. Raises StoreError."""
        ...


class LedgerSums(Protocol):
    """The ledger, as whoever asks sums it up; it waits for a disk, so that it is asked off the loop."""

    def spend(
        self, first_quarter: int, last_quarter: int, by: Sequence[LedgerDimension] = ()
    ) -> Mapping[tuple[str | int, ...], Amounts]:
        """Give sums over quarter hours, both ends included, by the values of some dimensions. Raises StoreError."""
        ...


class LedgerSpans(Protocol):
    """The ledger, span by span; it waits for a disk, so that it is asked off the loop."""

    def each(
        self, spans: Sequence[tuple[int, int]], bys: Sequence[Sequence[LedgerDimension]]
    ) -> Generator[Sequence[Mapping[tuple[str | int, ...], Amounts]]]:
        """Give sums over one span of quarter hours after the other, by each of some dimensions, all of one moment.

        It is to be closed. Raises StoreError.
        """
        ...


class PriceStore(Protocol):
    """Where it is kept what models cost; it waits for a disk, so that it is asked off the loop."""

    def load(self) -> KeptPrices:
        """Give all that is kept. Raises StoreError."""
        ...

    def save(self, kept: KeptPrices) -> None:
        """Keep this instead of what was kept. Raises StoreError."""
        ...


class Overrides(Protocol):
    """The limits that operators have set for a while."""

    def put(self, budget: str, override: Override | None) -> None:
        """Keep one, or forget it. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where a provider is reached, in which way, and with which secret."""

    base_url: str
    secret: str | None
    way: Way = DIRECT

    def __repr__(self) -> str:
        return f"Target(base_url={self.base_url!r}, secret={'***' if self.secret else None})"


Targets = Mapping[str, Target]
"""By provider name."""
Addresses = Mapping[str, Address]
"""By receiver name."""


class Courier(Protocol):
    """The way to receivers of alerts."""

    async def send(self, receiver: Receiver, alert: Alert, post: Post) -> Response | NoAnswer:
        """Send the request that brings an alert, once; give what came back."""
        ...


class AlertStore(Protocol):
    """Where it is kept what alerts must not forget."""

    async def load(self) -> Kept:
        """Give all that is kept. Raises StoreError."""
        ...

    async def write(self, changes: Changes) -> None:
        """Keep some changes, all of them or none. Raises StoreError."""
        ...

    async def said(self, limit: int) -> list[Said]:
        """Give the messages that arose last, newest first. Raises StoreError."""
        ...


class AlertMeters(Protocol):
    """What is counted of alerts."""

    def firing(self, incidents: Mapping[str, int]) -> None:
        """Note how many incidents of each alert are open."""
        ...

    def delivery(self, receiver: str, result: str) -> None:
        """Count an attempt to deliver a message, or a message that is not tried any more, by what came of it."""
        ...

    def receivers(self, names: Collection[str]) -> None:
        """Make the series of receivers, so that a zero is visible."""
        ...

    def store_failed(self) -> None:
        """Count a write that failed."""
        ...


class Gauges(Protocol):
    """The values of the gateway's own metrics."""

    def samples(self, metrics: Collection[str]) -> Samples:
        """Give what some metrics, by their names, say now."""
        ...
