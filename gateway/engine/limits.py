"""Rate limits: whether a caller's request is admitted now, and if not, when.

What was used within the last minute is kept in slots of a quarter second at most, so memory is bounded whatever the
rate, and limits hold over *every* minute, not only those of the clock. State is mutable and small; the shell keeps one
for each caller's name, over reloads, since the limits themselves are arguments. So is time: seconds that do not go
back, and where they do by a little, nothing breaks. No locks: each call runs to its end without waiting.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, nextafter
from typing import Final

from gateway.domain.limit import MINUTE_S, Full, LimitKind, Limits, Standing, TooLarge, UsedUp

SLOTS: Final = 240
"""How finely a window is cut. What was used is let go late by one slot at most: by 1/240 of the window, 0.4 %."""


@dataclass(slots=True)
class Slot:
    """What was used within a short time: it counts until `leaves_at`, and takes more until `closes_at`."""

    amount: int
    closes_at: float
    leaves_at: float


class Tally:
    """What was used within the last `window_s` seconds.

    A slot leaves a window's length after the *last* use that it holds. So an amount counts for no less than the
    window, and where uses are further apart than a slot is long, for exactly that.
    """

    __slots__ = ("_slot_s", "_slots", "_used", "_window_s")

    def __init__(self, window_s: float = MINUTE_S) -> None:
        self._window_s = window_s
        self._slot_s = window_s / SLOTS
        self._slots: deque[Slot] = deque()
        self._used = 0

    def fits(self, amount: int, limit: int, now: float) -> bool:
        """Say whether an amount, 0 or more, can be used without passing the limit."""
        slots = self._slots
        if slots and slots[0].leaves_at <= now:
            self._let_go(now)
        return self._used + amount <= limit

    def take(self, amount: int, limit: int, now: float) -> Slot | None:
        """Use an amount if it fits, else give None; the slot is there to `settle` with."""
        return self.add(amount, now) if self.fits(amount, limit, now) else None

    def add(self, amount: int, now: float) -> Slot:
        """Use an amount, whatever the limit."""
        self._used += amount
        slots = self._slots
        leaves_at = now + self._window_s
        if slots and now < slots[-1].closes_at:
            slot = slots[-1]
            slot.amount += amount
            slot.leaves_at = max(slot.leaves_at, leaves_at)
            return slot
        slot = Slot(amount, now + self._slot_s, leaves_at)
        slots.append(slot)
        return slot

    def settle(self, slot: Slot, taken: int, actual: int, now: float) -> None:
        """Correct an amount that was taken into a slot, to what was used in the end.

        Less goes back to the slot; if that has left, nothing is due. More is used now, and may pass the limit.
        """
        if actual > taken:
            self.add(actual - taken, now)
        else:
            back = min(taken - max(actual, 0), slot.amount)
            slot.amount -= back
            self._used -= back

    def wait_s(self, amount: int, limit: int, now: float) -> float:
        """Give the seconds until `take` succeeds if nothing else is used: 0 if at once, infinity if never.

        It succeeds at the sum of `now` and the answer, and at no time before.
        """
        if amount > limit:
            return inf
        self._let_go(now)
        excess, free_at = self._used + amount - limit, now
        for slot in self._slots:
            if excess <= 0:
                break
            excess -= slot.amount
            free_at = slot.leaves_at
        return _until(free_at, now)

    def standing(self, limit: int, now: float) -> Standing:
        """Say what is left of a limit, and when all of it is there again."""
        self._let_go(now)
        last = next((slot for slot in reversed(self._slots) if slot.amount), None)
        return Standing(limit, max(0, limit - self._used), 0.0 if last is None else _until(last.leaves_at, now))

    def _let_go(self, now: float) -> None:
        slots = self._slots
        while slots and slots[0].leaves_at <= now:
            gone = slots.popleft()
            self._used -= gone.amount
            gone.amount = 0  # so that nothing can be given back to it


def _until(instant: float, now: float) -> float:
    """Give seconds that lead from `now` to an instant or just past it, not just short of it for rounding."""
    wait_s = instant - now
    return wait_s if now + wait_s >= instant else nextafter(wait_s, inf)


class Seats:
    """How many run at once; of a caller, or of whatever else is `max_concurrent`."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0

    def fits(self, limit: int) -> bool:
        """Say whether a seat is free."""
        return self.taken < limit

    def take(self, limit: int) -> "Seat | None":
        """Take a seat if one is free, else give None."""
        return self.add() if self.fits(limit) else None

    def add(self) -> "Seat":
        """Take a seat, whatever the limit."""
        self.taken += 1
        return Seat(self)


