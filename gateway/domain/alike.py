"""Entries that are alike: what they add up to is added once for all of them, wherever requests are counted.

Most requests are answered by the model that was asked first, and differ from the one before in figures alone.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from msgspec import Struct

from gateway.domain.attempt import Attempt, Event
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage, total_of
from gateway.domain.words import Outcome

_kind_of = attrgetter("surface", "caller", "team", "tags", "rule", "category", "model", "provider", "usage.estimated")


class Happened(Struct, frozen=True, gc=False):
    """What happened to each of some alike entries at one place of their history: the first one's event, and all sums.

    `costs` are the nano-dollars of those that cost anything, one after the other.
    """

    event: Event
    usage: Usage | None = None
    costs: Sequence[int] = ()
    nano_usd: int = 0
    garbage: int = 0


class Alike(Struct, frozen=True, gc=False):
    """Entries of one kind in the order of their ends, at least one; `happened` has their events, place by place."""

    entries: Sequence[Entry]
    happened: Sequence[Happened]

    @property
    def first(self) -> Entry:
        """One of them."""
        return self.entries[0]

    @property
    def times(self) -> int:
        """How many there are."""
        return len(self.entries)


def kinds(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Part entries by kind: those that came in one minute and have one answer, else each one by itself."""
    parted: dict[object, list[Entry]] = {}
    for entry in entries:
        at = entry.at
        key = (_kind_of(entry), at.toordinal(), at.hour, at.minute) if _is_plain(entry) else id(entry)
        found = parted.get(key)
        if found is None:
            parted[key] = [entry]
        else:
            found.append(entry)
    return list(parted.values())


def _is_plain(entry: Entry) -> bool:
    """Say whether all that happened is one answer with a usage, of the model that the price is of."""
    events = entry.events
    if entry.outcome is not Outcome.ANSWERED or len(events) != 1 or entry.usage is None:
        return False
    event = events[0]
    return isinstance(event, Attempt) and event.failure is None and not event.unpriced and not event.lost


def added_up(entries: Sequence[Entry]) -> Alike:
    """Add up entries of one kind."""
    return Alike(entries, [_happened(events) for events in zip(*[entry.events for entry in entries], strict=True)])


def _happened(events: Sequence[Event]) -> Happened:
    attempts = [event for event in events if isinstance(event, Attempt)]
    costs = [attempt.cost_nano_usd for attempt in attempts if attempt.cost_nano_usd]
    usage = total_of([attempt.usage for attempt in attempts if attempt.usage is not None])
    return Happened(events[0], usage, costs, sum(costs), sum([attempt.garbage for attempt in attempts]))
