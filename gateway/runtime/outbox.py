"""The outbox in memory, as the store has it: what waits for whom, who may be asked now, and what is under way.

It sends nothing and keeps nothing. Which messages still matter is for `engine.deliveries` to say.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.alert import Receiver
from gateway.domain.delivery import Address
from gateway.domain.outbox import Letter, Mailbox
from gateway.engine.deliveries import Pending, collapse

MOST_IN_FLIGHT: Final = 4
"""Requests to one receiver at a time."""
MOST_WAITING: Final = 1_000
"""Messages that wait for one receiver; beyond that the oldest are given up."""
LONGEST_WAIT: Final = timedelta(days=7)
"""How old a message may become that its receiver never took."""
LOOK_EVERY_S: Final = 30.0
"""After how long to look again at the latest: a clock that was set forward is noticed by then."""
SUPERSEDED, GIVEN_UP = "superseded", "given_up"


@dataclass(frozen=True, slots=True)
class Place:
    """A receiver of the rules that run, and where it is."""

    receiver: Receiver
    address: Address


Places = Mapping[str, Place]
Digest = Callable[[Place], str]
"""Gives what tells a place from another without telling where it is."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be sent now, what is let go of and why, and after how many seconds to look again."""

    letters: tuple[Letter, ...]
    let_go: tuple[tuple[Letter, str], ...]
    rest_s: float


class Outbox:
    """Letters and mailboxes by receiver. A letter that is due is under way until it has landed."""

    def __init__(self, letters: Iterable[Letter], mailboxes: Iterable[Mailbox], digest: Digest) -> None:
        self._digest = digest
        self._letters: dict[str, dict[str, Letter]] = {}
        self._mailboxes = {each.receiver: each for each in mailboxes}
        self._flying: dict[str, dict[str, str]] = {}
        for letter in letters:
            self.put(letter)

    def put(self, letter: Letter) -> None:
        """Take a letter, or what has become of one that is here."""
        self._letters.setdefault(letter.receiver, {})[letter.alert.message_id] = letter

    def remove(self, letter: Letter) -> None:
        """Let go of a letter."""
        self._letters.get(letter.receiver, {}).pop(letter.alert.message_id, None)

    def landed(self, letter: Letter) -> None:
        """Note that an attempt has ended, whichever way."""
        self._flying.get(letter.receiver, {}).pop(letter.alert.incident_id, None)

    def mailbox(self, receiver: str) -> Mailbox:
        """Say how deliveries to a receiver stand."""
        return self._mailboxes.get(receiver) or Mailbox(receiver)

    def stands(self, mailbox: Mailbox) -> None:
        """Note how deliveries to a receiver stand."""
        self._mailboxes[mailbox.receiver] = mailbox

    def waiting(self, receiver: str) -> int:
        """Count the messages for a receiver that it does not have yet."""
        return sum(not letter.resend for letter in self._letters.get(receiver, {}).values())

    def due(self, places: Places, now: datetime) -> Due:
        """Give the letters to be sent now, and mark them as under way."""
        due: list[Letter] = []
        let_go: list[tuple[Letter, str]] = []
        rests_s = [LOOK_EVERY_S]
        for name in list(self._letters):
            place = places.get(name)
            if place is None:
                let_go += [(letter, GIVEN_UP) for letter in self._grounded(name)]
                continue
            left, overtaken = self._sorted_out(name, now)
            let_go += overtaken
            if not self._is_open(place):
                continue
            flying = self._flying.setdefault(name, {})
            not_before = self.mailbox(name).not_before
            for letter in left:
                opens = max(letter.due, not_before) if not_before else letter.due
                if (wait_s := (opens - now).total_seconds()) > 0:
                    rests_s.append(wait_s)
                elif len(flying) < MOST_IN_FLIGHT and letter.alert.incident_id not in flying:
                    flying[letter.alert.incident_id] = letter.alert.message_id
                    due.append(letter)
        for letter, _ in let_go:
            self.remove(letter)
        return Due(tuple(due), tuple(let_go), min(rests_s))

    def _grounded(self, name: str) -> list[Letter]:
        """Give the letters for a receiver that are not under way; the next of an incident waits for the one that is."""
        flying = set(self._flying.get(name, {}).values())
        return [letter for message, letter in self._letters[name].items() if message not in flying]

    def _sorted_out(self, name: str, now: datetime) -> tuple[list[Letter], list[tuple[Letter, str]]]:
        """Give what is left to be sent to a receiver, as it is to be said now, and what is let go of."""
        letters = {letter.alert.message_id: letter for letter in self._grounded(name)}
        collapsed = collapse([Pending(letter.alert, letter.resend) for letter in letters.values()], now)
        let_go = [(letters[each.alert.message_id], SUPERSEDED) for each in collapsed.superseded]
        left: list[Letter] = []
        for each in collapsed.send:
            letter = replace(letters[each.alert.message_id], alert=each.alert)
            if not letter.resend and now - letter.alert.at > LONGEST_WAIT:
                let_go.append((letter, GIVEN_UP))
            else:
                left.append(letter)
        too_many = max(len(left) - MOST_WAITING, 0)
        let_go += [(letter, GIVEN_UP) for letter in left[:too_many]]
        return left[too_many:], let_go

    def _is_open(self, place: Place) -> bool:
        """Say whether a receiver wants messages; one that wanted none is asked again once it is another."""
        mailbox = self.mailbox(place.receiver.name)
        if not mailbox.disabled:
            return True
        if mailbox.address == self._digest(place):
            return False
        self.stands(replace(mailbox, disabled="", address="", not_before=None))
        return True