class Seat:
    """A seat that is held until it is released; whoever releases it again changes nothing."""

    __slots__ = ("_seats",)

    def __init__(self, seats: Seats) -> None:
        self._seats: Seats | None = seats

    def release(self) -> None:
        """Give the seat back."""
        if self._seats is not None:
            self._seats.taken -= 1
            self._seats = None


class Limiter:
    """What one caller uses of its limits. A limit that a reload adds counts from then on; a changed one at once."""

    __slots__ = ("_requests", "_seats", "_tokens")

    def __init__(self) -> None:
        self._requests = Tally()
        self._tokens = Tally()
        self._seats = Seats()

    def admit(self, limits: Limits, tokens: int, now: float) -> "Admission | UsedUp | Full | TooLarge":
        """Admit a request that is estimated to use so many tokens, or say why not; one that is refused uses nothing.

        What is for ever is said first, then what passes with time (the longest wait), then what passes with luck.
        """
        if not (
            (limits.requests is None or self._requests.fits(1, limits.requests, now))
            and (limits.tokens is None or self._tokens.fits(tokens, limits.tokens, now))
        ):
            return self._refuse(limits, tokens, now)
        if limits.concurrent is not None and not self._seats.fits(limits.concurrent):
            return Full(limits.concurrent)
        if limits.requests is not None:
            self._requests.add(1, now)
        slot = None if limits.tokens is None else self._tokens.add(tokens, now)
        return Admission(self._seats.add(), self._tokens, slot, tokens)

    def standings(self, limits: Limits, now: float) -> dict[LimitKind, Standing]:
        """Say where the caller stands with each of its limits by the minute."""
        return {kind: tally.standing(limit, now) for kind, tally, limit, _ in self._by_the_minute(limits, 0)}

    def _refuse(self, limits: Limits, tokens: int, now: float) -> UsedUp | TooLarge:
        waits = []
        for kind, tally, limit, asked in self._by_the_minute(limits, tokens):
            if asked > limit:
                return TooLarge(kind, limit, asked)
            waits.append(UsedUp(kind, limit, tally.wait_s(asked, limit, now)))
        return max(waits, key=lambda each: each.wait_s)

    def _by_the_minute(self, limits: Limits, tokens: int) -> Iterator[tuple[LimitKind, Tally, int, int]]:
        if limits.requests is not None:
            yield LimitKind.REQUESTS, self._requests, limits.requests, 1
        if limits.tokens is not None:
            yield LimitKind.TOKENS, self._tokens, limits.tokens, tokens


class Admission:
    """A request that was admitted. Its end is told by `settle` and `release`, each heard once."""

    __slots__ = ("_seat", "_slot", "_tokens", "_tokens_taken")

    def __init__(self, seat: Seat, tokens: Tally, slot: Slot | None, taken: int) -> None:
        self._seat, self._tokens, self._slot, self._tokens_taken = seat, tokens, slot, taken

    def settle(self, actual_tokens: int, now: float) -> None:
        """Correct the estimate of the tokens to what was used; what was not used is free again at once."""
        if self._slot is not None:
            self._tokens.settle(self._slot, self._tokens_taken, actual_tokens, now)
            self._slot = None

    def release(self) -> None:
        """Say that the request no longer runs."""
        self._seat.release()
