"""The outside of deliveries: a clock that is put somewhere, a store in memory, and receivers that answer as told."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.domain.alert import Alert, Receiver, ReceiverKind
from gateway.domain.delivery import Address, NoAnswer, Post, Response
from gateway.domain.outbox import Changes, Kept, Said
from gateway.domain.problem import StoreError
from gateway.runtime.outbox import Place
from tests.fakes.alerts import ADDRESSES, NOW

OK = Response(200)
DOWN = NoAnswer("cannot be reached")


@dataclass
class Time:
    """A clock that the test moves; `set_by` is by how much somebody has set its time of day."""

    at: datetime = NOW
    set_by: timedelta = timedelta()

    def now(self) -> datetime:
        return self.at + self.set_by

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class MemoryStore:
    """What is kept, as the tables keep it; `broken` refuses to read and write."""

    kept: Kept = field(default_factory=Kept)
    told: list[Said] = field(default_factory=list)
    writes: int = 0
    broken: bool = False

    async def load(self) -> Kept:
        return self.kept

    async def write(self, changes: Changes) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.writes += 1
        kept = self.kept
        instances = {each.identity: each for each in (*kept.instances, *changes.instances)}
        letters = {each.key: each for each in kept.letters} | {each.key: each for each in changes.letters}
        mailboxes = {each.receiver: each for each in (*kept.mailboxes, *changes.mailboxes)}
        hushes = {each.id: each for each in (*kept.hushes, *changes.hushes)}
        self.kept = replace(
            kept,
            instances=tuple(each for key, each in instances.items() if key not in changes.quiet),
            letters=tuple(each for key, each in letters.items() if key not in changes.gone),
            mailboxes=tuple(mailboxes.values()),
            hushes=tuple(each for key, each in hushes.items() if key not in changes.unhushed),
            accepted=(kept.accepted | set(changes.accepted)) - set(changes.unaccepted),
        )
        self.told += changes.said

    async def said(self, limit: int) -> list[Said]:
        if self.broken:
            raise StoreError("the disk is full")
        return self.told[::-1][:limit]


@dataclass
class Receivers:
    """All receivers there are; each answers what `answer` gives for it."""

    answer: Callable[[Receiver, Alert], Response | NoAnswer] = lambda _, __: OK
    got: list[tuple[str, Alert, Post]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, receiver: Receiver, alert: Alert, post: Post) -> Response | NoAnswer:
        self.got.append((receiver.name, alert, post))
        self.asked.set()
        return self.answer(receiver, alert)

    def messages(self, receiver: str = "ops") -> list[str]:
        """Give the names of the messages that a receiver was sent."""
        return [alert.message_id for name, alert, _ in self.got if name == receiver]


@dataclass
class Counted:
    """The meters of alerts, with all that they were told."""

    results: list[tuple[str, str]] = field(default_factory=list)
    open: Mapping[str, int] = field(default_factory=dict)
    names: Collection[str] = ()
    store_failures: int = 0

    def firing(self, incidents: Mapping[str, int]) -> None:
        self.open = dict(incidents)

    def delivery(self, receiver: str, result: str) -> None:
        self.results.append((receiver, result))

    def receivers(self, names: Collection[str]) -> None:
        self.names = list(names)

    def store_failed(self) -> None:
        self.store_failures += 1


def place(name: str = "ops", kind: ReceiverKind = ReceiverKind.GENERIC, address: Address | None = None) -> Place:
    """Give a receiver, by default at the address that the other tests have for its kind."""
    return Place(Receiver(name, kind), address or ADDRESSES[kind])
