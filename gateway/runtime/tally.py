"""Counts requests as they are noted, over a sliding stretch of time: what alerts on rates look at.

The memory is bounded: an hour in slots of a quarter minute, each with as many names as rules and models had requests
in it.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.attempt import Attempt
from gateway.domain.entry import Entry
from gateway.domain.words import Failure, Outcome
from gateway.engine.looks import EVERYTHING, Counts, Named
from gateway.runtime.ports import Clock

SLOT_S: Final = 15.0
LONGEST_S: Final = 3_600.0
CALLERS_OWN: Final = frozenset({Failure.BAD_REQUEST, Failure.CONTENT_FILTER, Failure.CONTEXT_LENGTH, Failure.CANCELLED})
"""Failures that the request itself brought about: such attempts say nothing of the models, or of the rules."""
_WELL: Final = frozenset({Outcome.ANSWERED, Outcome.ANSWERED_AFTER_FALLBACK})
_BADLY: Final = frozenset({Outcome.FAILED, Outcome.INTERRUPTED})


@dataclass(slots=True)
class Sum:
    """Counts that grow."""

    requests: int = 0
    errors: int = 0
    fallbacks: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Sum") -> None:
        """Add other counts."""
        self.requests += other.requests
        self.errors += other.errors
        self.fallbacks += other.fallbacks
        for failure, count in other.failures.items():
            self.failures[failure] = self.failures.get(failure, 0) + count


@dataclass(frozen=True, slots=True)
class _Slot:
    number: int
    sums: dict[Named, Sum] = field(default_factory=dict)

    def of(self, whose: Named) -> Sum:
        found = self.sums.get(whose)
        if found is None:
            found = self.sums[whose] = Sum()
        return found


class Tally:
    """Hears of every request that has ended; it belongs to the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: deque[_Slot] = deque()

    def note(self, entry: Entry) -> None:
        """Count a request under its rule, and its attempts under their models.

        Only what answered or failed counts: what was refused, what the caller left, and what failed by the request's
        own fault is nobody's rate.
        """
        attempts = [event for event in entry.events if isinstance(event, Attempt)]
        slot = self._slot()
        failures = []
        for attempt in attempts:
            if attempt.failure in CALLERS_OWN:
                continue
            model = slot.of(("model", attempt.model))
            model.requests += 1
            if attempt.failure is not None:
                model.errors += 1
                _count(model, attempt.failure.value)
                failures.append(f"{attempt.model}: {attempt.failure.value}")
        if entry.outcome not in _WELL | _BADLY or _is_its_own_fault(entry, attempts):
            return
        for whose in (EVERYTHING, ("rule", entry.rule)):
            of = slot.of(whose)
            of.requests += 1
            of.errors += entry.outcome in _BADLY
            of.fallbacks += entry.outcome is Outcome.ANSWERED_AFTER_FALLBACK
            for failure in failures:
                _count(of, failure)

    def counts(self, windows_s: Iterable[float]) -> dict[float, dict[Named, Counts]]:
        """Give the counts of the last so many seconds, whole slots of them, for each length."""
        now = self._number()
        self._forget(now)
        return {window_s: _summed(self._slots, now - int(window_s // SLOT_S)) for window_s in windows_s}

    def _slot(self) -> _Slot:
        now = self._number()
        if not self._slots or self._slots[-1].number != now:
            self._forget(now)
            self._slots.append(_Slot(now))
        return self._slots[-1]

    def _forget(self, now: int) -> None:
        while self._slots and self._slots[0].number < now - LONGEST_S // SLOT_S:
            self._slots.popleft()

    def _number(self) -> int:
        return int(self._clock.monotonic() // SLOT_S)


def _summed(slots: Iterable[_Slot], first: int) -> dict[Named, Counts]:
    sums: dict[Named, Sum] = {}
    for slot in slots:
        if slot.number >= first:
            for whose, each in slot.sums.items():
                sums.setdefault(whose, Sum()).add(each)
    return {whose: Counts(each.requests, each.errors, each.fallbacks, each.failures) for whose, each in sums.items()}


def _count(of: Sum, failure: str) -> None:
    of.failures[failure] = of.failures.get(failure, 0) + 1


def _is_its_own_fault(entry: Entry, attempts: list[Attempt]) -> bool:
    last = attempts[-1].failure if attempts else None
    return entry.outcome in _BADLY and last in CALLERS_OWN
