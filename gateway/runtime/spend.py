"""What has been spent of each budget, and what is held back for attempts under way.

Kept in memory over reloads; what is spent is what the ledger has, and is taken from there at the start. Between the
look at a budget and the hold on it nothing waits, so that no two attempts can take the same money. The decisions are
`engine.budgets`; this remembers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.budget import Budget, Downgrade, Override, Overspent, Rung, Spender, Unread, Wanted
from gateway.domain.window import Window
from gateway.domain.words import Prefer
from gateway.engine.budgets import Asked, caps_of
from gateway.engine.windows import buckets, forecast, grain_s, window_at
from gateway.runtime.account import NO_HOLD, Account, Hold, Sums
from gateway.runtime.lately import Lately
from gateway.runtime.ports import Clock

REREAD_EVERY_S = 5
"""How often it is tried again to read what a budget has spent, and so when a caller may come again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands, for people and gauges. `overshoot` is by how much attempts under way may pass the limit.

    While it is `unread`, what is spent is only what was heard of since; `unread_attempts` were decided upon so.
    """

    budget: Budget
    window: Window
    limit_nano_usd: int
    spent_nano_usd: int
    held_nano_usd: int
    overshoot_nano_usd: int
    forecast_nano_usd: int | None
    rungs: tuple[Rung, ...]
    override: Override | None
    unread: bool = False
    unread_attempts: int = 0


class SpendBook:
    """The accounts of all budgets, by name, and what attempts of each rule at each model have cost lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self._opening: dict[str, Account] = {}
        self._rereading: dict[str, tuple[Account, Account]] = {}
        self._overrides: dict[str, Override | None] = {}
        self._lately: dict[tuple[str, str], Lately] = {}

    # -- budgets come and go

    def lacking(self, budgets: Mapping[str, Budget]) -> list[Wanted]:
        """Give what must be read for each new budget.

        A budget that is known goes on with what it has, whatever its limit or its ladder is now.
        """
        now = self._clock.now()
        return [_wanted(budget, now) for budget in budgets.values() if self._kept(budget) is None]

    def open(self, budgets: Iterable[Budget]) -> None:
        """Begin accounts that are not in force yet: from now on they hear of what is spent."""
        now = self._clock.now()
        self._opening = {each.name: Account(each, window_at(each.period, each.zone, now)) for each in budgets}

    def take_up(self, budgets: Mapping[str, Budget], sums: Mapping[str, Sums]) -> None:
        """Put budgets into force; `sums` is what the ledger had for each opened one when it was opened.

        Of an opened one that it has not, it is not known what was spent before.
        """
        now, accounts = self._clock.now(), {}
        for budget in budgets.values():
            account = self._kept(budget)
            if account is None and (account := self._opening.get(budget.name)) is not None:
                account.unread = budget.name not in sums
            if account is None:
                account = Account(budget, window_at(budget.period, budget.zone, now))
            account.budget, account.overridden = budget, self._overrides.get(budget.name)
            account.load(sums.get(budget.name, {}), now)
            account.climb(now)  # an edited ladder holds at once
            accounts[budget.name] = account
        self._accounts, self._opening = accounts, {}

    @property
    def unread(self) -> bool:
        """Whether it is not known of some budget what it has spent."""
        return any(account.unread for account in self._accounts.values())

    def reread(self) -> list[Wanted]:
        """Begin to read anew what is not known: give what must be read, as `lacking`."""
        now = self._clock.now()
        unread = [account for account in self._accounts.values() if account.unread]
        fresh = [Account(each.budget, window_at(each.budget.period, each.budget.zone, now)) for each in unread]
        self._rereading = {each.budget.name: (each, new) for each, new in zip(unread, fresh, strict=True)}
        return [_wanted(each.budget, now) for each in fresh]

    def known(self, sums: Mapping[str, Sums]) -> None:
        """Take in what the ledger had of budgets when `reread` was called; those that are gone by now stay away."""
        now = self._clock.now()
        rereading, self._rereading = self._rereading, {}
        for name, (account, fresh) in rereading.items():
            if self._accounts.get(name) is account and account.unread:
                fresh.load(sums.get(name, {}), now)
                account.take(fresh, now)

    def _kept(self, budget: Budget) -> Account | None:
        """Give the account of a budget whose spend is still the sum it was."""
        account = self._accounts.get(budget.name)
        if account is None:
            return None
        before = account.budget
        same = (before.scope, before.period, before.zone.key) == (budget.scope, budget.period, budget.zone.key)
        return account if same else None

    def override(self, name: str, override: Override | None) -> None:
        """Set another limit for a budget for a while, or take it back."""
        self._overrides[name] = override
        account = self._accounts.get(name)
        if account is not None:
            account.overridden = override
            account.climb(self._clock.now())

    # -- attempts

    def any_hard(self) -> bool:
        """Whether a budget needs upper bounds."""
        return any(account.budget.hard for account in self._accounts.values())

    @property
    def boundless(self) -> bool:
        """Whether there is no budget."""
        return not self._accounts

    def covering(self, spender: Spender) -> tuple[Account, ...]:
        """Give the accounts of the budgets that an attempt counts for."""
        return tuple([account for account in self._accounts.values() if account.budget.scope.covers(spender)])

    def reserve(self, accounts: tuple[Account, ...], asked: Asked) -> Hold | Overspent | Unread:
        """Hold money back in all accounts, or in none; what costs nothing always passes."""
        if not accounts or not asked.most_nano_usd:
            return NO_HOLD
        now = self._clock.now()
        refusals = [refusal for account in accounts if (refusal := account.refuses(asked, now)) is not None]
        if refusals:
            return max(refusals, key=_waits)
        held = tuple(account.amount(asked) for account in accounts)
        for account, amount in zip(accounts, held, strict=True):
            account.held_nano_usd += amount
            account.at_risk_nano_usd += max(asked.most_nano_usd - amount, 0)
        return Hold(accounts, asked.most_nano_usd, held)

    def book(self, spender: Spender, at: datetime, *costs: int) -> None:
        """Add what attempts have cost, in nano-dollars, of requests that came in the minute of a moment.

        Just when it goes to the ledger. What such attempts cost is learned from it.
        """
        now, nano_usd = self._clock.now(), sum(costs)
        for account in (*self._accounts.values(), *self._opening.values(), *self._fresh()):
            if account.budget.scope.covers(spender):
                account.add(at, nano_usd, now)
        key = (spender.rule, spender.model)
        lately = self._lately.get(key)
        if lately is None:
            lately = self._lately[key] = Lately()
        lately.add(costs)

    def _fresh(self) -> Iterable[Account]:
        return (fresh for _, fresh in self._rereading.values())

    def usual_nano_usd(self, rule: str, model: str) -> int | None:
        """Give what nearly all attempts of a rule at a model cost lately, None where too few are known."""
        lately = self._lately.get((rule, model))
        return None if lately is None else lately.usual_nano_usd

    # -- what rules and people see

    def used(self, name: str) -> float:
        """Give the share of a budget's limit that is spent; 0 for a budget that there is not."""
        account = self._accounts.get(name)
        return 0.0 if account is None else account.used(self._clock.now())

    @property
    def climbing(self) -> bool:
        """Whether a rung of any ladder holds."""
        return bool(self._accounts) and any(account.rungs for account in self._accounts.values())

    def prefers(self, spender: Spender) -> Prefer | None:
        """Give what a ladder makes a request prefer, None where none does; the highest rung decides."""
        found: tuple[float, Prefer] | None = None
        now = self._clock.now()
        for account in self._accounts.values():
            if not account.rungs or not account.budget.scope.known_before or not account.budget.scope.covers(spender):
                continue
            account.roll(now)
            for rung in account.holding_rungs():
                if isinstance(rung.action, Downgrade) and (found is None or rung.share > found[0]):
                    found = (rung.share, rung.action.prefer)
        return None if found is None else found[1]

    def standings(self) -> list[Standing]:
        """Give how each budget stands."""
        now = self._clock.now()
        return [_standing(account, now) for account in self._accounts.values()]


