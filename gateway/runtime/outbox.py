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
from gateway.engine.deliveries import LATE_S, Pending, collapse

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
    """Letters and mailboxes by receiver. A letter that is due is under way until it has landed.

    Letters about the same thing stand together, for only they can overtake one another: to look at a thousand that
    wait is then quick, and requests are not kept waiting by it.
    """

    def __init__(self, letters: Iterable[Letter], mailboxes: Iterable[Mailbox], digest: Digest) -> None:
        self._digest = digest
        self._boxes: dict[str, dict[str, _Letters]] = {}
        self._mailboxes = {each.receiver: each for each in mailboxes}
        self._flying: dict[str, dict[str, str]] = {}
        self._looked: datetime | None = None
        for letter in letters:
            self.put(letter)

    def put(self, letter: Letter) -> None:
        """Take a letter, or what has become of one that is here."""
        box = self._boxes.setdefault(letter.receiver, {})
        box.setdefault(letter.alert.identity, {})[letter.alert.message_id] = letter

    def remove(self, letter: Letter) -> None:
        """Let go of a letter."""
        box = self._boxes.get(letter.receiver, {})
        letters = box.get(letter.alert.identity, {})
        letters.pop(letter.alert.message_id, None)
        if not letters:
            box.pop(letter.alert.identity, None)

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
        box = self._boxes.get(receiver, {})
        return sum(not letter.resend for letters in box.values() for letter in letters.values())

    def due(self, places: Places, now: datetime) -> Due:
        """Give the letters to be sent now, and mark them as under way."""
        if self._looked is not None and now < self._looked:
            self._set_back(self._looked - now)
        self._looked = now
        due: list[Letter] = []
        let_go: list[tuple[Letter, str]] = []
        rests_s = [LOOK_EVERY_S]
        for name in list(self._boxes):
            place = places.get(name)
            left, overtaken = self._sorted_out(name, now, wanted=place is not None)
            let_go += overtaken
            if place is None or not self._is_open(place):
                continue
            flying = self._flying.setdefault(name, {})
            not_before = self.mailbox(name).not_before
            for letter in left:
                opens = max(letter.due, not_before) if not_before else letter.due
                if opens > now:
                    rests_s.append((opens - now).total_seconds())
                elif len(flying) < MOST_IN_FLIGHT and letter.alert.incident_id not in flying:
                    flying[letter.alert.incident_id] = letter.alert.message_id
                    due.append(_as_it_is_now(letter, now))
        for letter, _ in let_go:
            self.remove(letter)
        return Due(tuple(due), tuple(let_go), min(rests_s))

    def _set_back(self, by: timedelta) -> None:
        """Have what waits go on waiting as long as it had to, now that the clock was set back."""
        for box in self._boxes.values():
            for letters in box.values():
                for message, letter in letters.items():
                    letters[message] = replace(letter, due=letter.due - by)
        for name, mailbox in self._mailboxes.items():
            if mailbox.not_before is not None:
                self._mailboxes[name] = replace(mailbox, not_before=mailbox.not_before - by)

    def _sorted_out(self, name: str, now: datetime, *, wanted: bool) -> tuple[list[Letter], list[tuple[Letter, str]]]:
        """Give what is left to be sent to a receiver, and what is let go of; all of it where nobody wants it."""
        flying = set(self._flying.get(name, {}).values())
        left: list[Letter] = []
        let_go: list[tuple[Letter, str]] = []
        for letters in self._boxes[name].values():
            here = [letter for message, letter in letters.items() if message not in flying]
            kept = _newest(here, now) if len(here) > 1 else here
            keys = {letter.key for letter in kept}
            let_go += [(letter, SUPERSEDED) for letter in here if letter.key not in keys]
            for letter in kept:
                letters[letter.alert.message_id] = letter
                if wanted and (letter.resend or now - letter.alert.at <= LONGEST_WAIT):
                    left.append(letter)
                else:
                    let_go.append((letter, GIVEN_UP))
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


_Letters = dict[str, Letter]


def _newest(letters: list[Letter], now: datetime) -> list[Letter]:
    """Give those of some letters about the same thing that are not overtaken; each stands for those that are, too."""
    collapsed = collapse([Pending(letter.alert, letter.resend) for letter in letters], now)
    kept = {each.alert.message_id for each in collapsed.send}
    news_at: dict[str, datetime] = {}
    for letter in letters:
        if not letter.resend:
            incident = letter.alert.incident_id
            news_at[incident] = min(letter.news_at, news_at.get(incident, letter.news_at))
    return [
        replace(letter, since=news_at.get(letter.alert.incident_id))
        for letter in letters
        if letter.alert.message_id in kept
    ]


def _as_it_is_now(letter: Letter, now: datetime) -> Letter:
    """Give a letter that says how old its news is."""
    late_s = 0 if letter.resend else int((now - letter.news_at).total_seconds())
    return replace(letter, alert=replace(letter.alert, delayed_by_s=late_s if late_s >= LATE_S else 0))
