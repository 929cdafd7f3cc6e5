"""Brings messages to receivers, each receiver on its own: one that is slow or down keeps no other waiting.

What an answer means is for `engine.deliveries` to say. What came of an attempt is kept in the store before anything
else is sent in its place, so that after a restart it goes on by its schedule, under the same names.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from gateway.domain.alert import Alert
from gateway.domain.delivery import NoAnswer, Post, Response, Sending
from gateway.domain.outbox import Changes, Key, Letter, Mailbox
from gateway.domain.problem import StoreError
from gateway.engine.deliveries import Disable, Done, GiveUp, Reason, Retry, Verdict, verdict
from gateway.runtime.outbox import GIVEN_UP, LOOK_EVERY_S, SUPERSEDED, Outbox, Place, Places
from gateway.runtime.ports import AlertMeters, AlertStore, Clock, Courier
from gateway.runtime.ticks import survived

logger = logging.getLogger(__name__)

DELIVERED: Final = "delivered"
RESULTS: Final = (DELIVERED, SUPERSEDED, GIVEN_UP, *(reason.value for reason in Reason))
"""What can come of a message, or of an attempt to deliver one."""
AFTER_A_BUG: Final = timedelta(minutes=1)
"""How long a message waits that a bug kept from being noted: it must not be tried without a pause."""
A_BUG: Final = NoAnswer("the gateway met a bug; its log says where")


@dataclass(frozen=True, slots=True)
class Parts:
    """What deliveries are made of.

    `format` gives the request that brings an alert. `places` gives the receivers of now, `chance` a number from 0 to
    1. `hash_key` keys the hash by which the address of a disabled receiver is known again.
    """

    store: AlertStore
    courier: Courier
    format: Callable[[Alert, Sending], Post]
    places: Callable[[], Places]
    meters: AlertMeters
    clock: Clock
    chance: Callable[[], float]
    hash_key: bytes


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt that has ended: what came back, what it means, and after how long the message is to be said again."""

    letter: Letter
    answer: Response | NoAnswer
    verdict: Verdict
    resend_after_s: float | None


