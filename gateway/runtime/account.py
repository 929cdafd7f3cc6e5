"""One budget as it stands: what is spent of it in its window, and what attempts under way hold of it.

It opens and asks nothing: each moment is told. `runtime.spend` has the accounts of all budgets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.budget import Budget, OnStoreFailure, Override, Overspent, Rung, Unread
from gateway.domain.window import Rolling, Window
from gateway.engine.budgets import Asked, ceiling_nano_usd, holding
from gateway.engine.windows import buckets, frees_at, grain_s, window_at

Sums = Mapping[int, int]
"""Nano-dollars by the start, in unix seconds, of the stretch of `grain_s` that they were spent in."""


@dataclass(slots=True)
class Account:
    """One budget as it stands. `spent` has the sums of the present window, `held` what attempts under way may add.

    `at_risk` is by how much those may pass what is held for them; `rungs` are the places of the rungs that hold;
    `overridden` is the limit that an operator has set for a while. `unread` while it is not known what had been spent
    of the window before; `unread_attempts` counts those that were decided upon then. For a clock that is set back there
    are the window that was left last, if its spend was known, and the moment from which nothing can have been spent.
    """

    budget: Budget
    window: Window
    spent: dict[int, int] = field(default_factory=dict)
    spent_nano_usd: int = 0
    held_nano_usd: int = 0
    at_risk_nano_usd: int = 0
    rungs: frozenset[int] = frozenset()
    overridden: Override | None = None
    unread: bool = False
    unread_attempts: int = 0
    left: tuple[Window, dict[int, int]] | None = None
    unspent_from: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.unspent_from = self.window.end

    def limit_at(self, now: datetime) -> int:
        """Give the limit that holds now."""
        override = self.override_at(now)
        return self.budget.limit_nano_usd if override is None else override.limit_nano_usd

    def override_at(self, now: datetime) -> Override | None:
        """Give what holds instead of the limit: what an operator has said last, else what the rule files say."""
        said = (self.overridden, self.budget.override)
        return next((override for override in said if override is not None and now < override.until), None)

    def add(self, at: datetime, nano_usd: int, now: datetime) -> None:
        """Add what was spent on a request that came at a moment."""
        self.roll(now)
        if at >= self.unspent_from:  # it came when the clock was ahead
            self.unspent_from = window_at(self.budget.period, self.budget.zone, at).end
        grain = grain_s(self.budget.period)
        start = int(at.timestamp()) // grain * grain
        if at in self.window:
            self._put({start: nano_usd}, now)
        if self.left is not None and at in self.left[0]:
            self.left[1][start] = self.left[1].get(start, 0) + nano_usd

    def load(self, sums: Sums, now: datetime) -> None:
        """Add what the ledger has of the present window."""
        self.roll(now)
        self._put(self._within(sums), now)

    def take(self, fresh: "Account", now: datetime) -> None:
        """Go on with what an account knows that was begun when the ledger was asked."""
        self.roll(now)
        fresh.roll(now)
        self.window, self.spent, self.unread = fresh.window, fresh.spent, False
        self.spent_nano_usd = fresh.spent_nano_usd
        self.climb(now)

    def roll(self, now: datetime) -> None:
        """Go on to the window of now; what lies before it is let go of, what lies in both stays.

        All that is spent in a new window of the calendar has been heard of, whatever was not known of the last one. A
        clock that is set back leads to windows that were left: of the last one it is known what was spent, of others
        it must be read again.
        """
        if now in self.window:
            return
        window, spent = window_at(self.budget.period, self.budget.zone, now), self.spent
        left, self.left = self.left, None if self.unread else (self.window, self.spent)
        if left is not None and left[0] == window:
            spent, self.unread = left[1], False
        elif window.start < self.window.start or self.window.end < self.unspent_from:
            self.unread = True
        else:
            self.unread = self.unread and isinstance(self.budget.period, Rolling)
        self.window, self.unspent_from = window, max(self.unspent_from, window.end)
        self.spent, self.spent_nano_usd = {}, 0
        self._put(self._within(spent), now)

    def _within(self, sums: Sums) -> Sums:
        first, last = buckets(self.window, grain_s(self.budget.period))
        return {start: nano_usd for start, nano_usd in sums.items() if first <= start <= last}

    def _put(self, sums: Sums, now: datetime) -> None:
        for start, nano_usd in sums.items():
            self.spent[start] = self.spent.get(start, 0) + nano_usd
            self.spent_nano_usd += nano_usd
        self.climb(now)

    def climb(self, now: datetime) -> None:
        """Say anew which rungs hold; none of a budget that is left out."""
        if self.unread and self.budget.on_store_failure is OnStoreFailure.OPEN:
            self.rungs = frozenset()
        elif self.budget.rungs:
            self.rungs = holding(self.budget.rungs, self.spent_nano_usd / max(self.limit_at(now), 1), self.rungs)

    def used(self, now: datetime) -> float:
        """Give the share of the limit that is spent."""
        self.roll(now)
        return self.spent_nano_usd / max(self.limit_at(now), 1)

    def holding_rungs(self) -> list[Rung]:
        """Give the rungs that hold."""
        return [self.budget.rungs[place] for place in sorted(self.rungs)]

    def amount(self, asked: Asked) -> int:
        """Give what is held back for an attempt: the most it may cost where the budget is hard, else the likely."""
        return asked.most_nano_usd if self.budget.hard else min(asked.likely_nano_usd, asked.most_nano_usd)

    def refuses(self, asked: Asked, now: datetime) -> Overspent | Unread | None:
        """Say why an attempt does not fit, None where it does."""
        self.roll(now)
        if self.unread:
            self.unread_attempts += 1
            if self.budget.on_store_failure is OnStoreFailure.CLOSED:
                return Unread(self.budget.name)
            if self.budget.on_store_failure is OnStoreFailure.OPEN:
                return None
        limit = self.limit_at(now)
        ceiling = ceiling_nano_usd(self.budget, limit)
        wanted = self.amount(asked)
        excess = self.spent_nano_usd + self.held_nano_usd + wanted - (ceiling or 0)
        if ceiling is None or excess <= 0:
            return None
        resets_at = None if wanted > ceiling else frees_at(self.budget.period, self.window, self.spent, excess)
        if resets_at is None and wanted <= ceiling:
            resets_at = self.window.end  # what is held back is let go of by then, or sooner
        return Overspent(self.budget.name, str(self.budget.period), self.spent_nano_usd, limit, resets_at)


@dataclass(slots=True)
class Hold:
    """Money that is held back for one attempt, in each of its accounts, until the request is noted."""

    accounts: tuple[Account, ...] = ()
    most_nano_usd: int = 0
    held: tuple[int, ...] = ()
    open: bool = True

    def settle(self, nano_usd: int) -> None:
        """Hold what the attempt has cost instead of what it might have; once."""
        if not self.open:
            return
        for account, amount in zip(self.accounts, self.held, strict=True):
            account.held_nano_usd += nano_usd - amount
            account.at_risk_nano_usd -= max(self.most_nano_usd - amount, 0)
        self.held = tuple(nano_usd for _ in self.held)
        self.open = False

    def release(self) -> None:
        """Let go of what is held: it has been booked by now, or it was never spent."""
        self.settle(0)
        for account, amount in zip(self.accounts, self.held, strict=True):
            account.held_nano_usd -= amount
        self.accounts, self.held = (), ()


NO_HOLD = Hold(open=False)