def caps(accounts: Iterable[Account]) -> dict[str, float]:
    """Give what the ladders of some budgets cap now."""
    return caps_of(rung for account in accounts if account.rungs for rung in account.holding_rungs())


def _wanted(budget: Budget, now: datetime) -> Wanted:
    grain = grain_s(budget.period)
    return Wanted(budget.name, budget.scope, *buckets(window_at(budget.period, budget.zone, now), grain), grain)


def _waits(refusal: Overspent | Unread) -> float:
    """Say of refusals which one is to be told: what is known before what is not, and then the longest."""
    if isinstance(refusal, Unread):
        return float("-inf")
    return float("inf") if refusal.resets_at is None else refusal.resets_at.timestamp()


def _standing(account: Account, now: datetime) -> Standing:
    account.roll(now)
    limit = account.limit_at(now)
    most = account.spent_nano_usd + account.held_nano_usd + account.at_risk_nano_usd
    return Standing(
        budget=account.budget,
        window=account.window,
        limit_nano_usd=limit,
        spent_nano_usd=account.spent_nano_usd,
        held_nano_usd=account.held_nano_usd,
        overshoot_nano_usd=max(most - limit, 0),
        forecast_nano_usd=forecast(account.spent_nano_usd, account.window, now),
        rungs=tuple(account.holding_rungs()),
        override=account.override_at(now),
        unread=account.unread,
        unread_attempts=account.unread_attempts,
    )