class Deliveries:
    """The loop that empties the outbox."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._outbox = Outbox((), (), self._digest)
        self._unwritten: set[Key] = set()
        self._woken = asyncio.Event()

    def load(self, letters: Iterable[Letter], mailboxes: Iterable[Mailbox]) -> None:
        """Begin with what was kept."""
        self._outbox = Outbox(letters, mailboxes, self._digest)
        self.wake()

    def add(self, letters: Iterable[Letter]) -> None:
        """Take letters that the store has."""
        for letter in letters:
            self._outbox.put(letter)
        self.wake()

    def wake(self) -> None:
        """Look again at what waits: a receiver may be another by now."""
        self._woken.set()

    def standing(self, receiver: str) -> tuple[Mailbox, int]:
        """Say how deliveries to a receiver stand, and how many messages it does not have yet."""
        return self._outbox.mailbox(receiver), self._outbox.waiting(receiver)

    async def run(self) -> None:
        """Deliver whatever is due, and wait for what comes next; never ends."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                rest_s = LOOK_EVERY_S
                with survived("looking through the outbox"):
                    rest_s = await self.turn(tasks)
                try:
                    async with asyncio.timeout(rest_s):
                        await self._woken.wait()
                except TimeoutError:
                    continue

    async def turn(self, tasks: asyncio.TaskGroup) -> float:
        """Begin an attempt at each letter that is due; give after how many seconds to look again."""
        due = self._outbox.due(self._parts.places(), self._parts.clock.now())
        for letter, why in due.let_go:
            self._parts.meters.delivery(letter.receiver, why)
            if why == GIVEN_UP:
                logger.warning("alert '%s' is not sent to receiver '%s' any more", letter.alert.alert, letter.receiver)
        for letter in due.letters:
            tasks.create_task(self._deliver(letter))
        if due.let_go or self._unwritten:
            await self._write(gone=[letter.key for letter, _ in due.let_go])
        return due.rest_s

    async def _deliver(self, letter: Letter) -> None:
        noted = False
        try:
            with survived(f"noting what came of a message to receiver '{letter.receiver}'"):
                place = self._parts.places().get(letter.receiver)
                if place is not None:
                    await self._note(place, await self._attempt(letter, place))
                noted = True
        finally:
            if not noted:
                self._outbox.put(replace(letter, due=self._parts.clock.now() + AFTER_A_BUG))
            self._outbox.landed(letter)
            self.wake()

    async def _attempt(self, letter: Letter, place: Place) -> Attempted:
        """Make one attempt; a bug in it counts as one that brought no answer."""
        answer: Response | NoAnswer = A_BUG
        resend_after_s: float | None = None
        with survived(f"telling receiver '{letter.receiver}'"):
            sending = Sending(place.receiver, place.address, self._parts.clock.now())
            post = self._parts.format(letter.alert, sending)
            answer = await self._parts.courier.send(place.receiver, letter.alert, post)
            resend_after_s = post.resend_after_s
        response = answer if isinstance(answer, Response) else None
        now, chance = self._parts.clock.now(), self._parts.chance()
        decided = verdict(place.receiver.kind, response, letter.attempts + 1, now, chance)
        return Attempted(letter, answer, decided, resend_after_s)

    async def _note(self, place: Place, attempted: Attempted) -> None:
        """Note what came of an attempt: in the store, then where it is seen, and in the log where it is news."""
        letter, now = attempted.letter, self._parts.clock.now()
        before = self._outbox.mailbox(letter.receiver)
        mailbox = self._stands(before, place, attempted, now)
        after = _after(attempted, now)
        await self._write((after,) if after else (), () if after else (letter.key,), (mailbox,))
        self._outbox.stands(mailbox)
        if after is None:
            self._outbox.remove(letter)
        else:
            self._outbox.put(after)
        self._count(attempted)
        _say(before, mailbox, attempted)

    def _stands(self, before: Mailbox, place: Place, attempted: Attempted, now: datetime) -> Mailbox:
        answer, decided = attempted.answer, attempted.verdict
        tried = replace(
            before,
            last_at=now,
            last_message=attempted.letter.alert.message_id,
            last_status=answer.status if isinstance(answer, Response) else 0,
            last_result=DELIVERED if isinstance(decided, Done) else decided.reason.value,
            last_words=answer.words if isinstance(answer, NoAnswer) else "",
            failed=0 if isinstance(decided, Done) else before.failed + 1,
        )
        if isinstance(decided, Disable):
            return replace(tried, disabled=decided.reason.value, address=self._digest(place))
        if isinstance(decided, Retry) and decided.slows_endpoint:
            return replace(tried, not_before=now + timedelta(seconds=decided.after_s))
        return tried

    def _count(self, attempted: Attempted) -> None:
        receiver, decided = attempted.letter.receiver, attempted.verdict
        self._parts.meters.delivery(receiver, DELIVERED if isinstance(decided, Done) else decided.reason.value)
        if isinstance(decided, GiveUp | Disable):
            self._parts.meters.delivery(receiver, GIVEN_UP)

    async def _write(
        self, letters: Iterable[Letter] = (), gone: Iterable[Key] = (), mailboxes: Iterable[Mailbox] = ()
    ) -> None:
        """Keep what has become of letters; what cannot be written now is written with the next."""
        self._unwritten.update(gone)
        changes = Changes(letters=tuple(letters), gone=tuple(sorted(self._unwritten)), mailboxes=tuple(mailboxes))
        try:
            await self._parts.store.write(changes)
        except StoreError as error:
            self._parts.meters.store_failed()
            logger.debug("the outbox: %s", error)
        else:
            self._unwritten.difference_update(changes.gone)

    def _digest(self, place: Place) -> str:
        address = place.address
        parts = (place.receiver.kind.value, address.url, address.routing_key, *address.signing_secrets)
        return hashlib.blake2b("\0".join(parts).encode(), key=self._parts.hash_key, digest_size=16).hexdigest()


def _after(attempted: Attempted, now: datetime) -> Letter | None:
    """Give what becomes of a letter: another attempt, the same said again later, or nothing."""
    letter, decided = attempted.letter, attempted.verdict
    match decided:
        case Done() if attempted.resend_after_s is not None:
            again = now + timedelta(seconds=attempted.resend_after_s)
            return replace(letter, due=again, attempts=0, resend=True)
        case Retry():
            return replace(letter, due=now + timedelta(seconds=decided.after_s), attempts=letter.attempts + 1)
        case Done() | GiveUp() | Disable():
            return None
        case _:
            assert_never(decided)


def _say(before: Mailbox, after: Mailbox, attempted: Attempted) -> None:
    """Log what is news of a receiver: that it cannot be told, that it can again, and what it will never be told."""
    name, decided = after.receiver, attempted.verdict
    why = f"{after.last_result}{f', status {after.last_status}' if after.last_status else ''}"
    if after.last_words:
        why = f"{why}: {after.last_words}"
    match decided:
        case Done() if before.failed:
            logger.info("receiver '%s' is told again", name)
        case Retry() if not before.failed:
            logger.warning("receiver '%s' cannot be told (%s); it is tried again", name, why)
        case GiveUp():
            logger.warning("alert '%s' is given up for receiver '%s' (%s)", attempted.letter.alert.alert, name, why)
        case Disable():
            logger.warning("receiver '%s' wants no more messages (%s): mend its url, and reload", name, why)
        case _:
            pass
