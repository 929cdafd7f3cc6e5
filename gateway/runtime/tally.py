"""Counts requests as they are noted, over a sliding stretch of time: what alerts on rates look at.

The memory is bounded: an hour in slots of a quarter minute, each with as many names as rules and models had requests
in it.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.alike import Alike
from gateway.domain.attempt import Attempt
from gateway.domain.entry import Entry
from gateway.domain.words import Failure, Outcome
from gateway.engine.looks import EVERYTHING, Counts, Named
from gateway.runtime.ports import Clock

SLOT_S: Final = 15.0
LONGEST_S: Final = 3_600.0
LONGEST_NAME: Final = 100
"""Characters that are shown of a provider's name for a model."""
SPARE_SLOTS: Final = 3
"""Slots that are kept beyond an hour, until those who counted them have let go of them."""
CALLERS_OWN: Final = frozenset({Failure.BAD_REQUEST, Failure.CONTENT_FILTER, Failure.CONTEXT_LENGTH, Failure.CANCELLED})
"""Failures that the request itself brought about: such attempts say nothing of the models, or of the rules."""
_WELL: Final = frozenset({Outcome.ANSWERED, Outcome.ANSWERED_AFTER_FALLBACK})
_BADLY: Final = frozenset({Outcome.FAILED, Outcome.INTERRUPTED})
_COUNTED: Final = _WELL | _BADLY


@dataclass(slots=True)
class Sum:
    """Counts that grow and shrink."""

    requests: int = 0
    errors: int = 0
    fallbacks: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Sum", times: int = 1) -> None:
        """Add other counts, or with -1 take them away."""
        self.requests += times * other.requests
        self.errors += times * other.errors
        self.fallbacks += times * other.fallbacks
        for failure, count in other.failures.items():
            left = self.failures.get(failure, 0) + times * count
            if left:
                self.failures[failure] = left
            else:
                self.failures.pop(failure, None)


Sums = dict[Named, Sum]


@dataclass(frozen=True, slots=True)
class _Slot:
    number: int
    sums: Sums = field(default_factory=dict)

    def of(self, whose: Named) -> Sum:
        found = self.sums.get(whose)
        if found is None:
            found = self.sums[whose] = Sum()
        return found


@dataclass(slots=True)
class _Window:
    """The sums of the slots that are over, as many as a window has; `until` is the newest of them.

    They are kept as slots come and go: summing up an hour once a second would keep requests waiting.
    """

    length: int
    until: int = -1
    sums: Sums = field(default_factory=dict)

    def move(self, slots: Iterable[_Slot], now: int) -> None:
        """Go on to the slots that are over when `now` is the running one."""
        if self.until == now - 1:
            return
        first, gone = now - self.length, self.until + 1 - self.length
        if not 0 <= now - 1 - self.until <= SPARE_SLOTS:  # slots that were within may be forgotten by now
            self.sums, self.until, gone = {}, first - 1, first
        for slot in slots:
            if self.until < slot.number < now:
                self._add(slot, 1)
            elif gone <= slot.number < first:
                self._add(slot, -1)
        self.until = now - 1

    def _add(self, slot: _Slot, times: int) -> None:
        for whose, each in slot.sums.items():
            found = self.sums.get(whose)
            if found is None:
                found = self.sums[whose] = Sum()
            found.add(each, times)
            if not found.requests:
                del self.sums[whose]

    def with_running(self, running: Sums) -> dict[Named, Counts]:
        """Give the counts of the window and of the slot that is running."""
        counts = {}
        for whose in self.sums.keys() | running.keys():
            both = Sum()
            for each in (self.sums.get(whose), running.get(whose)):
                if each is not None:
                    both.add(each)
            counts[whose] = Counts(both.requests, both.errors, both.fallbacks, both.failures)
        return counts


class Tally:
    """Hears of every request that has ended; it belongs to the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: deque[_Slot] = deque()
        self._windows: dict[float, _Window] = {}
        self._unpriced: dict[str, tuple[str, float]] = {}

    def note(self, alike: Alike) -> None:
        """Count requests under their rule, and their attempts under their models.

        Only what answered or failed counts: what was refused, what the caller left, what another model overtook, and
        what failed by the request's own fault is nobody's rate.
        """
        entry, times = alike.first, alike.times
        attempts = [event for event in entry.events if isinstance(event, Attempt) and not event.lost]
        slot = self._slot()
        failures = []
        for attempt in attempts:
            if attempt.unpriced:
                self._unpriced[attempt.model] = (entry.response_model, self._clock.monotonic())
            if attempt.failure in CALLERS_OWN:
                continue
            model = slot.of(("model", attempt.model))
            model.requests += times
            if attempt.failure is not None:
                model.errors += times
                _count(model, attempt.failure.value, times)
                failures.append(f"{attempt.model}: {attempt.failure.value}")
        if entry.outcome not in _COUNTED or _is_its_own_fault(entry, attempts):
            return
        for whose in (EVERYTHING, ("rule", entry.rule)):
            of = slot.of(whose)
            of.requests += times
            of.errors += times * (entry.outcome in _BADLY)
            of.fallbacks += times * (entry.outcome is Outcome.ANSWERED_AFTER_FALLBACK)
            for failure in failures:
                _count(of, failure, times)

    def unpriced(self) -> dict[str, str]:
        """Give the models that another one answered for in the last hour, each with the id of the last that did."""
        oldest_s = self._clock.monotonic() - LONGEST_S
        self._unpriced = {model: each for model, each in self._unpriced.items() if each[1] >= oldest_s}
        return {model: _shown(answered) for model, (answered, _) in self._unpriced.items()}

    def counts(self, windows_s: Iterable[float]) -> dict[float, dict[Named, Counts]]:
        """Give the counts of the last so many seconds, whole slots of them, for each length."""
        now = self._number()
        self._windows = {each: self._windows.get(each) or _Window(int(each // SLOT_S)) for each in windows_s}
        running = self._slots[-1].sums if self._slots and self._slots[-1].number == now else {}
        for window in self._windows.values():
            window.move(self._slots, now)
        self._forget(now)
        return {window_s: window.with_running(running) for window_s, window in self._windows.items()}

    def _slot(self) -> _Slot:
        now = self._number()
        if not self._slots or self._slots[-1].number != now:
            self._forget(now)
            self._slots.append(_Slot(now))
        return self._slots[-1]

    def _forget(self, now: int) -> None:
        while self._slots and self._slots[0].number < now - LONGEST_S // SLOT_S - SPARE_SLOTS:
            self._slots.popleft()

    def _number(self) -> int:
        return int(self._clock.monotonic() // SLOT_S)


def _shown(name: str) -> str:
    """Give a name that a provider made up as one that fits a line."""
    return "".join(each if each.isprintable() else "?" for each in name[:LONGEST_NAME])


def _count(of: Sum, failure: str, times: int) -> None:
    of.failures[failure] = of.failures.get(failure, 0) + times


def _is_its_own_fault(entry: Entry, attempts: list[Attempt]) -> bool:
    last = attempts[-1].failure if attempts else None
    return entry.outcome in _BADLY and last in CALLERS_OWN
